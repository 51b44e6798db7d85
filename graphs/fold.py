"""A journal read back: entries to events, and to the history that a resume stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from .errors import NewerFormat, StateCorrupted, StoreError
from .event import Event, EventType
from .execution import Cost, Exit, Failure, Status, StepResult
from .history import Begun, History, Tried
from .ports import Blobs, Executions
from .records import LETTERS, RETRYING, VERSION, last_step, moment
from .stored import Entry

_STATUSES = {letter: status for status, letter in LETTERS.items()}

_ENDED = {
    Status.COMPLETED: EventType.STEP_COMPLETED,
    Status.FAILED: EventType.STEP_FAILED,
    Status.SKIPPED: EventType.STEP_SKIPPED,
    Status.CANCELLED: EventType.STEP_CANCELLED,
    Status.COMPENSATED: EventType.STEP_COMPENSATED,
}

Record = list[Any]

Holder = tuple[str, str | None]
"""What a value belongs to: a step's path, and the name of a decision; None: its result."""

Lost = Callable[[Holder, str], None]

UPCASTERS: Mapping[int, Callable[[list[Any]], list[Any]]] = {
    1: lambda entry: [2, *entry[1:]],  # decisions had all of their values in them, and still may
}
"""From each earlier version to the next: the whole entry in, the whole entry out."""


def parse(entry: Entry, execution_id: str) -> tuple[int, list[Record]]:
    """The base time and the records of an entry, brought to the present version.

    Raises `StateCorrupted` or `NewerFormat`.
    """
    try:
        document = orjson.loads(entry.data)
        version = document[0]
        while version in UPCASTERS:
            document = UPCASTERS[version](document)
            version = document[0]
        base, records = int(document[1]), document[2:]
    except _DAMAGE as error:
        raise _damaged(entry, execution_id, error) from error
    if not isinstance(version, int) or version < VERSION:
        raise _damaged(entry, execution_id, ValueError(f"{version!r:.20} is no version"))
    if version > VERSION:
        raise NewerFormat(
            f"{_part(entry, execution_id)} has version {version}; this Assay knows {VERSION}: "
            "upgrade"
        )
    return base, records


_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading something else than a journal may raise."""


def _part(entry: Entry, execution_id: str) -> str:
    return f"the journal of execution {execution_id} between {entry.first} and {entry.last}"


def _damaged(entry: Entry, execution_id: str, error: Exception) -> StateCorrupted:
    why = f"{type(error).__name__}: {error}"
    return StateCorrupted(f"{_part(entry, execution_id)} cannot be read ({why}); restore a backup")


def events(entry: Entry, execution_id: str) -> Iterator[Event]:
    """The durable events of an entry, in order."""
    base, records = parse(entry, execution_id)
    try:
        found = [_event(record, base, execution_id) for record in records]
    except _DAMAGE as error:
        raise _damaged(entry, execution_id, error) from error
    yield from (event for event in found if event is not None)


def _event(record: Record, base: int, execution_id: str) -> Event | None:
    letter, *rest = record
    if letter in "di":
        return None
    seq, at = rest[0], moment(base + rest[1])
    match letter:
        case "s":
            path, kind = rest[2:4]
            step = rest[4] if len(rest) > 4 else last_step(path)
            data: Mapping[str, Any] = {"step": step, "kind": kind}
            return Event(execution_id, EventType.STEP_STARTED, at, path, data, seq)
        case "t":
            data = {"step": last_step(rest[2]), **dict(zip(RETRYING, rest[3:8], strict=True))}
            return Event(execution_id, EventType.STEP_RETRYING, at, rest[2], data, seq)
        case "u":
            data = {"step": last_step(rest[2]), "status": Status.COMPENSATED.value}
            return Event(execution_id, EventType.STEP_COMPENSATED, at, rest[2], data, seq)
        case "r":
            return result_event(_result(record, base), execution_id, at)
    return Event(execution_id, EventType(rest[2]), at, rest[3], rest[4], seq)


def result_event(result: StepResult, execution_id: str, at: str) -> Event:
    """What a result's event says: enough to show it, not its output."""
    data = {
        "step": result.step,
        "kind": result.kind,
        "status": result.status.value,
        "attempts": result.attempts,
        "cached": result.cached,
        "error": None if result.error is None else result.error.to_dict(),
        "reason": result.reason,
        "cost": None if result.cost is None else result.cost.to_dict(),
        "started_at": result.started_at,
        "completed_at": result.completed_at,
    }
    return Event(execution_id, _ENDED[result.status], at, result.path, data, result.seq)


def _result(record: Record, base: int) -> StepResult:
    """A result, apart from its values."""
    _, seq, at, path, kind, letter, took, fields, *step = record
    ended = base + at + fields.get("z", 0)
    return StepResult(
        path,
        step[0] if step else last_step(path),
        kind,
        _STATUSES[letter],
        artifacts=fields.get("a", {}),
        error=Failure(**fields["e"]) if "e" in fields else None,
        attempts=fields.get("n", 1),
        started_at=moment(ended - took),
        completed_at=moment(ended),
        cost=Cost(**fields["c"]) if "c" in fields else None,
        cached=fields.get("h", False),
        cache_key=fields.get("k"),
        exit=Exit(fields["x"]) if "x" in fields else None,
        reason=fields.get("y"),
        seq=seq,
    )


class Folder:
    """Folds entries, given in order, to a history.

    `lost` is called with the holder and a sentence for each value whose blob is gone or
    damaged; it raises, or lets the value read as null.
    """

    def __init__(self, execution_id: str, blobs: Blobs, lost: Lost) -> None:
        self._id = execution_id
        self._blobs = blobs
        self._lost = lost
        self._results: dict[str, StepResult] = {}
        self._decisions: dict[tuple[str, str], Any] = {}
        self._tried: dict[str, Tried] = {}
        self._begun: dict[str, Begun] = {}
        self._intents: set[str] = set()
        self._written: dict[str, Any] = {}
        self._seq = 0

    def history(self) -> History:
        """What has been folded so far."""
        begun = [path for path in self._begun if path not in self._results]
        return History(
            self._results,
            self._decisions,
            self._tried,
            frozenset(self._intents),
            dict(self._begun),
            begun[-1] if begun else None,
            self._seq,
        )

    async def fold(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.first != self._seq + 1:
                raise StateCorrupted(
                    f"the journal of execution {self._id} lacks what lies between {self._seq} "
                    f"and {entry.first}; restore a backup"
                )
            base, records = parse(entry, self._id)
            try:
                for record in records:
                    await self._record(record, base)
            except _DAMAGE as error:
                raise _damaged(entry, self._id, error) from error
            self._seq = entry.last

    async def _record(self, record: Record, base: int) -> None:
        match record:
            case ["d", path, name, value]:
                self._decisions[path, name] = value
            case ["d", path, name, value, parts]:
                self._decisions[path, name] = await self._filled(value, parts, (path, name))
            case ["i", path]:
                self._intents.add(path)
            case ["s", _, at, path, kind, *step]:
                named = step[0] if step else last_step(path)
                self._begun.setdefault(path, Begun(moment(base + at), kind, named))
            case ["t", seq, _, path, attempt, _, _, next_at, error, *files]:
                left = await self._files(files, path)
                self._tried[path] = Tried(attempt - 1, next_at, Failure(**error), left, seq)
            case ["u", _, _, path]:
                done = self._results[path]
                self._results[path] = replace(done, status=Status.COMPENSATED)
            case ["r", _, _, path, _, _, _, fields, *_]:
                self._results[path] = await self._valued(_result(record, base), fields)
                self._tried.pop(path, None)
                self._intents.discard(path)
            case ["e", *_]:
                pass
            case _:
                raise ValueError(f"{record!r:.60} is no record")

    async def _valued(self, result: StepResult, fields: Mapping[str, Any]) -> StepResult:
        where = (result.path, None)
        context: dict[str, Any] = {}
        for name, how, *value in fields.get("w", ()):
            context[name] = await self._write(name, how, value, where)
        output = dict(context) if "v" in fields else fields.get("o")
        if "*o" in fields:
            output = await self._blob(fields["*o"], where)
        outputs: dict[str, Any] = dict(output or {}) if "q" in fields else {}
        for name, value in fields.get("O", {}).items():
            match name[0]:
                case "*":
                    outputs[name[2:]] = await self._blob(value, where)
                case "=":
                    outputs[name[1:]] = output
                case _:
                    outputs[name[1:]] = value
        self._written |= context
        files = await self._files([fields["f"]] if "f" in fields else [], result.path)
        return replace(result, output=output, outputs=outputs, context=context, files=files)

    async def _files(self, files: list[Any], path: str) -> Mapping[str, Any]:
        """What a step left in its workspace; nothing when that is lost."""
        match files:
            case []:
                return {}
            case [{"changed": dict(), "with": list()} as left]:
                return dict(left)
            case [[str() as sha256, int() as size, list()]]:
                return await self._blob([sha256, size], (path, None)) or {}
        raise ValueError(f"{files!r:.60} are no files")

    async def _filled(self, value: Any, parts: list[Any], where: Holder) -> Any:
        """A decision with what was kept apart from it; null when any of that is lost."""
        for keys, *what in reversed(parts):
            part = self._written[what[0]] if len(what) == 1 else await self._blob(what, where)
            if part is None:
                return None
            value = _placed(value, keys, part)
        return value

    async def _write(self, name: str, how: str, value: list[Any], where: Holder) -> Any:
        match how:
            case "=":
                return self._written[name]
            case "+":
                return self._written[name] + value[0]
            case "*":
                return await self._blob(value[0], where)
        return value[0]

    async def _blob(self, reference: list[Any], where: Holder) -> Any:
        sha256, size = reference
        try:
            return orjson.loads(await self._blobs.get(sha256))
        except StoreError as error:
            self._lost(
                where,
                f"a value of {size} bytes of {_called(*where)} of execution {self._id} is lost: "
                f"{error.message}",
            )
        return None


def _called(path: str, name: str | None) -> str:
    step = f"step {path}"
    if name is None:
        return step
    return f"the decision `{name}` of {step}" if path else f"the decision `{name}`"


def _placed(value: Any, keys: list[str], part: Any) -> Any:
    """The value with the part at the end of the keys, where it has null."""
    if keys == []:
        return part
    around = value
    for key in keys[:-1]:
        around = around[key]
    if around[keys[-1]] is not None:
        raise ValueError(f"{keys!r:.60} is no place for a part")
    around[keys[-1]] = part
    return value


async def load(store: Executions, blobs: Blobs, execution_id: str, lost: Lost) -> History:
    """The history of an execution, from the store; for `lost` see `Folder`. Raises
    `StateCorrupted`."""
    folder = Folder(execution_id, blobs, lost)
    after = 0
    while True:
        page = await store.entries(execution_id, after=after)
        await folder.fold(page.items)
        if page.cursor is None:
            return folder.history()
        after = page.items[-1].last


async def last_seq(store: Executions, execution_id: str) -> int:
    """The last number of an execution's journal, without reading what is in it."""
    last = 0
    while True:
        page = await store.entries(execution_id, after=last)
        last = page.items[-1].last if page.items else last
        if page.cursor is None:
            return last
