"""What steps left in a workspace: as a journal has it, and what a fork inherits of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from assay.graphs.event import EventType
from assay.graphs.execution import Failure, StepResult
from assay.graphs.fold import Folder, events
from assay.graphs.history import History, Tried
from assay.graphs.records import Encoder
from assay.graphs.stored import Entry
from assay.graphs.workspace.tree import inherited, tree_of
from assay.store.mentions import mentioned

from .test_records import Shelf
from .test_workspace import result


def test_an_attempt_that_failed_counts_until_its_step_has_ended() -> None:
    error = Failure("x", "x", "b")
    failed = Tried(1, 0.0, error, {"changed": {"f": ["d", 1]}, "with": []}, seq=2)
    one = result("a", 1, {"changed": {"f": ["d", 0], "g": ["d", 0]}, "with": []})
    two = result("c", 3, {"changed": {"g": None}, "with": []})

    assert tree_of(History({"a": one, "c": two}, tried={"b": failed})) == {"f": ["d", 1]}


def test_what_a_kept_step_may_have_done_is_inherited() -> None:
    """`b` ran while `a` did; `c` has changed the same path in between."""

    def files(**changed: Any) -> Mapping[str, Any]:
        shared = changed.pop("shared", [])
        return {"changed": changed, "with": shared}

    results = {
        "a": result("a", 1, files(x=["d", 1], y=["d", 1], shared=["b", "c"])),
        "c": result("c", 2, files(y=["d", 2], shared=["b"])),
        "b": result("b", 3, files(z=["d", 3])),
    }
    history = History(results)

    assert inherited(history, {"a", "b", "c"}) == {p: r.files for p, r in results.items()}
    assert inherited(history, {"b"}) == {"b": files(x=["d", 1], y=["d", 2], z=["d", 3])}
    assert inherited(history, {"c"}) == {"c": files(x=["d", 1], y=["d", 2], shared=["b"])}
    assert inherited(history, set()) == {}


def written(*results: StepResult) -> tuple[History, bytes, dict[str, bytes]]:
    """What is read back of results, what was written of them, and the blobs."""
    encoder = Encoder("2026-11-21T09:30:00.000000Z")
    records = [encoder.result(result, "2026-11-21T09:30:00.000000Z") for result in results]
    data = {"attempt": 2, "of": 3, "delay": 1.0, "next_at": 1.0, "files": results[-1].files}
    data["error"] = Failure("x", "x", "t").to_dict()
    seq = len(records) + 1
    type = EventType.STEP_RETRYING
    records.append(encoder.event(type, seq, "2026-11-21T09:30:00.000000Z", "t", data))
    entry = encoder.entry(1, seq, records)
    shelf = Shelf()
    shelf.data = dict(encoder.blobs)
    folder = Folder("e", shelf, lambda path, message: pytest.fail(f"{path}: {message}"))
    asyncio.run(folder.fold([entry]))
    assert len(list(events(entry, "e"))) == seq
    return folder.history(), entry.data, shelf.data


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_a_journal_says_what_steps_left_and_which_blobs_that_needs(count: int) -> None:
    digests = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(count + 1)]
    changed = {f"f{n}": ["f", 0o644, 5, digests[n]] for n in range(count // 2)}
    changed |= {f"g{n}": ["f", 0o644, 5, "0" * 64, digests[n], n] for n in range(count // 2, count)}
    files = {"changed": {"gone": None, **changed}, "with": ["a"]} if count else {}

    history, text, blobs = written(result("s", 1, files))

    assert history.results["s"].files == history.tried["t"].files == files
    assert (len(blobs) == 1) is (count == 2000)
    assert {*digests[:count]} <= {*mentioned(text)}
    assert (b'"f":' in text) is (count > 0)


def test_lost_names_of_files_are_told() -> None:
    files = {"changed": {f"{n:09}": None for n in range(10_000)}, "with": []}
    _, text, _ = written(result("s", 1, files))
    told: list[str] = []
    folder = Folder("e", Shelf(), lambda where, message: told.append(f"{where}: {message}"))

    asyncio.run(folder.fold([Entry(1, 2, text)]))

    assert len(told) == 2
    assert "of step s of execution e is lost" in told[0]
