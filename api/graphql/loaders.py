"""Reads that many resolvers ask for one by one, done at once: the count stays the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from strawberry.dataloader import DataLoader

from ...graphs.errors import AssayError
from ...graphs.execution import Execution
from ...graphs.firing import Firing, Trigger
from ...graphs.history import History
from ...graphs.question import Question
from ...graphs.stored import ArtifactInfo, Entry, WorkflowInfo

if TYPE_CHECKING:
    from ..gathering import Gathering

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
        self.versions: DataLoader[tuple[str, str], WorkflowInfo | None] = DataLoader(self._versions)
        self.executions: DataLoader[str, Execution | None] = DataLoader(self._executions)
        self.questions: DataLoader[str, Sequence[Question]] = DataLoader(self._questions)
        self.files: DataLoader[str, Sequence[ArtifactInfo]] = DataLoader(self._files)
        self.triggers: DataLoader[str, Trigger | None] = DataLoader(self._triggers)
        self.firings: DataLoader[str, Firing | None] = DataLoader(self._firings)
        self.starters: DataLoader[str, Sequence[Trigger]] = DataLoader(self._starters)
        self.fired: DataLoader[str, Sequence[Firing]] = DataLoader(self._fired)
        self.journals: DataLoader[Span, Sequence[Entry]] = DataLoader(self._journals)
        self.histories: DataLoader[str, History] = DataLoader(self._histories)

    async def execution(self, id: str) -> Any:
        """An execution as the graph has it; None when it is not there."""
        found = await self.executions.load(id)
        return None if found is None else type(self).shown(found)

    async def _versions(self, named: list[tuple[str, str]]) -> list[WorkflowInfo | None]:
        found = {(v.name, v.version): v for v in await self._control.versions_of(named)}
        return [found.get(each) for each in named]

    async def _executions(self, ids: list[str]) -> list[Execution | None]:
        found = {each.id: each for each in await self._control.executions_of(ids)}
        return [found.get(id) for id in ids]

    async def _questions(self, ids: list[str]) -> list[Sequence[Question]]:
        of: defaultdict[str, list[Question]] = defaultdict(list)
        for question in await self._control.asked_by(ids, each=OPEN_QUESTIONS):
            of[question.execution_id].append(question)
        return [of[id] for id in ids]

    async def _files(self, ids: list[str]) -> list[Sequence[ArtifactInfo]]:
        of: defaultdict[str, list[ArtifactInfo]] = defaultdict(list)
        for file in await self._control.files_of(ids, each=FILES):
            of[file.execution_id].append(file)
        return [of[id] for id in ids]

    async def _triggers(self, ids: list[str]) -> list[Trigger | None]:
        found = {each.id: each for each in await self._control.triggers_of(ids)}
        return [found.get(id) for id in ids]

    async def _firings(self, ids: list[str]) -> list[Firing | None]:
        found = {each.id: each for each in await self._control.firings_of(ids)}
        return [found.get(id) for id in ids]

    async def _starters(self, workflows: list[str]) -> list[Sequence[Trigger]]:
        of: defaultdict[str, list[Trigger]] = defaultdict(list)
        for trigger in await self._control.starters_of(workflows, each=TRIGGERS):
            of[trigger.workflow].append(trigger)
        return [of[name] for name in workflows]

    async def _fired(self, ids: list[str]) -> list[Sequence[Firing]]:
        of: defaultdict[str, list[Firing]] = defaultdict(list)
        for firing in await self._control.fired_by(ids, each=FIRINGS):
            of[firing.trigger].append(firing)
        return [of[id] for id in ids]

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
