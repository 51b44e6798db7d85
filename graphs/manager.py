"""The front desk: everything that starts, reads or stops work comes through here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ExecutionFailed, WorkflowNotFound
from .event import Event, EventType
from .execution import Execution, Status, new_id, timestamp
from .inputs import accept_inputs
from .launch import Launch
from .load import SUFFIXES, Loader
from .policy import every_step
from .ports import Commit, Page, Store, WorkflowInfo
from .program import Program
from .services import Services
from .workflow import Workflow

if TYPE_CHECKING:
    from .providers.langgraph import LangGraphProvider

Definition = Workflow | Mapping[str, Any] | str | Path
"""What a caller may hand over: a workflow, a mapping, a file, or a registered name."""

_DEPTH = 8
"""How deep `workflow` steps may call each other."""

_log = logging.getLogger("assay.manager")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where executions work, and which variables they may read."""

    workspace: Path
    environ: Mapping[str, str]


class Manager:
    """Validates, then delegates to the provider, and logs both ends."""

    def __init__(
        self,
        services: Services,
        loader: Loader,
        provider: LangGraphProvider,
        surroundings: Surroundings,
    ) -> None:
        self._services = services
        self._loader = loader
        self._provider = provider
        self._surroundings = surroundings

    @property
    def store(self) -> Store:
        return self._services.store

    async def load(self, definition: Definition) -> Program:
        """The program a definition means; raises `InvalidSpec` or `WorkflowNotFound`."""
        if isinstance(definition, Workflow):
            return self._loader.workflow(definition)
        if isinstance(definition, Mapping):
            return self._loader.mapping(definition)
        path = Path(definition)
        if path.suffix in SUFFIXES or isinstance(definition, Path) or path.exists():
            return self._loader.file(path)
        name, _, version = definition.partition("@")
        document = await self._services.store.workflow(name, version or None)
        return self._loader.mapping(document, name)

    async def register(self, definition: Definition) -> Workflow:
        """Keep a definition under its name and version, for good.

        The same content again changes nothing; other content raises `WorkflowConflict`.
        """
        workflow = (await self.load(definition)).workflow
        self._provider.validate(workflow)
        await self._provider.create_workflow(workflow)
        _log.info("registered %s@%s", workflow.name, workflow.version)
        return workflow

    async def start(
        self, definition: Definition, inputs: Mapping[str, Any] | None = None, *, fuse: bool = True
    ) -> Execution:
        """Begin an execution; returns it `queued`, as soon as it is durable.

        Raises `InvalidSpec`, `InvalidInput` or `WorkflowNotFound`; then nothing has been
        started. A file or mapping is run as it is, without registering it.
        """
        program = await self.load(definition)
        workflow = program.workflow
        accepted = accept_inputs(workflow, inputs or {})
        beside = Path(definition).parent if isinstance(definition, str | Path) else Path()
        launch = await self._launch(program, beside, fuse, 0)
        self._provider.validate(workflow)
        await self._services.store.keep(workflow)
        execution = self._queued(program, launch, accepted)
        event = Event(execution.id, EventType.EXECUTION_QUEUED, execution.created_at, seq=1)
        await self._services.store.commit(Commit(execution.id, events=[event], execution=execution))
        await self._services.bus.publish([event])
        self._provider.prepare(execution.id, launch)
        await self._provider.start_execution(execution)
        _log.info("started %s of %s@%s", execution.id, workflow.name, workflow.version)
        return execution

    async def wait(self, execution_id: str) -> Execution:
        """The execution when it has ended (or, where it runs elsewhere, as it is now)."""
        await self._provider.wait(execution_id)
        return await self.get(execution_id)

    async def run(
        self, definition: Definition, inputs: Mapping[str, Any] | None = None
    ) -> Execution:
        """Start and wait; raises `ExecutionFailed` unless it completed."""
        started = await self.start(definition, inputs)
        execution = await self.wait(started.id)
        if execution.status is not Status.COMPLETED:
            error = execution.error
            where = f" at {error.path}" if error and error.path else ""
            why = f"{where}: {error.message}" if error else ""
            raise ExecutionFailed(
                f"execution {execution.id} of {execution.workflow!r} {execution.status}{why}"
            )
        return execution

    async def get(self, execution_id: str) -> Execution:
        """One execution with its steps; a unique prefix of the id is enough."""
        return await self._services.store.execution(execution_id)

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        """Executions, newest first, without their steps."""
        return await self._services.store.executions(
            workflow=workflow, status=status, after=after, limit=limit
        )

    async def workflows(self, *, after: str | None = None, limit: int = 100) -> Page[WorkflowInfo]:
        return await self._services.store.workflows(after=after, limit=limit)

    async def events(self, execution_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The durable events there are now, in order."""
        while True:
            page = await self._services.store.events(execution_id, after=after)
            for event in page.items:
                yield event
                after = event.seq
            if page.cursor is None:
                return

    def follow(self, execution_id: str) -> AsyncIterator[Event]:
        """Events from now on, live ones included."""
        return self._services.bus.subscribe(execution_id)

    async def stop(self, execution_id: str) -> Execution:
        """Cancel an execution; returns when nothing of it runs any more."""
        execution = await self._services.store.execution(execution_id, steps=False)
        return await self._provider.stop_execution(execution.id)

    def _queued(self, program: Program, launch: Launch, inputs: Mapping[str, Any]) -> Execution:
        workflow, now = program.workflow, timestamp()
        names = set(program.env)
        pending = list(launch.children.values())
        while pending:
            child = pending.pop()
            names |= child.program.env
            pending += child.children.values()
        return Execution(
            new_id(),
            workflow.name,
            workflow.version,
            workflow.digest,
            Status.QUEUED,
            inputs,
            env={name: launch.environ.get(name, "") for name in sorted(names)},
            created_at=now,
            updated_at=now,
        )

    async def _launch(self, program: Program, beside: Path, fuse: bool, depth: int) -> Launch:
        """The program with every workflow that its steps name, pinned to what it is now."""
        children: dict[tuple[str, str | None], Launch] = {}
        for step in every_step(program.workflow.steps):
            if step.kind != "workflow":
                continue
            named: Any = step
            if depth == _DEPTH:
                raise WorkflowNotFound(
                    f"`workflow` steps call each other more than {_DEPTH} deep, at {step.id!r}; "
                    "do they call each other in a circle?"
                )
            child, folder = await self._child(named.workflow, named.version, beside)
            key = (named.workflow, named.version)
            children[key] = await self._launch(child, folder, fuse, depth + 1)
        here = self._surroundings
        return Launch(program, children, here.workspace, here.environ, fuse)

    async def _child(self, name: str, version: str | None, beside: Path) -> tuple[Program, Path]:
        if Path(name).suffix in SUFFIXES:
            path = beside / name
            return self._loader.file(path), path.parent
        document = await self._services.store.workflow(name, version)
        return self._loader.mapping(document, name), beside
