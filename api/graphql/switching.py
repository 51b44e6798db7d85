"""Triggers made, switched, fired and forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry

from ...graphs.errors import InvalidInput
from ...graphs.units import parse_time
from .asking import Of
from .fields import resolved
from .loaders import FIRINGS
from .problems import AnyProblem, attempted
from .running import key_of
from .scalars import Json, Time
from .triggers import Firing, Schedule, Trigger

_ATTRIBUTES = 100
"""How many texts a firing is given."""


@strawberry.type(description="There is a new trigger; it fires from now on.")
class TriggerCreated:
    trigger: Trigger = strawberry.field(description="The new trigger.")


@strawberry.type(description="The trigger is forgotten; its firings stay.")
class TriggerDeleted:
    id: strawberry.ID = strawberry.field(description="The id of the trigger that is gone.")


@strawberry.type(description="It has been done, or was so already.")
class TriggerChanged:
    trigger: Trigger = strawberry.field(description="The trigger as it is now.")


@strawberry.type(description="It has been done, or was so already.")
class ScheduleChanged:
    schedule: Schedule = strawberry.field(description="The schedule as it is now.")


@strawberry.type(description="The firing is durable, and something comes of it soon.")
class TriggerFired:
    firing: Firing = strawberry.field(description="The firing as it is now.")


@strawberry.type(description="There is a durable firing for each time that was due.")
class ScheduleBackfilled:
    count: int = strawberry.field(description="How many times were due.")
    firings: list[Firing] = strawberry.field(
        description="The firings of the first of them, 20 at most; `firings` lists all."
    )


CreateTriggerResult = Annotated[
    TriggerCreated | AnyProblem,
    strawberry.union("CreateTriggerResult", description="What came of making a trigger."),
]
DeleteTriggerResult = Annotated[
    TriggerDeleted | AnyProblem,
    strawberry.union("DeleteTriggerResult", description="What came of forgetting a trigger."),
]
ChangeTriggerResult = Annotated[
    TriggerChanged | AnyProblem,
    strawberry.union("ChangeTriggerResult", description="What came of switching a trigger."),
]
ChangeScheduleResult = Annotated[
    ScheduleChanged | AnyProblem,
    strawberry.union("ChangeScheduleResult", description="What came of switching a schedule."),
]
FireTriggerResult = Annotated[
    TriggerFired | AnyProblem,
    strawberry.union("FireTriggerResult", description="What came of firing."),
]
BackfillScheduleResult = Annotated[
    ScheduleBackfilled | AnyProblem,
    strawberry.union("BackfillScheduleResult", description="What came of making up for times."),
]
Id = Annotated[strawberry.ID, strawberry.argument(description="The trigger; its whole id.")]
Enabled = Annotated[bool, strawberry.argument(description="Whether it fires.")]


@strawberry.type
class TriggerMutations:
    @resolved("Make a trigger beside those of the definition; it is checked as those are.")
    async def create_trigger(
        self,
        info: Of,
        workflow: Annotated[
            str, strawberry.argument(description="The name of the workflow to start.")
        ],
        trigger: Annotated[
            Json,
            strawberry.argument(description="A JSON object, as in `triggers` of a definition."),
        ],
        version: Annotated[
            str | None, strawberry.argument(description="A version of it; without, the newest.")
        ] = None,
    ) -> CreateTriggerResult:
        async def created() -> TriggerCreated:
            document: Any = trigger
            if not isinstance(document, Mapping):
                raise InvalidInput("`trigger` is a JSON object, as in `triggers` of a definition")
            control = info.context.control
            made = await control.create_trigger(workflow, document, version=version)
            return TriggerCreated(trigger=Trigger.of(made))

        return await attempted(created())

    @resolved("Forget a trigger, unless it is of a definition.")
    async def delete_trigger(self, info: Of, id: Id) -> DeleteTriggerResult:
        async def deleted() -> TriggerDeleted:
            await info.context.control.delete_trigger(id)
            return TriggerDeleted(id=id)

        return await attempted(deleted())

    @resolved("Switch it on or off; what the clock missed meanwhile is not made up for.")
    async def set_trigger_enabled(self, info: Of, id: Id, enabled: Enabled) -> ChangeTriggerResult:
        async def switched() -> TriggerChanged:
            kept = await info.context.control.set_trigger_enabled(id, enabled)
            return TriggerChanged(trigger=Trigger.of(kept))

        return await attempted(switched())

    @resolved("The same, of a trigger that the clock fires; told with when it is due next.")
    async def set_schedule_enabled(
        self, info: Of, id: Id, enabled: Enabled
    ) -> ChangeScheduleResult:
        async def switched() -> ScheduleChanged:
            control = info.context.control
            await control.schedule(id)
            await control.set_trigger_enabled(id, enabled)
            return ScheduleChanged(schedule=Schedule.of(await control.schedule(id)))

        return await attempted(switched())

    @resolved("Fire it by hand; told as soon as the firing is durable.")
    async def fire_trigger(
        self,
        info: Of,
        id: Id,
        payload: Annotated[
            Json | None, strawberry.argument(description="What `with` and `if` see as `payload`.")
        ] = None,
        attributes: Annotated[
            Json | None, strawberry.argument(description="A JSON object of text about it.")
        ] = None,
        key: Annotated[
            str | None,
            strawberry.argument(description="The same key again fires nothing more."),
        ] = None,
    ) -> FireTriggerResult:
        async def fired() -> TriggerFired:
            firing = await info.context.control.fire_trigger(
                id, payload, attributes=_texts(attributes), key=key_of(key)
            )
            return TriggerFired(firing=Firing.of(firing))

        return await attempted(fired())

    @resolved("Try a firing again that is dead, or was dropped or skipped.")
    async def replay_firing(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="The firing.")],
    ) -> FireTriggerResult:
        async def replayed() -> TriggerFired:
            return TriggerFired(firing=Firing.of(await info.context.control.replay_firing(id)))

        return await attempted(replayed())

    @resolved("Fire it once for each of its due times in a range, 1,000 at most; again: no more.")
    async def backfill_schedule(
        self,
        info: Of,
        id: Id,
        start: Annotated[Time, strawberry.argument(description="The first time of the range.")],
        end: Annotated[Time, strawberry.argument(description="The last; it has passed.")],
    ) -> BackfillScheduleResult:
        async def filled() -> ScheduleBackfilled:
            control = info.context.control
            found = await control.backfill(id, _given("start", start), _given("end", end))
            shown = [Firing.of(each) for each in found[:FIRINGS]]
            return ScheduleBackfilled(count=len(found), firings=shown)

        return await attempted(filled())


def _texts(given: Any) -> Mapping[str, str] | None:
    if given is None:
        return None
    fits = isinstance(given, Mapping) and all(isinstance(text, str) for text in given.values())
    if not fits or len(given) > _ATTRIBUTES:
        raise InvalidInput(f"`attributes` is a JSON object of text, of {_ATTRIBUTES} at most")
    return given  # type: ignore[no-any-return]


def _given(name: str, text: str) -> datetime:
    try:
        return datetime.fromtimestamp(parse_time(text), UTC)
    except ValueError as error:
        raise InvalidInput(f"`{name}`: {error}") from error
