"""Reads that many resolvers ask for one by one, done at once: the count stays the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from strawberry.dataloader import DataLoader

from ...graphs.errors import AssayError
from ...graphs.execution import Execution
from ...graphs.history import History
from ...graphs.stored import Entry

if TYPE_CHECKING:
    from ..gathering import Gathering

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

OPEN_QUESTIONS = 20
"""How many open questions an execution shows; `questions` lists all."""

FILES = 20
"""How many files an execution shows; `artifacts` lists all."""

TRIGGERS = 20
"""How many triggers a workflow shows; `triggers` lists all."""

FIRINGS = 20
"""How many firings a trigger shows; `firings` lists all."""


class Span(NamedTuple):
    """Entries of a journal: so many that hold something after that number."""

    execution_id: str
    after: int
    each: int


class Loaders:
    """For one operation: what has been read is not read again."""

    shown: ClassVar[Callable[[Execution], Any]]
    """An execution as the graph has it; set where that type is, which knows all the others."""

    def __init__(self, control: Gathering) -> None:
        self._control = control
        self.versions = _one(control.versions_of, lambda info: (info.name, info.version))
        self.executions = _one(control.executions_of, lambda execution: execution.id)
        self.triggers = _one(control.triggers_of, lambda trigger: trigger.id)
        self.firings = _one(control.firings_of, lambda firing: firing.id)
        self.questions = _some(control.asked_by, OPEN_QUESTIONS, lambda asked: asked.execution_id)
        self.files = _some(control.files_of, FILES, lambda file: file.execution_id)
        self.starters = _some(control.starters_of, TRIGGERS, lambda trigger: trigger.workflow)
        self.fired = _some(control.fired_by, FIRINGS, lambda firing: firing.trigger)
        self.journals: DataLoader[Span, Sequence[Entry]] = DataLoader(self._journals)
        self.histories: DataLoader[str, History] = DataLoader(self._histories)

    async def execution(self, id: str) -> Any:
        """An execution as the graph has it; None when it is not there."""
        found = await self.executions.load(id)
        return None if found is None else type(self).shown(found)

    async def _journals(self, spans: list[Span]) -> list[Sequence[Entry]]:
        """One read for all executions that are read from the same place on."""
        found: dict[Span, Sequence[Entry]] = {}
        for after, each in {(span.after, span.each) for span in spans}:
            same = [span for span in spans if (span.after, span.each) == (after, each)]
            ids = [span.execution_id for span in same]
            journals = await self._control.journals(ids, after=after, each=each)
            found |= zip(same, journals, strict=True)
        return [found[span] for span in spans]

    async def _histories(self, ids: list[str]) -> Sequence[History | AssayError]:
        return await self._control.histories(ids)


class _Some(Protocol[T_co]):
    """Reads so many at most of what belongs to each of those keys."""

    def __call__(self, keys: list[str], /, *, each: int) -> Awaitable[Sequence[T_co]]: ...


def _one(
    read: Callable[[list[K]], Awaitable[Sequence[T]]], key: Callable[[T], K]
) -> DataLoader[K, T | None]:
    """What has the key, if it is there."""

    async def load(keys: list[K]) -> list[T | None]:
        found = {key(each): each for each in await read(keys)}
        return [found.get(each) for each in keys]

    return DataLoader(load)


def _some(read: _Some[T], each: int, key: Callable[[T], str]) -> DataLoader[str, Sequence[T]]:
    """What belongs to the key: so many at most."""

    async def load(keys: list[str]) -> list[Sequence[T]]:
        of: defaultdict[str, list[T]] = defaultdict(list)
        for found in await read(keys, each=each):
            of[key(found)].append(found)
        return [of[each] for each in keys]

    return DataLoader(load)
