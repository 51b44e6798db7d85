"""What is written into a journal is read back exactly, whatever the values and the commits.

Values are compared as JSON text, in which `true`, `1` and `1.0` are three different things.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from assay.graphs.errors import NewerFormat, StateCorrupted, StoreError
from assay.graphs.event import Event, EventType
from assay.graphs.execution import Cost, Exit, Failure, Status, StepResult
from assay.graphs.fold import Folder
from assay.graphs.fold import events as events_of
from assay.graphs.history import Decision, History
from assay.graphs.records import LARGE, Encoder, moment
from assay.graphs.stored import Entry

BEGAN = 1_790_000_000_000_000


class Shelf:
    """Blobs in memory."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    async def put(self, data: bytes | Path) -> str:
        raise NotImplementedError

    async def get(self, sha256: str) -> bytes:
        if sha256 not in self.data:
            raise StoreError(f"{sha256} is gone")
        return self.data[sha256]

    async def has(self, sha256: str) -> bool:
        return sha256 in self.data

    def path(self, sha256: str) -> Path | None:
        return None


@dataclass
class Book:
    """A journal being written: entries of so many records each, blobs before them."""

    shelf: Shelf = field(default_factory=Shelf)
    entries: list[Entry] = field(default_factory=list)
    seq: int = 0
    _encoder: Encoder = field(default_factory=lambda: Encoder(moment(BEGAN)))
    _first: int = 1
    _records: list[bytes] = field(default_factory=list)

    def result(self, **given: Any) -> StepResult:
        """Write a result; the one that must be read back."""
        self.seq += 1
        at = moment(BEGAN + 1000 * self.seq)
        usual = {"kind": "python", "status": Status.COMPLETED, "started_at": at}
        given = {"path": f"s{self.seq}", "completed_at": at, **usual, **given}
        given.setdefault("step", given["path"])
        result = StepResult(**given, seq=self.seq)
        self._records.append(self._encoder.result(result, at))
        return result

    def decision(self, *given: Any) -> None:
        self._records.append(self._encoder.decision(Decision(*given)))

    def event(self, type: EventType, path: str = "", **data: Any) -> Event:
        self.seq += 1
        at = moment(BEGAN + self.seq)
        self._records.append(self._encoder.event(type, self.seq, at, path, data))
        return Event("e", type, at, path, data, self.seq)

    def commit(self) -> None:
        self.shelf.data |= self._encoder.blobs
        self._encoder.blobs.clear()
        if self._first <= self.seq:
            self.entries.append(self._encoder.entry(self._first, self.seq, self._records))
            self._first, self._records = self.seq + 1, []

    def restart(self) -> None:
        """Another process goes on with it."""
        self.commit()
        self._encoder = Encoder(moment(BEGAN))

    def read(self) -> History:
        """Nothing of it may be lost."""
        self.commit()
        folder = Folder("e", self.shelf, lambda path, message: pytest.fail(f"{path}: {message}"))
        asyncio.run(folder.fold(self.entries))
        return folder.history()

    @property
    def size(self) -> int:
        self.commit()
        return sum(len(entry.data) for entry in self.entries)


def text_of(value: Any) -> bytes:
    return orjson.dumps(value)


def same(history: History, written: Sequence[StepResult]) -> None:
    """Exactly these results were read."""
    assert [text_of(r.to_dict()) for r in history.results.values()] == [
        text_of(r.to_dict()) for r in written
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TRICKY = st.sampled_from(
    ["", '"', "\\", '\\"', "\\\\", "\n", "\x00", "\x1f", "é", "\U0001d4b3", "\u2028", "a,", "],"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([0, 1, 0.0, 1.0, -0.0, True, False, 1e300, 5e-324]),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    TRICKY,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["a", "b", "*o", ".", "*.a", "w", ""])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(VALUES, st.dictionaries(NAMES, VALUES, max_size=3)), max_size=5))
@example([(True, {"a": 1, "b": True, "w": 1.0})])
@example([({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1.0}), ({"a": 1}, {"a": 1})])
@example([([0.0], {"a": [-0.0]})])
def test_outputs_are_read_back(given: list[tuple[Any, dict[str, Any]]]) -> None:
    book = Book()
    written = [book.result(output=output, outputs=outputs) for output, outputs in given]

    same(book.read(), written)


@settings(deadline=None, max_examples=100)
@given(VALUES, st.booleans(), st.dictionaries(NAMES, VALUES, max_size=3))
def test_outputs_that_are_equal_to_the_output_are_read_back(
    output: Any, whole: bool, more: dict[str, Any]
) -> None:
    """They are written once; the same value may also be the context that was set."""
    book = Book()
    mapping = output if isinstance(output, dict) else {"v": output}
    written = [
        book.result(output=output, outputs={"x": output, "y": output, **more}),
        book.result(output=mapping, outputs=mapping, context=mapping if whole else {}),
        book.result(output=mapping, outputs={**mapping, **more}, context={**mapping, **more}),
    ]

    same(book.read(), written)


@dataclass(frozen=True)
class Change:
    """What a step does to one name of the mutable context."""

    name: str
    how: str
    value: Any
    commits: bool
    restarts: bool


CHANGES = st.builds(
    Change,
    st.sampled_from(["log", "text"]),
    st.sampled_from(["set", "append", "append", "append", "cut", "same"]),
    VALUES | st.just("long enough to be written as what was added " * 8),
    st.booleans(),
    st.booleans(),
)


def changed(value: Any, change: Change) -> Any:
    match change.how, value:
        case "append", list():
            return [*value, change.value]
        case "append", str():
            return value + (change.value if isinstance(change.value, str) else "…")
        case "cut", list() | str():
            return value[:-1]
        case "same", _:
            return value
    return change.value


@settings(deadline=None, max_examples=200)
@given(st.lists(CHANGES, max_size=12), TRICKY, TRICKY)
@example([Change("text", "append", '\\"', True, False)], "\\", '"')
def test_context_that_grows_is_read_back(changes: list[Change], before: str, between: str) -> None:
    """Also across restarts, and where what is added looks like the end of what was there."""
    book = Book()
    context: dict[str, Any] = {
        "log": ["x" * 300, before],
        "text": "y" * 300 + before + between,
    }
    written = [book.result(context=dict(context), output=dict(context))]
    for change in changes:
        context[change.name] = changed(context[change.name], change)
        written.append(book.result(context={change.name: context[change.name]}))
        if change.commits:
            book.commit()
        if change.restarts:
            book.restart()

    same(book.read(), written)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([0, 1, LARGE - 2, LARGE - 1, LARGE, 200_000]), min_size=1, max_size=4),
    TRICKY,
    st.booleans(),
)
def test_large_values_are_kept_once_and_read_back(
    sizes: list[int], last: str, restarts: bool
) -> None:
    book = Book()
    values = ["x" * size + last for size in sizes]
    written = []
    for value in values:
        written.append(book.result(output=value, outputs={"a": value, "b": [value]}))
        written.append(book.result(context={"log": [value], "n": 1}, output=1))
        if restarts:
            book.restart()

    same(book.read(), written)
    bodies = [*values, *([value] for value in values)]
    large = {raw for body in bodies if len(raw := text_of(body)) > LARGE}
    assert set(book.shelf.data) <= {hashlib.sha256(raw).hexdigest() for raw in large}
    assert large & {text_of(value) for value in values} <= set(book.shelf.data.values())
    assert book.size < 8 * LARGE * len(sizes)


def parts() -> Iterator[Mapping[str, Any]]:
    """Every field of a result, each apart."""
    failure = Failure("code", "why\n…", "a.b", rollback=True)
    later = moment(BEGAN + 5_000_000)
    yield {"error": failure, "status": Status.FAILED}
    yield {"error": Failure("c", ""), "status": Status.SKIPPED, "reason": "`on_error: skip`"}
    yield {"status": Status.CANCELLED}
    yield {"attempts": 0}
    yield {"attempts": 7, "cached": True, "cache_key": "k" * 64}
    yield {"exit": Exit.STOP, "reason": ""}
    yield {"exit": Exit.SKIP}
    yield {"cost": Cost(1, 2, 3, 0.25)}
    yield {"cost": Cost()}
    yield {"artifacts": {"f": {"path": "a/b", "sha256": "0" * 64, "size": 3}}}
    yield {"path": "each[17].fix~2#3.edit", "step": "edit"}
    yield {"path": "a/rollback.u", "step": "u"}
    yield {"path": "x", "step": "another"}
    yield {"started_at": moment(BEGAN), "completed_at": later}
    yield {"context": {"x": None}, "output": {"x": None}}
    yield {"output": None, "outputs": {"x": None}}
    yield {"output": [], "outputs": {"x": [], "y": {}}}


@pytest.mark.parametrize("given", list(parts()), ids=str)
def test_every_field_is_read_back(given: Mapping[str, Any]) -> None:
    book = Book()
    written = [book.result(**given)]

    same(book.read(), written)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(TEXT, TEXT, VALUES), max_size=8, unique_by=lambda d: d[:2]), VALUES)
def test_decisions_and_events_are_read_back(decided: list[Any], data: Any) -> None:
    book = Book()
    for path, name, value in decided:
        book.decision(path, name, value)
    noted = [book.event(EventType.EMITTED, "p", data=data), book.event(EventType.NOTICE)]

    history = book.read()

    found = [text_of([path, name, v]) for (path, name), v in history.decisions.items()]
    assert found == [text_of(list(d)) for d in decided]
    read = [event for entry in book.entries for event in events_of(entry, "e")]
    assert [text_of(e.to_dict()) for e in read] == [text_of(e.to_dict()) for e in noted]
    assert history.seq == 2


@pytest.mark.parametrize("value", [{1: 2}, {"a": {3}}, b"raw", object(), "\ud800", 2**70])
def test_what_json_cannot_hold_is_refused_and_leaves_no_trace(value: Any) -> None:
    """What is added later is added to what was written, and not to what was refused."""
    book = Book()
    first = book.result(context={"log": ["x" * 400]})
    seq = book.seq
    with pytest.raises(TypeError):
        book.result(context={"log": ["x" * 400, "lost"]}, output=value)
    book.seq = seq
    second = book.result(context={"log": ["x" * 400, "kept"]})

    same(book.read(), [first, second])


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_entry_is_read_or_reported_and_nothing_else(data: st.DataObject) -> None:
    """Whatever one byte of it becomes: an entry has no more shape than that of its JSON."""
    book = Book()
    book.event(EventType.EXECUTION_QUEUED)
    book.decision("a", "when", True)
    book.result(path="a", context={"log": ["x" * 300]}, output={"v": 1})
    book.result(context={"log": ["x" * 300, 1]}, outputs={"x": 2}, cost=Cost(1))
    book.result(error=Failure("c", "m"), status=Status.FAILED, artifacts={"a": {"path": "b"}})
    book.commit()
    (entry,) = book.entries
    at = data.draw(st.integers(0, len(entry.data) - 1))
    byte = data.draw(st.sampled_from(list(b'0123456789"[]{},:.-asetrnful_ \x00\xff')))
    assume(entry.data[at] != byte)
    damaged = bytes([*entry.data[:at], byte, *entry.data[at + 1 :]])
    book.entries = [Entry(entry.first, entry.last, damaged)]

    with suppress(StateCorrupted, NewerFormat):
        book.read()
    with suppress(StateCorrupted, NewerFormat):
        list(events_of(book.entries[0], "e"))


def test_what_was_added_is_all_that_is_written() -> None:
    """A list of a thousand that grows by one costs as much as one of ten."""
    book = Book()
    log = [f"entry {n}" for n in range(100)]
    book.result(context={"log": log})
    sizes = []
    for n in range(200):
        log = [*log, f"entry {n}"]
        before = book.size
        book.result(context={"log": log}, output=None)
        sizes.append(book.size - before)

    assert max(sizes) < 120
    assert list(book.read().results.values())[-1].context["log"] == log
