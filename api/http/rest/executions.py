"""`/v1/executions`: begin, read, steer and begin again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from ....graphs.execution import Execution, Status
from ....graphs.forking import describe
from .. import sse
from ..shapes import Again, ForkPlan, Happened, Listed, Retry, Row, Start, State, StepState, Stop
from ..shapes import Fork as Forking
from .answers import TAGGED, After, Asking, Id, JsonRoute, Limit, describes, tagged

router = APIRouter(prefix="/executions", tags=["executions"], route_class=JsonRoute)

_BEGUN = {
    201: {"headers": {"Location": {"schema": {"type": "string"}}}},
    **describes(404, 409),
}
_KEY = Header(
    pattern=r"^[\x21-\x7e]{1,200}$",
    description="The same key with the same body begins nothing again for a day.",
)


@router.post("", status_code=201, response_model=Row, responses=_BEGUN)
async def start_execution(
    control: Asking,
    start: Start,
    response: Response,
    idempotency_key: Annotated[str | None, _KEY] = None,
) -> Row:
    """Begin an execution of a registered workflow; it is durable when this is answered."""
    begun = await control.start_once(
        idempotency_key,
        start.workflow,
        start.inputs,
        version=start.version,
        priority=start.priority,
    )
    if begun.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return _begun(begun.execution, response)


@router.get("", response_model=Listed[Row])
async def list_executions(
    control: Asking,
    workflow: Annotated[str | None, Query(max_length=100)] = None,
    status: Status | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Listed[Row]:
    """Executions, newest first, without their steps."""
    page = await control.executions(workflow=workflow, status=status, after=after, limit=limit)
    return Listed(items=[_row(each) for each in page.items], next=page.cursor)


@router.get("/{id}", response_model=State, responses={**TAGGED, **describes(404)})
async def get_execution(control: Asking, request: Request, id: Id) -> Response:
    """One execution with its steps."""
    return tagged(request, _state(await control.execution(id)))


@router.get("/{id}/steps", response_model=dict[str, StepState], responses=describes(404))
async def get_steps(control: Asking, id: Id) -> dict[str, StepState]:
    """What came of each step so far, by path."""
    return _state(await control.execution(id)).steps


@router.get(
    "/{id}/events",
    response_model=Listed[Happened],
    responses={
        200: {"content": sse.DESCRIBED},
        204: {"description": "As a stream: it has ended, and all of it was told."},
        **describes(404),
    },
)
async def list_events(
    control: Asking,
    request: Request,
    id: Id,
    after: Annotated[int, Query(ge=0, lt=2**63, description="The `seq` of the last one seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Listed[Happened] | Response:
    """Events that are kept, in order; those of this execution that are still to come are on the
    next page, or in the stream: accept `text/event-stream`."""
    if sse.wants_stream(request):
        return await sse.of_execution(request, id, after)
    items: list[Happened] = []
    async for event in await control.events(id, after=after):
        if len(items) == limit:
            return Listed(items=items, next=str(items[-1].seq))
        items.append(Happened.model_validate(event.to_dict()))
    return Listed(items=items, next=None)


@router.post("/{id}/stop", response_model=State, responses=describes(404, 409))
async def stop_execution(control: Asking, id: Id, stop: Stop | None = None) -> State:
    """Stop an execution, wherever it runs; answered when nothing of it does any more."""
    return _state(await control.stop(id, "" if stop is None else stop.reason))


@router.post("/{id}/pause", response_model=Row, responses=describes(404, 409))
async def pause_execution(control: Asking, id: Id) -> Row:
    """Let the steps that run end, and begin no other."""
    return _row(await control.pause(id))


@router.post("/{id}/resume", response_model=Row, responses=describes(404, 409))
async def resume_execution(control: Asking, id: Id) -> Row:
    """Go on after a pause or a crash."""
    return _row(await control.resume(id))


@router.post("/{id}/retry", status_code=201, response_model=Row, responses=_BEGUN)
async def retry_execution(
    control: Asking, id: Id, response: Response, retry: Retry | None = None
) -> Row:
    """Begin a new execution where one that has ended failed, or at a step of it."""
    path = None if retry is None else retry.path
    return _begun(await control.retry(id, path), response)


@router.post("/{id}/fork", status_code=201, response_model=Row, responses=_BEGUN)
async def fork_execution(control: Asking, id: Id, fork: Forking, response: Response) -> Row:
    """Begin a new execution from a step of another, which goes on as it is."""
    return _begun(await control.fork(id, fork.path, fork.inputs), response)


@router.get("/{id}/fork", response_model=ForkPlan, responses=describes(404, 409))
async def plan_fork(
    control: Asking,
    id: Id,
    path: Annotated[
        str | None,
        Query(min_length=1, max_length=1000, description="Absent: where it failed."),
    ] = None,
) -> ForkPlan:
    """What a retry or a fork would keep and run again; nothing is begun."""
    plan = await control.plan_fork(id, path)
    return ForkPlan(
        kept=plan.kept_count,
        begins=list(plan.begins),
        again=[Again.model_validate(asdict(each)) for each in plan.again],
        says=list(describe(plan)),
    )


@router.delete("/{id}", status_code=204, responses=describes(404, 409))
async def delete_execution(control: Asking, id: Id) -> None:
    """Forget an execution that has ended."""
    await control.delete(id)


def _row(execution: Execution) -> Row:
    data = execution.to_dict()
    del data["steps"]
    return Row.model_validate(data)


def _state(execution: Execution) -> State:
    return State.model_validate(execution.to_dict())


def _begun(execution: Execution, response: Response) -> Row:
    response.headers["Location"] = f"/v1/executions/{execution.id}"
    return _row(execution)
