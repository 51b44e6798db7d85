"""What agents remember: whose it is, and forgetting it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import strawberry

from ...graphs import memory
from .asking import Of
from .fields import resolved
from .pages import FIRST, After, Connection, First, connected
from .problems import AnyProblem, attempted
from .scalars import Time, time


@strawberry.type(description="That agents of a workflow remember something under a key.")
class Memory:
    workflow: str = strawberry.field(description="The name of the workflow.")
    key: str = strawberry.field(description="Whose it is, or what about.")
    at: Time | None = strawberry.field(description="When it was last added to.")

    @classmethod
    def of(cls, found: memory.MemoryInfo) -> Memory:
        return cls(workflow=found.workflow, key=found.key, at=time(found.at))


@strawberry.type(description="What was remembered under a key is forgotten.")
class MemoryForgotten:
    forgotten: int = strawberry.field(description="How many turns and facts there were.")


ForgetMemoryResult = Annotated[
    MemoryForgotten | AnyProblem,
    strawberry.union("ForgetMemoryResult", description="What came of forgetting a memory."),
]


@strawberry.type
class MemoryQueries:
    @resolved("Of which keys agents remember something, by workflow.")
    async def memories(
        self,
        info: Of,
        workflow: Annotated[
            str | None, strawberry.argument(description="Only of that workflow.")
        ] = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Memory]:
        def key(found: memory.MemoryInfo) -> str:
            return f"{found.workflow}\0{found.key}"

        read = partial(info.context.control.memories, workflow)
        return await connected(read, key, Memory.of, first, after)


@strawberry.type
class MemoryMutations:
    @resolved("Forget the conversation and the facts that agents keep under a key.")
    async def forget_memory(
        self,
        info: Of,
        workflow: Annotated[str, strawberry.argument(description="The name of the workflow.")],
        key: Annotated[str, strawberry.argument(description="Whose.")],
    ) -> ForgetMemoryResult:
        async def forgotten() -> MemoryForgotten:
            count = await info.context.control.forget_memory(workflow, key)
            return MemoryForgotten(forgotten=count)

        return await attempted(forgotten())
