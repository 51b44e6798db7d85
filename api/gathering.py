"""Reads for many at once, decided as any: what a graph of things asks for beside its listings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from ..graphs.errors import AssayError, WorkflowNotFound
from ..graphs.execution import HERE
from ..graphs.fold import Folder
from .access import Operation, covers
from .control import Control

if TYPE_CHECKING:
    from ..graphs.execution import Execution
    from ..graphs.firing import Firing, Trigger
    from ..graphs.history import History
    from ..graphs.question import Question
    from ..graphs.stored import ArtifactInfo, Entry, WorkflowInfo

    T = TypeVar("T", Trigger, Firing)


class Gathering(Control):
    """Everything of `Control`; each of the reads here is one of the store, however many are
    asked for, and tells nothing of what no scope of the asker covers."""

    @classmethod
    def of(cls, control: Control) -> Self:
        return cls(control._manager, control.asker)

    async def version(self, name: str, version: str | None = None) -> WorkflowInfo:
        """A registered version, the newest when none is named. Raises `WorkflowNotFound`."""
        self._allow(Operation.READ_WORKFLOWS)
        self._there(name)
        if version is None:
            found = (await self._store.workflows(name=name, limit=1)).items
        else:
            found = await self._store.versions_of([(name, version)])
        if not found:
            raise WorkflowNotFound.named(name if version is None else f"{name}@{version}")
        return found[0]

    async def versions_of(self, named: Sequence[tuple[str, str]]) -> Sequence[WorkflowInfo]:
        self._allow(Operation.READ_WORKFLOWS)
        found = await self._store.versions_of(named)
        return [info for info in found if covers(self.asker.principal, info.name)]

    async def row(self, id: str) -> Execution:
        """An execution without its steps."""
        return await self._of(id, Operation.READ_EXECUTIONS)

    async def executions_of(self, ids: Sequence[str]) -> Sequence[Execution]:
        self._allow(Operation.READ_EXECUTIONS)
        found = await self._store.executions_of(ids)
        return [each for each in found if covers(self.asker.principal, each.workflow)]

    async def asked_by(self, executions: Sequence[str], *, each: int) -> Sequence[Question]:
        """The oldest open questions of executions that the asker has been shown."""
        self._allow(Operation.READ_QUESTIONS)
        return await self._store.asked_by(executions, each=each)

    async def files_of(self, executions: Sequence[str], *, each: int) -> Sequence[ArtifactInfo]:
        """The newest files of executions that the asker has been shown."""
        self._allow(Operation.READ_ARTIFACTS)
        return await self._store.artifacts_of(executions, each=each)

    async def triggers_of(self, ids: Sequence[str]) -> Sequence[Trigger]:
        return self._shown(await self._store.triggers_of(ids))

    async def firings_of(self, ids: Sequence[str]) -> Sequence[Firing]:
        return self._shown(await self._store.firings_of(ids))

    async def starters_of(self, workflows: Sequence[str], *, each: int) -> Sequence[Trigger]:
        """The first triggers of each of the workflows, by id."""
        return self._shown(await self._store.starters_of(workflows, each=each))

    async def fired_by(self, triggers: Sequence[str], *, each: int) -> Sequence[Firing]:
        """The newest firings of each of the triggers."""
        return self._shown(await self._store.fired_by(triggers, each=each))

    def _shown(self, found: Sequence[T]) -> Sequence[T]:
        self._allow(Operation.READ_TRIGGERS)
        return [each for each in found if covers(self.asker.principal, each.workflow)]

    async def journals(
        self, executions: Sequence[str], *, after: int = 0, each: int | None = None
    ) -> Sequence[Sequence[Entry]]:
        """The entries of executions that the asker has been shown, in the order of those."""
        self._allow(Operation.READ_EXECUTIONS)
        found = await self._store.journals_of(executions, after=after, each=each)
        return [found.get(id, ()) for id in executions]

    async def histories(self, executions: Sequence[str]) -> Sequence[History | AssayError]:
        """What the journals of those executions say of their steps; a lost value reads as null."""

        async def one(id: str, entries: Sequence[Entry]) -> History | AssayError:
            folder = Folder(id, self._manager.services.blobs, lambda _, __: None)
            try:
                await folder.fold(entries)
            except AssayError as error:
                return error
            return folder.history()

        journals = await self.journals(executions)
        return [await one(*each) for each in zip(executions, journals, strict=True)]

    def providers(self) -> Sequence[Provider]:
        """Everything that can execute workflows; the kinds of steps are known of this server."""
        self._allow(Operation.READ_WORKFLOWS)
        manager = self._manager
        kinds = tuple(manager.services.kinds)
        return [
            Provider(name, name == manager.default, kinds if name == HERE else ())
            for name in manager.providers()
        ]


class Provider(NamedTuple):
    """A way to execute workflows, and whether what is started here is executed so."""

    name: str
    default: bool
    kinds: Sequence[str]
