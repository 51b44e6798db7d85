"""Events as they happen, from any place on: none lost, none twice, in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from ...graphs import event as records
from ...graphs.errors import InvalidInput
from .asking import Of
from .fields import followed
from .scalars import Json, Time, time


@strawberry.type(description="One thing that happened to an execution, or to a step of it.")
class Event:
    execution_id: strawberry.ID = strawberry.field(description="To which execution.")
    seq: int = strawberry.field(
        description="Counts its durable events from 1 without gaps: the cursor. 0: `live`."
    )
    type: str = strawberry.field(description="What happened, as `StepCompleted`.")
    path: str = strawberry.field(description="To which step; empty: to the execution.")
    at: Time | None = strawberry.field(description="When.")
    data: Json = strawberry.field(description="What else there is to know.")
    live: bool = strawberry.field(
        description="Output or a token of a step at work: told once, to who listens just then."
    )

    @classmethod
    def of(cls, found: records.Event) -> Event:
        return cls(
            execution_id=strawberry.ID(found.execution_id),
            seq=found.seq,
            type=found.type.value,
            path=found.path,
            at=time(found.at),
            data=Json(found.data),
            live=found.type.live,
        )


@strawberry.type
class EventSubscriptions:
    @followed(
        "The events of an execution: those there are behind `after`, then each as it "
        "happens, until the execution ends. Whoever was cut off gives the last `seq` they saw."
    )
    async def execution_events(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="The execution.")],
        after: Annotated[
            int, strawberry.argument(description="The last `seq` that is known; 0: none.")
        ] = 0,
    ) -> AsyncGenerator[Event, None]:
        if after < 0:
            raise InvalidInput(f"`after` is a `seq`, 0 or more, not {after}")
        async for event in await info.context.control.follow(id, after=after):
            yield Event.of(event)
