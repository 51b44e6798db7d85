"""The default provider: workflows run as LangGraph graphs, every step journaled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from ..binding import BoundStep
from ..compile import CompileCache
from ..engine import Definition, Outcome, Run
from ..errors import AssayError, ExecutionNotFound
from ..event import EventType
from ..execution import Cost, Execution, Failure, Status, timestamp
from ..files import Files
from ..inputs import declared_outputs
from ..journal import Journal
from ..launch import Launch
from ..plan import plan
from ..ports import History
from ..rollback import roll_back
from ..services import Services
from ..step import Family
from ..workflow import Workflow


class LangGraphProvider:
    """Drives executions in this process; one task of the event loop each."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._compiled = CompileCache()
        self._launches: dict[str, Launch] = {}
        self._driving: dict[str, asyncio.Task[None]] = {}

    def name(self) -> str:
        return "langgraph"

    def validate(self, workflow: Workflow) -> None:
        """Every valid workflow can be executed."""

    async def create_workflow(self, workflow: Workflow) -> None:
        await self._services.store.register(workflow)

    def prepare(self, execution_id: str, launch: Launch) -> None:
        """Hand over what `start_execution` will need for an execution."""
        self._launches[execution_id] = launch

    async def start_execution(self, execution: Execution) -> None:
        launch = self._launches.pop(execution.id)
        history = await self._services.store.history(execution.id)
        task = asyncio.create_task(self._drive(execution, launch, history), name=execution.id)
        self._driving[execution.id] = task
        # A task that is cancelled before its first step would leave no record of its end.
        await asyncio.sleep(0)
        task.add_done_callback(lambda _: self._driving.pop(execution.id, None))

    async def wait(self, execution_id: str) -> None:
        """Return when nothing of the execution runs here any more."""
        task = self._driving.get(execution_id)
        if task is not None:
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is not None:
                task.result()

    async def get_execution_status(self, execution_id: str) -> Execution:
        return await self._services.store.execution(execution_id)

    async def stop_execution(self, execution_id: str) -> Execution:
        task = self._driving.get(execution_id)
        if task is None:
            execution = await self.get_execution_status(execution_id)
            if not execution.status.terminal:
                raise ExecutionNotFound(
                    f"execution {execution_id} is {execution.status} but does not run in this "
                    "process; stop it where it runs"
                )
            return execution
        _cancel(task)
        await asyncio.wait([task])
        return await self.get_execution_status(execution_id)

    async def delete_workflow(self, name: str, version: str | None = None) -> None:
        await self._services.store.delete_workflow(name, version)

    async def close(self) -> None:
        """Cancel every execution under way and wait for it to end."""
        tasks = list(self._driving.values())
        for task in tasks:
            _cancel(task)
        if tasks:
            await asyncio.wait(tasks)

    def definition(self, launch: Launch) -> Definition:
        """The compiled form of a launch's programs."""
        program = launch.program

        def family(step: BoundStep) -> Family:
            return self._services.kinds.get(step.kind).family

        block = self._compiled.get(
            program.workflow.digest,
            launch.fuse,
            lambda: plan(program, family, fuse=launch.fuse),
        )
        children = {name: self.definition(child) for name, child in launch.children.items()}
        return Definition(program, block, children)

    async def _drive(self, execution: Execution, launch: Launch, history: History) -> None:
        store, bus = self._services.store, self._services.bus
        history = await store.history(execution.id)
        journal = Journal(store, bus, execution, history)
        definition = self.definition(launch)
        run = Run(execution, definition, journal, self._services, launch.workspace, launch.environ)
        started = replace(execution, status=Status.RUNNING, started_at=timestamp())
        await journal.update(started, EventType.EXECUTION_STARTED)
        try:
            ended = await self._execute(run)
        except asyncio.CancelledError:
            ended = await _cancelled(run)
        await journal.settle()
        await journal.update(ended, _EVENTS[ended.status], status=ended.status.value)

    async def _execute(self, run: Run) -> Execution:
        frame = run.root(run.definition, run.execution.inputs)
        try:
            outcome = await frame.drive()
            failure = outcome.failure
            await run.join()
            outputs = {} if failure else _outputs(run, outcome)
        except Exception as error:
            # Whatever went wrong, the execution must not be left looking as if it ran.
            code = error.code if isinstance(error, AssayError) else "unexpected"
            why = str(error) if code != "unexpected" else f"{type(error).__name__}: {error}"
            failure, outputs = Failure(code, why), {}
            await run.join()
        if failure is not None and failure.rollback:
            failure = await _rolled_back(run, failure)
        status = Status.COMPLETED if failure is None else Status.FAILED
        return _ended(run, status, outputs, failure)


def _outputs(run: Run, outcome: Outcome) -> dict[str, object]:
    token = Files.enter(run, "")
    try:
        scope = run.root(run.definition, run.execution.inputs).scope
        return declared_outputs(run.definition.program, scope, outcome, run.journal, "")
    finally:
        Files.leave(token)


async def _rolled_back(run: Run, failure: Failure) -> Failure:
    broken = await roll_back(run, failure)
    if not broken:
        return failure
    return replace(failure, message=f"{failure.message}\nnot compensated: {', '.join(broken)}")


async def _cancelled(run: Run) -> Execution:
    """Nothing of the execution runs on; compensate only where that is the default."""
    await run.abandon()
    failure = Failure("cancelled", "the execution was stopped")
    default = run.definition.program.workflow.error_handling.default
    if default is not None and default.strategy == "rollback":
        failure = await _rolled_back(run, failure)
    return _ended(run, Status.CANCELLED, {}, failure)


def _ended(
    run: Run, status: Status, outputs: Mapping[str, object], failure: Failure | None
) -> Execution:
    results = sorted(run.journal.results.values(), key=lambda r: r.seq)
    artifacts = {f"{r.path}.{name}": kept for r in results for name, kept in r.artifacts.items()}
    return replace(
        run.journal.execution,
        status=status,
        outputs=outputs,
        artifacts=artifacts,
        error=failure,
        current_step=None,
        cost=sum((r.cost for r in results if r.cost is not None), Cost()),
        notices=run.notices,
        completed_at=timestamp(),
    )


_EVENTS = {
    Status.COMPLETED: EventType.EXECUTION_COMPLETED,
    Status.FAILED: EventType.EXECUTION_FAILED,
    Status.CANCELLED: EventType.EXECUTION_CANCELLED,
}


def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel once: a second time would cut off the record of the end, or a rollback."""
    if not task.cancelling():
        task.cancel()
