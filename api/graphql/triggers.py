"""What starts executions: by hand, by the clock, by what comes; and each time that it did."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from ...graphs import firing as records
from ...graphs.errors import InvalidInput
from ..control import MOST
from ..triggers import Timed
from .access import SecurityProfile
from .asking import Of
from .fields import resolved, value
from .pages import FIRST, After, Connection, First, connected
from .scalars import Json, Time, moment, time

if TYPE_CHECKING:
    from .executions import Execution

TIMES = 5
"""How many due times a schedule tells of unless `count` says otherwise."""


@strawberry.enum(description="What has come of a firing.")
class FiringStatus(Enum):
    PENDING = value("pending", "Somebody has yet to look at it.")
    WAITING = value("waiting", "For its turn, or until nothing more comes.")
    STARTED = value("started", "Its execution has begun.")
    SKIPPED = value("skipped", "The `if` of its trigger was false.")
    DROPPED = value("dropped", "Too many came, or in a circle; `reason` says which.")
    DELIVERED = value("delivered", "A notification: its receiver has it.")
    MERGED = value("merged", "Another firing, `into`, stands for it.")
    DEAD = value("dead", "It failed for good, as `reason` says; it can be replayed.")


@strawberry.type(description="One time that a trigger fired: it starts one execution at most.")
class Firing:
    id: strawberry.ID = strawberry.field(description="The same for what came again.")
    trigger_id: strawberry.ID = strawberry.field(description="Of the trigger that fired.")
    workflow_name: str = strawberry.field(description="The name of the workflow that it starts.")
    at: Time | None = strawberry.field(description="When it fired.")
    status: FiringStatus = strawberry.field(description="What has come of it.")
    reason: str = strawberry.field(description="Why nothing began, if nothing did.")
    into: strawberry.ID | None = strawberry.field(
        description="The firing that stands for it, if it was merged."
    )
    execution_id: strawberry.ID = strawberry.field(description="Of what it starts, if it does.")
    payload: Json | None = strawberry.field(description="What came.")
    attributes: Json = strawberry.field(description="Text about it, by name.")
    by: str = strawberry.field(description="The id of whoever fired it; empty: nobody did.")
    attempts: int = strawberry.field(description="How often somebody has looked at it.")

    @resolved("The trigger that fired, if it is still there.")
    async def trigger(self, info: Of) -> Trigger | None:
        found = await info.context.loaders.triggers.load(self.trigger_id)
        return None if found is None else Trigger.of(found)

    @resolved("The execution, once it has begun and as long as it is there.")
    async def execution(
        self, info: Of
    ) -> Annotated[Execution, strawberry.lazy(".executions")] | None:
        found: Execution | None = await info.context.loaders.execution(self.execution_id)
        return found

    @classmethod
    def of(cls, found: records.Firing) -> Firing:
        return cls(
            id=strawberry.ID(found.id),
            trigger_id=strawberry.ID(found.trigger),
            workflow_name=found.workflow,
            at=time(found.at),
            status=FiringStatus(found.status.value),
            reason=found.reason,
            into=strawberry.ID(found.into) if found.into else None,
            execution_id=strawberry.ID(found.execution_id),
            payload=None if found.payload is None else Json(found.payload),
            attributes=Json(found.attributes),
            by=found.by,
            attempts=found.attempts,
        )


@strawberry.type(description="What starts executions of a workflow.")
class Trigger:
    id: strawberry.ID = strawberry.field(description="The name of its workflow, and its own.")
    workflow_name: str = strawberry.field(description="The name of the workflow that it starts.")
    version: str | None = strawberry.field(description="The version of it; null: the newest.")
    type: str = strawberry.field(description="The kind of trigger, as `cron`.")
    document: Json = strawberry.field(description="As its author wrote it.")
    declared: bool = strawberry.field(description="It is of the definition, and goes with it.")
    enabled: bool = strawberry.field(description="Whether it fires.")
    by: str = strawberry.field(description="The id of whoever made it.")
    profile: SecurityProfile | None = strawberry.field(
        description="What no step of what it begins exceeds; null: it has no bound of its own."
    )
    created_at: Time | None = strawberry.field(description="When it was made.")
    next_at: Time | None = strawberry.field(description="When the clock fires it.")
    reason: str = strawberry.field(
        description="What failed last, or why it switched itself off; or nothing."
    )

    @resolved("Its newest firings, 20 at most; `firings` lists all.")
    async def firings(self, info: Of) -> list[Firing]:
        found = await info.context.loaders.fired.load(self.id)
        return [Firing.of(each) for each in found]

    @classmethod
    def of(cls, found: records.Trigger) -> Trigger:
        return cls(
            id=strawberry.ID(found.id),
            workflow_name=found.workflow,
            version=found.version,
            type=found.type,
            document=Json(found.document),
            declared=found.declared,
            enabled=found.enabled,
            by=found.by,
            profile=SecurityProfile(found.profile) if found.profile else None,
            created_at=time(found.created_at),
            next_at=moment(found.next_at),
            reason=found.reason,
        )


@strawberry.type(description="A trigger that the clock fires.")
class Schedule:
    trigger: Trigger = strawberry.field(description="The trigger.")
    next: list[Time] = strawberry.field(
        description="When it is due next; never, when it is switched off."
    )
    says: str = strawberry.field(description="The schedule in words, or what is wrong with it.")

    @classmethod
    def of(cls, found: Timed) -> Schedule:
        due = [at for at in map(moment, found.next) if at is not None]
        return cls(trigger=Trigger.of(found.trigger), next=due, says=found.says)


@strawberry.type
class TriggerQueries:
    @resolved("One trigger.")
    async def trigger(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its whole id.")],
    ) -> Trigger | None:
        return Trigger.of(await info.context.control.trigger(id))

    @resolved("Triggers by id; of one workflow, or of one type.")
    async def triggers(
        self,
        info: Of,
        workflow: Annotated[
            str | None, strawberry.argument(description="Only of the workflow of that name.")
        ] = None,
        type: Annotated[
            str | None, strawberry.argument(description="Only of that kind, as `webhook`.")
        ] = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Trigger]:
        read = partial(info.context.control.triggers, workflow=workflow, type=type)
        return await connected(read, lambda found: found.id, Trigger.of, first, after)

    @resolved("Triggers that the clock fires, by id. Reads the workflow of each.")
    async def schedules(
        self,
        info: Of,
        count: Annotated[
            int, strawberry.argument(description=f"Due times to tell of each, from 1 to {MOST}.")
        ] = TIMES,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Schedule]:
        if not 1 <= count <= MOST:
            raise InvalidInput(f"`count` is 1 to {MOST}, not {count}")
        read = partial(info.context.control.schedules, count=count)
        return await connected(read, lambda found: found.trigger.id, Schedule.of, first, after)

    @resolved("One firing.")
    async def firing(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its whole id.")],
    ) -> Firing | None:
        return Firing.of(await info.context.control.firing(id))

    @resolved("What came of each time that a trigger fired, newest first.")
    async def firings(
        self,
        info: Of,
        trigger: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only of that trigger.")
        ] = None,
        status: Annotated[
            FiringStatus | None, strawberry.argument(description="Only in that status.")
        ] = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Firing]:
        read = partial(
            info.context.control.firings,
            trigger=trigger,
            status=None if status is None else status.value,
        )
        return await connected(read, lambda found: found.id, Firing.of, first, after)
