"""Out of an archive and into a store: each execution whole, or not at all."""

from __future__ import annotations

import base64
import binascii
import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...graphs.errors import NotPossible, StoreError
from ...graphs.execution import Execution
from ...graphs.lease import Command, Message
from ...graphs.listing import every
from ...graphs.question import Question
from ...graphs.stored import ArtifactInfo, AuditEntry
from ..export import FORMAT as DOCUMENT
from ..export import checked_definition, entry_from_dict, load
from ..upkeep import Arrival
from .lines import Reader
from .taking import found, take

if TYPE_CHECKING:
    from ...graphs.ports import Blobs
    from ..upkeep import KeptStore

Line = dict[str, Any]


@dataclass(slots=True)
class Taken:
    """What came of an import: ids that were taken in, ids that were there, all by kind."""

    executions: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


async def read(
    store: KeptStore,
    blobs: Blobs,
    stream: BinaryIO,
    source: str,
    *,
    skip_existing: bool = False,
    taken: Taken | None = None,
) -> Taken:
    """Take in all that is in the archive; doing it again changes nothing.

    Raises `InvalidInput` that names the line where the archive is damaged or another one of an
    id is there; what came before has been taken in, and `taken` says so.
    """
    reader = Reader(stream, source)
    into = _Import(store, blobs, reader, skip_existing, taken or Taken())
    lines = reader.lines()
    for line in lines:
        try:
            await into.line(line, lines)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, ValueError) else repr(error)
            raise reader.wrong(f"the {line['assay']} is damaged: {why}") from error
        except StoreError as error:
            error.message = f"{reader.place}: {error.message}"
            raise
    return into.taken


class _Import:
    def __init__(
        self, store: KeptStore, blobs: Blobs, reader: Reader, skip: bool, taken: Taken
    ) -> None:
        self.taken = taken
        self._store, self._blobs, self._reader, self._skip = store, blobs, reader, skip
        self._kept: set[str] = set()
        self._verdicts: set[str] | None = None

    async def line(self, line: Line, rest: Iterator[Line]) -> None:
        match line["assay"]:
            case "definition":
                definition = checked_definition(line["digest"], line["document"])
                await self._store.keep(definition)
            case "blob":
                await self._blob(line["sha256"], line["size"], rest)
            case "execution":
                await self._execution(line["row"], rest)
            case "workflow" | "verdict" | "memory" | "principal" | "audit" as kind:
                await self._beside(kind, {**line, "format": DOCUMENT})
            case "trigger" | "lane" | "firing" as kind:
                with contextlib.suppress(NotPossible):  # it is there, as it was or further
                    await self._beside(kind, {**line, "format": DOCUMENT})
            case kind:
                raise self._reader.wrong(f"there is no place for a line of {kind!r} here")

    async def _blob(self, sha256: str, size: int, rest: Iterator[Line]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "blob"
            with file.open("wb") as part:
                while part.tell() < size:
                    line = self._next(rest, "chunk")
                    part.write(_bytes(line["data"]))
            kept = await self._blobs.put(file)
        if kept != sha256:
            raise self._reader.wrong(
                f"the blob {sha256} is damaged: its bytes are not what its name says"
            )

    async def _execution(self, row: Mapping[str, Any], rest: Iterator[Line]) -> None:
        self._reader.begin()
        execution = Execution.from_row(row, {})
        parts: dict[str, list[Any]] = {kind: [] for kind in _PARTS}
        while (line := self._next(rest, "end", *_PARTS))["assay"] != "end":
            kind = line.pop("assay")
            parts[kind].append(_PARTS[kind](execution.id, line))
        self._reader.check_end(line)
        arrival = Arrival(execution, *parts.values())
        if self._skip and await found(self._store, execution.id) is not None:
            self.taken.there.append(execution.id)
        elif await take(self._store, arrival):
            self.taken.executions.append(execution.id)
        else:
            self.taken.there.append(execution.id)

    async def _beside(self, kind: str, document: Line) -> None:
        store = self._store
        if kind == "verdict":
            if self._verdicts is None:
                said = every(store.verdicts)
                self._verdicts = {verdict.id async for verdict in said}
            if document["verdict"]["id"] in self._verdicts:
                return
        if kind == "audit":
            wanted = {**document["entry"], "id": 0}
            target = wanted["target"]
            entries = every(store.audit, target=target)
            if any([_same(each, wanted) async for each in entries]):
                return
        await load(store, document)
        self.taken.others[kind] += 1

    def _next(self, rest: Iterator[Line], *kinds: str) -> Line:
        line = next(rest, None)
        if line is None or line["assay"] not in kinds:
            what = "the trailer" if line is None else f"a line of {line['assay']!r}"
            raise self._reader.wrong(f"{what} stands where {' or '.join(kinds)} must follow")
        return line


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if not data:
        raise ValueError("a chunk of nothing")
    return data


def _same(entry: AuditEntry, wanted: Mapping[str, Any]) -> bool:
    return all(getattr(entry, name) == wanted[name] for name in ("at", "principal", "action"))


_PARTS: Mapping[str, Callable[[str, Line], Any]] = {
    "entry": lambda _, line: entry_from_dict(line),
    "question": lambda _, line: Question.from_dict(line["question"]),
    "artifact": lambda _, line: ArtifactInfo(**line["artifact"]),
    "message": lambda id, line: Message(id, Command(line["command"]), line["data"]),
}
"""In the order of the fields of `Arrival`."""
