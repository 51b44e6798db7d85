"""`/v1/triggers`, `/v1/firings`, `/v1/schedules`: what starts executions, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from ....graphs.firing import Firing, FiringStatus, Trigger
from ....graphs.units import format_moment
from ..shapes import Listed
from ..trigger_shapes import Due, Fired, Firings, NewTrigger, Schedule, Starter, Switch
from .answers import TAGGED, After, Asking, JsonRoute, Limit, describes, tagged

router = APIRouter(tags=["triggers"], route_class=JsonRoute)

_SLUG = "[a-z0-9]+(?:[-_.][a-z0-9]+)*"
TriggerId = Annotated[
    str,
    Path(
        max_length=210, pattern=rf"^{_SLUG}\.[A-Za-z_][A-Za-z0-9_-]*$", description="Of a trigger."
    ),
]
FiringId = Annotated[str, Path(pattern="^f[0-9a-f]{31}$", description="Of a firing.")]
Workflow = Annotated[str | None, Query(max_length=100)]


@router.get("/triggers", response_model=Listed[Starter])
async def list_triggers(
    control: Asking,
    workflow: Workflow = None,
    type: Annotated[str | None, Query(max_length=100)] = None,
    after: After = None,
    limit: Limit = 50,
) -> Listed[Starter]:
    """Triggers by id; of one workflow, or of one type."""
    page = await control.triggers(workflow=workflow, type=type, after=after, limit=limit)
    return Listed(items=[_trigger(each) for each in page.items], next=page.cursor)


@router.post(
    "/triggers",
    status_code=201,
    response_model=Starter,
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **describes(404, 409),
    },
)
async def create_trigger(control: Asking, new: NewTrigger, response: Response) -> Starter:
    """One beside those of the definition; it is checked as those are."""
    made = await control.create_trigger(new.workflow, new.trigger, version=new.version)
    response.headers["Location"] = f"/v1/triggers/{made.id}"
    return _trigger(made)


@router.get("/triggers/{id}", response_model=Starter, responses={**TAGGED, **describes(404)})
async def get_trigger(control: Asking, request: Request, id: TriggerId) -> Response:
    """One trigger."""
    return tagged(request, _trigger(await control.trigger(id)))


@router.patch("/triggers/{id}", response_model=Starter, responses=describes(404))
async def switch_trigger(control: Asking, id: TriggerId, switch: Switch) -> Starter:
    """Switch it on or off; what the clock missed while it was off is not made up for."""
    return _trigger(await control.set_trigger_enabled(id, switch.enabled))


@router.delete("/triggers/{id}", status_code=204, responses=describes(404, 409))
async def delete_trigger(control: Asking, id: TriggerId) -> None:
    """Forget it, unless it is of a definition; its firings stay."""
    await control.delete_trigger(id)


@router.post(
    "/triggers/{id}/fire",
    status_code=202,
    response_model=Fired,
    responses=describes(404, 409),
)
async def fire_trigger(
    control: Asking,
    id: TriggerId,
    given: Firings,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Fired:
    """Fire it by hand. Answered when the firing is durable; the same key again is the same one."""
    firing = await control.fire_trigger(
        id, given.payload, attributes=given.attributes, key=idempotency_key
    )
    return _firing(firing)


@router.get("/firings", response_model=Listed[Fired])
async def list_firings(
    control: Asking,
    trigger: Annotated[str | None, Query(max_length=210)] = None,
    status: FiringStatus | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Listed[Fired]:
    """What came of each time that a trigger fired, newest first."""
    page = await control.firings(trigger=trigger, status=status, after=after, limit=limit)
    return Listed(items=[_firing(each) for each in page.items], next=page.cursor)


@router.get("/firings/{id}", response_model=Fired, responses=describes(404))
async def get_firing(control: Asking, id: FiringId) -> Fired:
    """What came of one time that a trigger fired."""
    return _firing(await control.firing(id))


@router.post(
    "/firings/{id}/replay",
    status_code=202,
    response_model=Fired,
    responses=describes(404, 409),
)
async def replay_firing(control: Asking, id: FiringId) -> Fired:
    """Try again what is dead, or was dropped or skipped."""
    return _firing(await control.replay_firing(id))


@router.get("/schedules", response_model=Listed[Schedule])
async def list_schedules(
    control: Asking,
    count: Annotated[int, Query(ge=1, le=100, description="Due times to tell of each.")] = 5,
    after: After = None,
    limit: Limit = 50,
) -> Listed[Schedule]:
    """Triggers that the clock fires, and when they are due next."""
    page = await control.schedules(count=count, after=after, limit=limit)
    items = [
        Schedule(
            **_trigger(each.trigger).model_dump(),
            next=[format_moment(due) for due in each.next],
            says=each.says,
        )
        for each in page.items
    ]
    return Listed(items=items, next=page.cursor)


@router.post(
    "/schedules/{id}/backfill",
    status_code=202,
    response_model=list[Fired],
    responses=describes(404, 409),
)
async def backfill_schedule(control: Asking, id: TriggerId, due: Due) -> list[Fired]:
    """Fire it once for each of its due times in a range, 1,000 at most; again: nothing more."""
    return [_firing(each) for each in await control.backfill(id, due.start, due.end)]


def _trigger(trigger: Trigger) -> Starter:
    told = asdict(trigger)
    told["next_at"] = None if trigger.next_at is None else format_moment(trigger.next_at)
    return Starter.model_validate({**told, "reason": trigger.reason}, extra="ignore")


def _firing(firing: Firing) -> Fired:
    return Fired.model_validate(asdict(firing), extra="ignore")
