"""What an execution came to, as the reference keeps it while it interprets."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class Unsaid:
    """A value that the language leaves open; it equals everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


@dataclass
class Strand:
    """One line of control: its mutable context, what it wrote there, and its last paths."""

    context: Json
    past: frozenset[str] = frozenset()
    written: Json = field(default_factory=dict)

    def fork(self) -> Strand:
        return Strand(dict(self.context), self.past)

    def join(self, *others: Strand) -> None:
        for other in others:
            self.past |= other.past
            self.write(other.written)

    def write(self, values: Json) -> None:
        self.context.update(values)
        self.written.update(values)


@dataclass
class Record:
    """What became of one step at one path.

    `after` are paths that must end before it, `error` is the path where its failure began;
    `racy` when an order that the language leaves open decides how far it came.
    """

    step: Json
    place: Place
    status: str
    output: Any
    after: frozenset[str]
    error: str | None = None
    attempts: int | None = None
    racy: bool = False
    again: bool = False


@dataclass(frozen=True)
class Place:
    """Where a step stands: its workflow, its path so far, and what it sees."""

    document: Json
    inputs: Json
    strand: Strand
    scope: MutableMapping[str, Record]
    prefix: str = ""
    local: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the step that this is inside of."""
        return self.prefix[:-1]

    def name(self, name: str) -> Any:
        """What an expression that stands here finds under a name."""
        if name in self.local:
            return self.local[name]
        if name == "inputs":
            return self.inputs
        if name == "context":
            return {**self.document.get("context", {}).get("readonly", {}), **self.strand.context}
        record = self.scope.get(name)
        if record is None or record.status == "skipped":
            return {"status": "skipped"}
        return {"status": record.status, "output": record.output}


@dataclass(frozen=True)
class Result:
    """The end of an execution; `error` is the path of the step whose failure ended it."""

    status: str
    outputs: Json
    error: str | None
    records: dict[str, Record]
    rolled_back: bool = False
