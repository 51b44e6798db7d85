"""Starting executions, one or many, and steering them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Annotated, Any

import strawberry

from ...graphs import execution as records
from ...graphs.errors import InvalidInput
from ..gathering import Gathering
from .asking import Of
from .executions import Execution
from .fields import resolved
from .limits import BATCH
from .problems import AnyProblem, attempted
from .scalars import Json


@strawberry.input(description="What to start.")
class StartExecutionInput:
    workflow: str = strawberry.field(description="The name of a registered workflow.")
    version: str | None = strawberry.field(
        default=None, description="A version of it; without, the newest."
    )
    inputs: Json | None = strawberry.field(
        default=None, description="A JSON object of the inputs that it declares."
    )
    priority: int = strawberry.field(default=0, description="Higher runs first.")
    key: str | None = strawberry.field(
        default=None,
        description="The same key again, within 24 hours, starts nothing more: it tells of the "
        "first execution. With something else to start it is refused.",
    )


@strawberry.type(description="The execution is durable, and runs as soon as it may.")
class ExecutionStarted:
    execution: Execution = strawberry.field(description="The new execution.")
    replayed: bool = strawberry.field(description="It was started before, with the same key.")


@strawberry.type(description="It has been done, or was so already.")
class ExecutionChanged:
    execution: Execution = strawberry.field(description="The execution as it is now.")


_KEY = re.compile(r"[\x21-\x7e]{1,200}")

StartExecutionResult = Annotated[
    ExecutionStarted | AnyProblem,
    strawberry.union("StartExecutionResult", description="What came of starting."),
]
ChangeExecutionResult = Annotated[
    ExecutionChanged | AnyProblem,
    strawberry.union("ChangeExecutionResult", description="What came of steering."),
]
Id = Annotated[strawberry.ID, strawberry.argument(description="The execution; its whole id.")]


async def _started(doing: Awaitable[records.Execution]) -> ExecutionStarted:
    return ExecutionStarted(execution=Execution.of(await doing), replayed=False)


async def _changed(doing: Awaitable[records.Execution]) -> ExecutionChanged:
    return ExecutionChanged(execution=Execution.of(await doing))


async def _start(control: Gathering, given: StartExecutionInput) -> ExecutionStarted:
    begun = await control.start_once(
        key_of(given.key),
        given.workflow,
        _inputs(given.inputs),
        version=given.version,
        priority=given.priority,
    )
    return ExecutionStarted(execution=Execution.of(begun.execution), replayed=begun.replayed)


def key_of(given: str | None) -> str | None:
    """Raises `InvalidInput` for what is no key."""
    if given is not None and not _KEY.fullmatch(given):
        raise InvalidInput("`key` is 1 to 200 characters of ASCII, without a space")
    return given


def _inputs(given: Any) -> Mapping[str, Any] | None:
    if given is not None and not isinstance(given, Mapping):
        raise InvalidInput("`inputs` is a JSON object of the workflow's inputs by name")
    return given


@strawberry.type
class ExecutionMutations:
    @resolved("Start an execution; told as soon as it is durable.")
    async def start_execution(
        self,
        info: Of,
        input: Annotated[StartExecutionInput, strawberry.argument(description="What to start.")],
    ) -> StartExecutionResult:
        return await attempted(_start(info.context.control, input))

    @resolved(f"Start up to {BATCH} executions; each has its own result.")
    async def start_executions(
        self,
        info: Of,
        inputs: Annotated[
            list[StartExecutionInput],
            strawberry.argument(description="What to start; the results come in this order."),
        ],
    ) -> list[StartExecutionResult]:
        if not 1 <= len(inputs) <= BATCH:
            raise InvalidInput(f"1 to {BATCH} executions are started at once, not {len(inputs)}")
        control = info.context.control
        doing = (attempted(_start(control, each)) for each in inputs)
        return list(await asyncio.gather(*doing))

    @resolved("Stop it, wherever it runs; told when nothing of it does.")
    async def stop_execution(
        self,
        info: Of,
        id: Id,
        reason: Annotated[str, strawberry.argument(description="To be kept with it.")] = "",
    ) -> ChangeExecutionResult:
        return await attempted(_changed(info.context.control.stop(id, reason)))

    @resolved("Let no further step of it begin.")
    async def pause_execution(self, info: Of, id: Id) -> ChangeExecutionResult:
        return await attempted(_changed(info.context.control.pause(id)))

    @resolved("Let it go on, after a pause or a crash.")
    async def resume_execution(self, info: Of, id: Id) -> ChangeExecutionResult:
        return await attempted(_changed(info.context.control.resume(id)))

    @resolved("A new execution that runs again what failed, or from a step.")
    async def retry_execution(
        self,
        info: Of,
        id: Id,
        path: Annotated[
            str | None, strawberry.argument(description="The step, iteration or attempt.")
        ] = None,
    ) -> StartExecutionResult:
        return await attempted(_started(info.context.control.retry(id, path)))

    @resolved("A new execution from a step of this one, of other inputs.")
    async def fork_execution(
        self,
        info: Of,
        id: Id,
        path: Annotated[str, strawberry.argument(description="The step, iteration or attempt.")],
        inputs: Annotated[
            Json | None, strawberry.argument(description="Inputs that replace those of then.")
        ] = None,
    ) -> StartExecutionResult:
        async def forked() -> records.Execution:
            return await info.context.control.fork(id, path, _inputs(inputs))

        return await attempted(_started(forked()))
