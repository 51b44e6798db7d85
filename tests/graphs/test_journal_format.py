"""Journals that older versions wrote are read for ever.

`fixtures/journal-v<version>-*.json` hold entries exactly as they were written when that version
was the present one, with what they mean. They are never written again, never changed and never
removed: a change of the format adds a version, an upcaster and its own fixtures.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from assay.graphs import fold
from assay.graphs.errors import NewerFormat, StateCorrupted
from assay.graphs.fold import Folder
from assay.graphs.fold import events as events_of
from assay.graphs.history import History
from assay.graphs.records import VERSION
from assay.graphs.stored import Entry

from .test_records import Shelf

FIXTURES = Path(__file__).parent / "fixtures"
WRITTEN = sorted(path.name for path in FIXTURES.glob("journal-v*.json"))


def fixture(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return document


def entries(document: Mapping[str, Any]) -> list[Entry]:
    return [Entry(first, last, data.encode()) for first, last, data in document["entries"]]


def folded(document: Mapping[str, Any], read: list[Entry] | None = None) -> History:
    shelf = Shelf()
    shelf.data = {sha256: text.encode() for sha256, text in document["blobs"].items()}
    folder = Folder(
        document["execution_id"], shelf, lambda path, message: pytest.fail(f"{path}: {message}")
    )
    asyncio.run(folder.fold(entries(document) if read is None else read))
    return folder.history()


def plain(history: History) -> dict[str, Any]:
    """A history as the fixtures have it."""
    return {
        "results": [result.to_dict() for result in history.results.values()],
        "decisions": [[path, name, v] for (path, name), v in history.decisions.items()],
        "tried": {
            path: {"attempts": t.attempts, "next_at": t.next_at, "error": t.error.to_dict()}
            for path, t in history.tried.items()
        },
        "intents": sorted(history.intents),
        "begun": {path: [b.at, b.kind, b.step] for path, b in history.begun.items()},
        "current": history.current,
        "seq": history.seq,
    }


def text(value: Any) -> bytes:
    """JSON in which `true`, `1` and `1.0` differ and the order of keys does not matter."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2, default=dict)


def test_every_version_has_its_fixtures() -> None:
    assert {f"journal-v{n}" for n in range(1, VERSION + 1)} == {
        name.rpartition("-")[0] for name in WRITTEN
    }


@pytest.mark.parametrize("name", WRITTEN)
def test_the_history_is_what_it_was(name: str) -> None:
    document = fixture(name)

    assert text(plain(folded(document))) == text(document["history"])


@pytest.mark.parametrize("name", WRITTEN)
def test_the_events_are_what_they_were(name: str) -> None:
    document = fixture(name)

    id = document["execution_id"]
    read = [event.to_dict() for entry in entries(document) for event in events_of(entry, id)]

    assert text(read) == text(document["events"])
    assert [event["seq"] for event in read] == list(range(1, len(read) + 1))


def seconds(entry: list[Any]) -> list[Any]:
    """A format that never was: its base was in seconds. Up to version 1."""
    version, base, *records = entry
    assert version == 0
    return [1, base * 1_000_000, *records]


def older(entry: Entry) -> Entry:
    """An entry as version 0 would have written it."""
    version, base, *records = orjson.loads(entry.data)
    assert version == 1
    data = orjson.dumps([0, base / 1_000_000, *records])
    return Entry(entry.first, entry.last, data)


def test_older_versions_are_brought_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry by itself: a journal may have been begun by one version and ended by another."""
    monkeypatch.setattr(fold, "UPCASTERS", {**fold.UPCASTERS, 0: seconds})
    document = fixture("journal-v1-records.json")
    mixed = [older(e) if n % 2 == 0 else e for n, e in enumerate(entries(document))]

    assert text(plain(folded(document, mixed))) == text(document["history"])
    read = [event.to_dict() for entry in mixed for event in events_of(entry, "e")]
    assert text(read) == text(document["events"])


def test_step_by_step_where_it_is_more_than_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version -1 had its records in a list of their own."""
    oldest_first = {-1: lambda e: [0, e[1], *e[2]], 0: seconds}
    monkeypatch.setattr(fold, "UPCASTERS", {**fold.UPCASTERS, **oldest_first})
    document = fixture("journal-v1-records.json")
    oldest = []
    for entry in entries(document):
        _, base, *records = orjson.loads(older(entry).data)
        oldest.append(Entry(entry.first, entry.last, orjson.dumps([-1, base, records])))

    assert text(plain(folded(document, oldest))) == text(document["history"])


@pytest.mark.parametrize("version", [VERSION + 1, 99])
def test_a_newer_version_wants_a_newer_assay(version: int) -> None:
    document = fixture("journal-v1-records.json")
    first, *others = entries(document)
    newer = Entry(first.first, first.last, b"[%d" % version + first.data[2:])

    with pytest.raises(NewerFormat, match=rf"version {version}.* knows {VERSION}: upgrade"):
        folded(document, [newer, *others])
    with pytest.raises(NewerFormat, match="upgrade"):
        list(events_of(newer, "e"))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{}", b"[]", b"[1]", b"null", b"[1,0", b"\xff", b'"text"', b"7"),
        *(b'["1",0]', b"[1,null]", b'[1,"x"]', b"[null,0]", b"[[1],0]", b"[{},0]"),
    ],
)
def test_what_is_no_entry_is_reported(data: bytes) -> None:
    document = fixture("journal-v1-records.json")

    with pytest.raises(StateCorrupted, match="the journal of execution e between 1 and 2"):
        folded(document, [Entry(1, 2, data)])


@pytest.mark.parametrize(
    "record",
    [
        *(["?", 1, 0], ["z"], [], ["r", 1, 0], ["u", 1, 0, "never"], ["s"], "text", 7, None),
        ["r", 1, 0, "p", "python", "c", 0, {"w": [["log", "+", ["added to nothing"]]]}],
        ["r", 1, 0, "p", "python", "c", 0, {"w": [["log", "="]]}],
        ["r", 1, 0, "p", "python", "?", 0, {}],
    ],
    ids=str,
)
def test_what_is_no_record_is_reported(record: Any) -> None:
    """Nothing is guessed: what cannot be understood is not passed over."""
    entry = Entry(1, 1, orjson.dumps([VERSION, 0, record]))

    with pytest.raises(StateCorrupted, match="the journal of execution e between 1 and 1"):
        folded({"execution_id": "e", "blobs": {}}, [entry])


def test_an_event_that_nobody_knows_is_reported_to_who_reads_events() -> None:
    entry = Entry(1, 1, orjson.dumps([VERSION, 0, ["e", 1, 0, "NoSuchEvent", "", {}]]))

    with pytest.raises(StateCorrupted, match="the journal of execution e between 1 and 1"):
        list(events_of(entry, "e"))


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_gap_is_reported(missing: int) -> None:
    document = fixture("journal-v1-records.json")
    with_gap = entries(document)
    del with_gap[missing]

    with pytest.raises(StateCorrupted, match="lacks what lies between"):
        folded(document, with_gap)
