"""Events as they happen, from any place on: none lost, none twice, in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

import strawberry

from ...graphs import event as records
from ...graphs.errors import InvalidInput
from ..feed import Placed, Where
from .asking import Asking, Of
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

    cursor: str | None = strawberry.field(
        description="Where `events` goes on behind it; in `executionEvents` that is its `seq`."
    )

    @classmethod
    def of(cls, found: records.Event, cursor: str | None = None) -> Event:
        return cls(
            execution_id=strawberry.ID(found.execution_id),
            seq=found.seq,
            type=found.type.value,
            path=found.path,
            at=time(found.at),
            data=Json(found.data),
            live=found.type.live,
            cursor=cursor,
        )


@strawberry.input(description="Which events are wanted; without, all.")
class EventsWhere:
    workflow: str | None = strawberry.field(
        default=None, description="Of workflows of that name, or that pattern, as `build-*`."
    )
    types: list[str] | None = strawberry.field(
        default=None, description="Of these types, as `StepFailed`; those that are kept."
    )

    def of(self) -> Where:
        return Where.of(self.workflow, self.types or ())


@strawberry.type
class EventSubscriptions:
    # They return what is followed, rather than yield it: what is wrong with the arguments ends
    # an operation with `error`, before anything of it has begun.

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
        told = await info.context.control.follow(id, after=after)
        return _numbered(told, info.context)

    @followed(
        "The events that are kept of all executions, in the order in which they were "
        "committed, for ever. Whoever was cut off gives the last `cursor` they saw."
    )
    async def events(
        self,
        info: Of,
        where: Annotated[
            EventsWhere | None, strawberry.argument(description="Which; without, all.")
        ] = None,
        after: Annotated[
            str | None,
            strawberry.argument(description='A `cursor`; null: from now on; "": all there are.'),
        ] = None,
    ) -> AsyncGenerator[Event, None]:
        wanted = None if where is None else where.of()
        context = info.context
        told = context.control.events_of_all(wanted, after=after, reached=context.reach)
        return _placed(told)


async def _numbered(told: AsyncIterator[records.Event], asking: Asking) -> AsyncGenerator[Event]:
    async with aclosing(told):  # type: ignore[type-var]
        async for event in told:
            yield Event.of(event)
            if event.seq:
                asking.reach(str(event.seq))


async def _placed(told: AsyncGenerator[Placed]) -> AsyncGenerator[Event]:
    async with aclosing(told):
        async for event, cursor in told:
            yield Event.of(event, cursor)
