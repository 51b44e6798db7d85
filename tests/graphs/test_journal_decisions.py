"""Decisions are read back exactly, whatever of them was kept apart from the journal."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.graphs.beginning import beginning
from assay.graphs.errors import NewerFormat, StateCorrupted
from assay.graphs.execution import Execution, Status
from assay.graphs.fold import Folder, Holder
from assay.graphs.history import Decision, History
from assay.graphs.records import LARGE, VERSION, Encoder, moment
from assay.graphs.stored import Entry

from .test_records import BEGAN, TEXT, TRICKY, VALUES, Book, Shelf, text_of

BIG = "x" * (LARGE + 1)
SIZED = st.builds(
    lambda size, end: "x" * size + end,
    st.sampled_from([0, 1, 300, LARGE - 3, LARGE - 2, LARGE - 1, LARGE, 2 * LARGE]),
    TRICKY,
)
PARTS = SIZED | VALUES | st.lists(SIZED, max_size=2) | st.dictionaries(TEXT, SIZED, max_size=2)
NAMES = st.sampled_from(["context", "local", "results", "log", "", "0"])
DECIDED = PARTS | st.dictionaries(NAMES, PARTS | st.dictionaries(NAMES, PARTS, max_size=3))


def decided(history: History) -> list[bytes]:
    return [text_of([*key, value]) for key, value in history.decisions.items()]


def size(book: Book, *given: Any) -> int:
    """Bytes that the decision adds to the journal."""
    before = book.size
    book.decision(*given)
    book.result(output=None)
    return book.size - before


@settings(deadline=None, max_examples=150)
@given(st.lists(DECIDED, max_size=3), st.booleans())
@example([{"context": {str(n): "v" * 1000 for n in range(80)} | {"log": BIG}}], False)
@example([{"context": {"log": BIG, "none": None}, "none": None}, [None, BIG]], True)
def test_decisions_of_any_size_are_read_back(values: list[Any], restarts: bool) -> None:
    book, written = Book(), []
    for number, value in enumerate(values):
        book.decision("p", str(number), value)
        written.append(text_of(["p", str(number), value]))
        if restarts:
            book.restart()
    book.result(output=None)

    assert decided(book.read()) == written
    assert book.size <= (LARGE + 1000) * max(len(values), 1)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["log", "text"]), SIZED, st.booleans(), st.booleans()),
        max_size=8,
    )
)
@example([("log", "x" * 300, True, False), ("log", "y", True, True)])
def test_a_context_that_a_decision_holds_is_read_back(
    changes: list[tuple[str, str, bool, bool]],
) -> None:
    """As it was when it was decided, also where it has not been written since a restart."""
    book, written = Book(), []
    context: dict[str, Any] = {"log": [], "text": ""}
    for number, (name, added, writes, restarts) in enumerate(changes):
        context[name] = [*context[name], added] if name == "log" else context[name] + added
        if writes:
            book.result(context={name: context[name]}, output=None)
        if restarts:
            book.restart()
        value = {"context": dict(context), "local": dict(context)}
        book.decision("p", str(number), value)
        written.append(text_of(["p", str(number), value]))
    book.result(output=None)

    assert decided(book.read()) == written


def test_a_value_that_a_step_gave_is_referred_to() -> None:
    """Alone, as an answer has it, and as a compensation does."""
    book = Book()
    book.result(output=BIG)
    book.commit()
    kept = dict(book.shelf.data)
    large = {"output": BIG, "context": {"x": BIG}, "local": {"item": BIG, "index": 1}}

    assert size(book, "a", "value", BIG) < 300
    assert size(book, "b", "undo", large) < 600
    assert book.shelf.data == kept


def test_a_context_that_grows_is_not_written_with_each_decision() -> None:
    book = Book()
    log: list[str] = ["x" * 400]
    sizes = []
    for number in range(300):
        log = [*log, f"entry {number} " + "y" * 400]
        book.result(context={"log": log}, output=None)
        sizes.append(size(book, "p", str(number), {"context": {"log": log, "n": number}}))

    assert max(sizes) < 200
    assert book.shelf.data == {}
    assert book.read().decisions["p", "299"] == {"context": {"log": log, "n": 299}}


def test_what_is_small_is_written_as_it_is() -> None:
    encoder = Encoder(moment(BEGAN))

    values: list[Any] = [True, "x" * (LARGE - 40), [1, {"a": None}], {"context": {}}]
    for value in values:
        raw = encoder.decision(Decision("p", "name", value))
        assert raw == orjson.dumps(["d", "p", "name", value])
    assert encoder.blobs == {}


@pytest.mark.parametrize("value", [{1: BIG}, [BIG, {2}], {"a": BIG, "b": {"c": b"raw"}}, 2**70])
def test_what_json_cannot_hold_is_refused_and_leaves_no_trace(value: Any) -> None:
    encoder = Encoder(moment(BEGAN))

    with pytest.raises(TypeError):
        encoder.decision(Decision("p", "items", value))
    assert encoder.blobs == {}


def test_of_a_lost_part_the_decision_is_named_and_reads_as_null() -> None:
    """Whichever part it is: the rest of a decision is no ground to stand on."""
    value = {"context": {str(n): "v" * 1000 for n in range(80)} | {"log": BIG}, "step": "s"}
    book = Book()
    book.decision("each[1].s", "undo", value)
    book.decision("each", "items", [BIG])
    book.decision("", "outcome", {"message": BIG + "!"})
    book.result()
    book.commit()
    found: list[tuple[Holder, str]] = []

    for sha256, data in list(book.shelf.data.items()):
        del book.shelf.data[sha256]
        folder = Folder("e", book.shelf, lambda holder, message: found.append((holder, message)))
        asyncio.run(folder.fold(book.entries))
        book.shelf.data[sha256] = data
        (holder, message) = found[-1]
        assert holder[1] is not None
        lost = {key for key, read in folder.history().decisions.items() if read is None}
        assert lost == {holder}
        assert f"a value of {len(data)} bytes of the decision `{holder[1]}`" in message
        assert f"{sha256} is gone" in message

    assert {holder for holder, _ in found} == {
        *(("each[1].s", "undo"), ("each", "items"), ("", "outcome")),
    }
    assert "`undo` of step each[1].s of execution e" in " ".join(m for _, m in found)
    assert "`outcome` of execution e" in " ".join(m for _, m in found)


SHA256 = hashlib.sha256(b'["kept"]').hexdigest()


@pytest.mark.parametrize(
    "parts",
    [
        *([[["a"], SHA256, 8]], [[["x"], SHA256, 8]], [[["a", "b"], SHA256, 8]], [[0, SHA256, 8]]),
        *([[[0], SHA256, 8]], [[]], [[["none"]]], [[["none"], "log"]], [[["none"], SHA256]]),
        *([[["none"], [SHA256], 8]], 7, None, "text", {"none": SHA256}),
    ],
    ids=str,
)
def test_parts_that_have_no_place_are_reported(parts: Any) -> None:
    shelf = Shelf()
    shelf.data[SHA256] = b'["kept"]'
    record = ["d", "p", "undo", {"a": 1, "none": None}, parts]
    entry = Entry(1, 1, orjson.dumps([VERSION, 0, record]))
    folder = Folder("e", shelf, lambda _, message: pytest.fail(message))

    with pytest.raises(StateCorrupted, match="the journal of execution e between 1 and 1"):
        asyncio.run(folder.fold([entry]))


def test_an_older_assay_is_told_to_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take such a decision for damage."""
    book = Book()
    book.decision("each", "items", [BIG])
    book.result()
    book.commit()
    monkeypatch.setattr("assay.graphs.fold.VERSION", 1)

    with pytest.raises(NewerFormat, match="version 2; this Assay knows 1: upgrade"):
        book.read()


def test_a_fork_says_which_large_values_it_begins_with() -> None:
    """Those of a journal of version 1 were in it, and nowhere else."""
    at = moment(BEGAN)
    forked = Execution(*("f", "w", "1", "digest", Status.QUEUED, {}), created_at=at, updated_at=at)
    inherited = History(decisions={("each", "items"): [BIG], ("each", "when"): True})

    begun = beginning(forked, inherited)

    assert list(begun.blobs.values()) == [orjson.dumps([BIG])]
    assert sum(len(entry.data) for entry in begun.entries) < 1000
