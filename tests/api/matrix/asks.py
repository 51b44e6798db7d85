"""What is asked in the matrix, by whom, and what the table of roles says must come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from tests.api.roles import ORDER, lowest

from assay.api.access import Operation, Role

Things = Mapping[str, str]
"""What an ask is about, by kind: `workflow`, `execution`, `question`, `key` and so on."""


class Reach(StrEnum):
    """How a caller stands to the workflow whose things are asked for."""

    WHOLE = "of every workflow"
    COVERED = "scoped to it"
    ELSEWHERE = "scoped to another"
    FOREIGN = "of another tenant"


class Caller(NamedTuple):
    """Somebody with a key; nobody has none."""

    id: str
    name: str
    role: Role | None
    reach: Reach
    secret: str | None

    def __str__(self) -> str:
        return "nobody" if self.role is None else f"{self.role} {self.reach}"


class About(StrEnum):
    """What an ask is about, and so what scopes and tenants mean for it."""

    THING = "a thing of a workflow: who may not see that is told what nobody is told of nothing"
    NAME = "the name of a workflow, there or not"
    LIST = "a listing: of what the caller may see"
    STORE = "no workflow in particular: nobody with scopes"
    NOTHING = "nothing that is kept"


@dataclass(frozen=True, slots=True)
class Ask:
    """One way of one surface to ask for an operation.

    `how` is the surface's own; in its texts `{execution}` and so on stand for things. `shows`
    is a thing that the answer tells of, where a listing does, to whom `to` is allowed.
    """

    operation: Operation
    about: About
    how: Any
    shows: str = ""
    to: Operation | None = None

    def __str__(self) -> str:
        return f"{self.operation}: {self.how}"[:110]


class Told(NamedTuple):
    """`kind` is one of done, forbidden, absent, unknown; or whatever else was answered."""

    kind: str
    text: str


class Surface(Protocol):
    """A surface as the matrix asks it. `name` is what the audit calls it."""

    name: str
    asks: list[Ask]
    lacks: frozenset[Operation]

    async def ask(self, caller: Caller, how: Any) -> Told: ...


def may(caller: Caller, operation: Operation) -> bool:
    assert caller.role is not None
    return ORDER.index(caller.role) >= ORDER.index(lowest(operation))


def expected(ask: Ask, caller: Caller) -> str:
    """The kind of the answer, by the table alone."""
    if caller.role is None:
        return "unknown"
    hidden = caller.reach in (Reach.ELSEWHERE, Reach.FOREIGN)
    scoped = caller.reach in (Reach.COVERED, Reach.ELSEWHERE)
    if ask.about is About.THING and hidden:
        return "absent"
    if not may(caller, ask.operation):
        return "forbidden"
    if ask.about is About.STORE and scoped:
        return "forbidden"
    if ask.about is About.NAME and caller.reach is Reach.ELSEWHERE:
        return "forbidden"
    return "done"


def shown(ask: Ask, caller: Caller) -> bool:
    """Whether a listing has the thing in it."""
    within = caller.reach in (Reach.WHOLE, Reach.COVERED)
    return within and (ask.to is None or may(caller, ask.to))


def rule(ask: Ask, caller: Caller) -> str:
    """The rule that decided, as the audit must have it; the beginning of it."""
    operation, needed = ask.operation, lowest(ask.operation)
    if not may(caller, operation):
        return f"{operation} needs the role {needed}; this is {str(caller.role)!r}"
    if caller.reach in (Reach.WHOLE, Reach.FOREIGN):
        return f"{caller.role} may {operation}"
    if ask.about is About.STORE:
        return f"{operation} concerns every workflow, and this key some of them"
    if caller.reach is Reach.ELSEWHERE:
        return f"no scope of {caller.name!r} covers the workflow"
    return f"{caller.role} may {operation}, scope 'team-*'"


def filled(how: Any, things: Things) -> Any:
    """`how`, with the things in their places."""
    if isinstance(how, str):
        for name, thing in things.items():
            how = how.replace(f"{{{name}}}", thing)
        return how
    if isinstance(how, Mapping):
        return {name: filled(each, things) for name, each in how.items()}
    if isinstance(how, tuple):  # a named one
        return type(how)(*(filled(each, things) for each in how))
    if isinstance(how, list):
        return [filled(each, things) for each in how]
    return how


def masked(text: str, things: Things) -> str:
    """An answer without what was asked for: two of them are equal, or tell things apart."""
    for thing in sorted(things.values(), key=len, reverse=True):  # one may begin another
        text = text.replace(thing, "<it>").replace(quote(thing), "<it>")
    return text


Fresh = Callable[[Operation], Awaitable[Things]]
