"""What a coding agent's command line is told, and what it says of its work, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...graphs.execution import Cost


@dataclass(frozen=True, slots=True)
class Order:
    """What one run is to do. `session` is an earlier conversation, which goes on; `allowed` are
    our names of tools, or the command line's own."""

    prompt: str
    session: str | None = None
    system: str | None = None
    model: str | None = None
    allowed: Sequence[str] = ()
    max_turns: int = 10
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The conversation has this id, by which it can go on later; `model` is who answers."""

    id: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Text for people; a `draft` is said again when it is whole."""

    text: str
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """The model has answered once. `cached` tokens of those that went in had been read before;
    `inner`: an agent that this one has started."""

    cost: Cost
    cached: int = 0
    inner: bool = False


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """A tool is about to be used; `id` is the same in its `ToolDone`."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolDone:
    """A tool has been used, or was refused: `failed`."""

    id: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word: its answer, or what is wrong; `limit`: it met a bound that it was given.

    `total` is what all of the run cost; None: it does not say.
    """

    text: str = ""
    wrong: str | None = None
    limit: bool = False
    total: Cost | None = None


Signal = Session | Said | Turn | ToolUsed | ToolDone | Ended


class Dialect(Protocol):
    """How to talk to one kind of command line, for one run of it."""

    name: str

    def command(self, program: Sequence[str], order: Order) -> tuple[list[str], str | None]:
        """What to start, and what it reads from standard input (None: nothing).

        Raises `ConfigurationError` for an order that it cannot be given."""

    def read(self, line: bytes) -> Iterator[Signal]:
        """What one line of its output says. Raises `ValueError` when it is not of this kind."""

    def withheld(self, tool: str, allowed: Sequence[str]) -> bool:
        """Whether a tool, by the command line's own name, must not have any effect."""

    def ended(self) -> Ended | None:
        """The last word of one that ends without; None: it was cut off."""
