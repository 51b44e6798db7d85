"""Definitions that are kept, and the triggers that they declare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..graphs.errors import WorkflowNotFound
from ..graphs.stored import Page, WorkflowInfo
from .access import Operation, covers
from .admission import admit, called, displaces
from .deciding import size
from .judging import Judging

if TYPE_CHECKING:
    from ..graphs.launching import Source
    from ..graphs.program import Program
    from ..graphs.workflow import Workflow


class Registering(Judging):
    """The part of `Control` that keeps definitions."""

    async def workflows(self, *, after: str | None = None, limit: int = 50) -> Page[WorkflowInfo]:
        """Registered versions by name, newest version first."""
        self._allow(Operation.READ_WORKFLOWS)

        async def name(info: WorkflowInfo) -> str:
            return info.name

        return await self._page(self._manager.workflows, name, after, limit)

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """The document of a version, of the newest one when none is named."""
        self._allow(Operation.READ_WORKFLOWS)
        self._there(name)
        return await self._store.workflow(name, version)

    async def versions(
        self, name: str, *, after: str | None = None, limit: int = 50
    ) -> Page[WorkflowInfo]:
        """The versions of a workflow, newest first. Raises `WorkflowNotFound`."""
        self._allow(Operation.READ_WORKFLOWS)
        self._there(name)
        page = await self._store.workflows(name=name, after=after, limit=size(limit))
        if after is None and not page.items:
            raise WorkflowNotFound.named(name)
        return page

    async def validate(self, document: Source | Mapping[str, Any]) -> Program:
        """The program a definition means. Raises `InvalidSpec` with every problem in it."""
        self._allow(Operation.VALIDATE_WORKFLOW)
        program = await self._manager.load(document)
        admit(program, document)
        return program

    async def register(self, document: Source | Mapping[str, Any]) -> Workflow:
        """Keep a definition; the same again changes nothing. Raises `WorkflowConflict`."""
        program = await self._manager.load(document)
        admit(program, document)
        name = program.workflow.name
        # Whoever may start it has the workflows run that its steps name.
        beyond = [n for n in (name, *called(program)) if not covers(self.asker.principal, n)]
        what = {"version": program.workflow.version, "digest": program.workflow.digest}
        return await self._change(
            Operation.REGISTER_WORKFLOW,
            beyond[0] if beyond else name,
            name,
            partial(self._register, document),
            what,
            refused=displaces(program) if self.asker.principal.scopes else "",
        )

    async def _register(self, document: Source | Mapping[str, Any]) -> Workflow:
        workflow = await self._manager.register(document)
        await self._triggers.declare(
            workflow.name, by=self.asker.principal.id, profile=self._profile
        )
        return workflow

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        """Forget one version or all that nothing runs on; how many are gone."""
        self._there(name)
        await self._store.workflow(name, version)
        return await self._change(
            Operation.DELETE_WORKFLOW,
            name,
            name,
            partial(self._delete_workflow, name, version),
            {"version": version},
        )

    async def _delete_workflow(self, name: str, version: str | None) -> int:
        gone = await self._manager.delete_workflow(name, version)
        await self._triggers.declare(name)
        return gone
