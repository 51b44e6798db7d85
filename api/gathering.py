"""Reads for many at once, decided as any: what a graph of things asks for beside its listings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from ..graphs.errors import AssayError, WorkflowNotFound
from .access import Operation, covers
from .control import Control

if TYPE_CHECKING:
    from ..graphs.execution import Execution
    from ..graphs.question import Question
    from ..graphs.stored import WorkflowInfo


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

    async def histories(self, ids: Sequence[str]) -> Sequence[Execution | AssayError]:
        """Executions with their steps, in that order: a journal is read for each of them."""

        async def one(id: str) -> Execution | AssayError:
            try:
                return await self.execution(id)
            except AssayError as error:
                return error

        return await asyncio.gather(*(one(id) for id in ids))

    def provider(self) -> tuple[str, Sequence[str]]:
        """The name of what executes workflows, and the kinds of steps that it runs."""
        self._allow(Operation.READ_WORKFLOWS)
        return self._manager.provider.name(), tuple(self._manager.services.kinds)
