"""How a journal is written down: records of one commit as compact JSON, versioned.

An entry is `[version, base, record, …]`; times are microseconds since 1970, those in records
relative to `base`. A record begins with a letter:

    s  [seq, at, path, kind, step?]                        a step began
    r  [seq, at, path, kind, status, took, {…}, step?]     a step's result
    t  [seq, at, path, attempt, of, delay, next_at, error, files?]
                                                           a step will be tried again
    u  [seq, at, path]                                     a step was compensated
    e  [seq, at, type, path, data]                         any other event
    d  [path, name, value, parts?]                         a decision
    i  [path]                                              an effect is about to happen

`step` is left out where the path ends with it. Values over `LARGE` bytes are kept as blobs.
A list or text in the mutable context that only grows is written as what was added.

Version 2 added `parts` to `d`: where the value has null instead of a part of it. A part is
[keys, sha256, size], a blob, or [keys, name], the mutable context as it was written last; a
later one may hold the place of an earlier one.

What a step changed in its workspace (`files`, see `workspace.tree`) is `f` of a result, or the
end of a `t`. Where that is large it is [sha256, size, blobs]: a blob, and those that are named
in it, so that whoever looks for what a journal needs finds them here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from .event import EventType
from .execution import Status, StepResult
from .history import Decision
from .stored import Entry
from .workspace.tree import blobs_of

VERSION = 2

LARGE = 64 * 1024
"""Bytes of JSON; a larger value is kept as a blob."""

_DEPTH = 2
"""How deep the mappings are in a decision whose members are kept apart: as deep as the values
that the pinned scope of a compensation holds, each of which may be a step's output as well."""

_GROWS_FROM = 256
"""Bytes of JSON; a shorter value of the context is written whole each time."""

LETTERS = {
    Status.COMPLETED: "c",
    Status.FAILED: "f",
    Status.SKIPPED: "s",
    Status.CANCELLED: "x",
}
RETRYING = ("attempt", "of", "delay", "next_at", "error")
_DECORATION = re.compile(r"(\[\d+\]|~\d+|#\d+)+$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Fields = dict[str, Any]


class Encoder:
    """Writes one execution's records, in order. Every method raises `TypeError` for a value
    that JSON cannot hold.

    `blobs` are the large values that must be kept before the records are; `large` says by
    path which results have some.
    """

    def __init__(self, created_at: str) -> None:
        self._base = micros(created_at)
        self._written: dict[str, bytes] = {}
        self._fresh: dict[str, bytes] = {}
        self._references: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.large: dict[str, list[str]] = {}

    def entry(self, first: int, last: int, records: Sequence[bytes]) -> Entry:
        """The records of one commit."""
        return Entry(first, last, b"[%d,%d,%b]" % (VERSION, self._base, b",".join(records)))

    def event(
        self, type: EventType, seq: int, at: str, path: str, data: Mapping[str, Any]
    ) -> bytes:
        """Anything that happened but the end of a step."""
        when = micros(at) - self._base
        match type:
            case EventType.STEP_STARTED:
                return dump(["s", seq, when, path, data["kind"], *_own(data["step"], path)])
            case EventType.STEP_RETRYING:
                files = self._files(data.get("files"))
                return dump(["t", seq, when, path, *(data[n] for n in RETRYING), *files])
        return dump(["e", seq, when, type.value, path, data])

    def compensated(self, seq: int, at: str, path: str) -> bytes:
        return dump(["u", seq, micros(at) - self._base, path])

    def decision(self, decision: Decision) -> bytes:
        value = decision.value
        raw = dump(["d", decision.path, decision.name, value])
        grows = len(raw) > _GROWS_FROM and isinstance(value, Mapping) and value.get("context")
        if len(raw) <= LARGE and not grows:
            return raw
        apart: list[list[Any]] = []
        rest = orjson.Fragment(self._without(value, (), apart))
        return dump(["d", decision.path, decision.name, rest, *([apart] if apart else [])])

    def intent(self, path: str) -> bytes:
        return dump(["i", path])

    def result(self, result: StepResult, at: str) -> bytes:
        done = micros(at)
        ended = micros(result.completed_at) if result.completed_at else done
        began = micros(result.started_at) if result.started_at else ended
        fields: Fields = {}
        for letter, value, usual in (
            ("z", ended - done, 0),
            ("n", result.attempts, 1),
            ("h", result.cached, False),
            ("k", result.cache_key, None),
            ("y", result.reason, None),
            ("x", result.exit, None),
        ):
            if value != usual:
                fields[letter] = value
        if result.error is not None:
            fields["e"] = {**result.error.to_dict(), "rollback": result.error.rollback}
        if result.cost is not None:
            fields["c"] = result.cost.to_dict()
        if result.artifacts:
            fields["a"] = result.artifacts
        if result.files:
            (fields["f"],) = self._files(result.files)
        self._fresh, self._references = {}, []
        self._values(result, fields)
        status = LETTERS[result.status]
        place = [result.path, result.kind, status, ended - began, fields]
        raw = dump(["r", result.seq, done - self._base, *place, *_own(result.step, result.path)])
        # Only now: a result that cannot be written must leave no trace here.
        self._written |= self._fresh
        if self._references:
            self.large[result.path] = self._references
        return raw

    def _values(self, result: StepResult, fields: Fields) -> None:
        """`w` the context written; `o` the output, or `v` that it is all of that; `O` the
        outputs, or `q` that they are the output as a whole. In `O`, `.name` is a value, `=name`
        one that is equal to the output; `*o` and `*.name` are blobs."""
        output = result.output
        if result.context:
            fields["w"] = [self._write(n, v) for n, v in result.context.items()]
        if result.context and _same(output, result.context):
            fields["v"] = True
        elif output is not None:
            self._put(fields, "o", output)
        if result.outputs and _same(result.outputs, output):
            fields["q"] = True
            return
        for name, value in result.outputs.items():
            if output is not None and _same(value, output):
                fields.setdefault("O", {})[f"={name}"] = True
            else:
                self._put(fields.setdefault("O", {}), f".{name}", value)

    def _files(self, files: Mapping[str, Any] | None) -> list[Any]:
        if not files:
            return []
        raw = dump(files)
        if len(raw) <= LARGE:
            return [orjson.Fragment(raw)]
        return [[*self._reference(raw), sorted(blobs_of(files))]]

    def _put(self, fields: Fields, name: str, value: Any) -> None:
        raw = dump(value)
        if len(raw) <= LARGE:
            fields[name] = orjson.Fragment(raw)
        else:
            fields[f"*{name}"] = self._blob(raw)

    def _without(self, value: Any, keys: tuple[str, ...], apart: list[list[Any]]) -> bytes:
        """The JSON of a decision, or of what it has at the keys, without what is kept apart."""
        raw = dump(value)
        match keys:
            case ("context", name) if len(raw) > _GROWS_FROM and raw == self._written.get(name):
                apart.append([keys, name])
                return b"null"
        if len(raw) > _GROWS_FROM and len(keys) < _DEPTH and isinstance(value, Mapping):
            parts = {k: self._without(v, (*keys, k), apart) for k, v in value.items()}
            raw = dump({k: orjson.Fragment(part) for k, part in parts.items()})
        if len(raw) <= LARGE:
            return raw
        apart.append([keys, *self._reference(raw)])
        return b"null"

    def _blob(self, raw: bytes) -> list[Any]:
        reference = self._reference(raw)
        self._references.append(reference[0])
        return reference

    def _reference(self, raw: bytes) -> list[Any]:
        sha256 = hashlib.sha256(raw).hexdigest()
        self.blobs[sha256] = raw
        return [sha256, len(raw)]

    def _write(self, name: str, value: Any) -> list[Any]:
        """`[name, how, value]`: `=` as it was last, `+` what was added to that, `*` a blob, `!`
        the value."""
        raw = dump(value)
        last, self._fresh[name] = self._written.get(name, b""), raw
        if len(last) >= _GROWS_FROM:
            if raw == last:
                return [name, "="]
            if (added := _added(last, raw)) is not None:
                return [name, "+", orjson.Fragment(added)]
        if len(raw) > LARGE:
            return [name, "*", self._blob(raw)]
        return [name, "!", orjson.Fragment(raw)]


def _added(last: bytes, raw: bytes) -> bytes | None:
    """What the JSON text of a list or text has that an earlier one of it had not."""
    end = len(last) - 1
    if not raw.startswith(memoryview(last)[:end]):
        return None
    if last[:1] == b'"':
        return b'"' + raw[end:]
    if last[:1] == b"[" and raw[end : end + 1] == b",":
        return b"[" + raw[end + 1 :]
    return None


def _same(one: Any, other: Any) -> bool:
    # In Python 1 == True == 1.0, and in JSON not.
    if one is other:
        return True
    alike = type(one) is type(other) or (isinstance(one, Mapping) and isinstance(other, Mapping))
    return alike and one == other and dump(one) == dump(other)


def _own(step: str, path: str) -> list[str]:
    return [] if last_step(path) == step else [step]


def last_step(path: str) -> str:
    """The id at the end of a path, without iteration, round and attempt."""
    return _DECORATION.sub("", path.rpartition(".")[2])


def micros(at: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time."""
    if len(at) == _OURS and at[-1] == "Z":
        return _second(at[:19]) + int(at[20:26])
    return (datetime.fromisoformat(at) - _EPOCH) // timedelta(microseconds=1)


_OURS = len("2026-11-21T09:30:00.000000Z")


@lru_cache(maxsize=64)
def _second(text: str) -> int:
    """Microseconds since 1970 of a second: times come close upon each other."""
    return (datetime.fromisoformat(f"{text}Z") - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> str:
    """The RFC 3339 time, UTC, of microseconds since 1970."""
    second, micros = divmod(at, 1_000_000)
    return f"{_written(second)}.{micros:06}Z"


@lru_cache(maxsize=64)
def _written(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19]


def dump(value: Any) -> bytes:
    """JSON; raises `TypeError`."""
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
