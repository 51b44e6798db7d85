"""`POST /hooks/…`: requests of others that fire a trigger. Their signature is their credential."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from ...graphs.execution import Status
from ...graphs.firing import FiringStatus
from ...triggers.webhooks.delivery import Delivery
from ...triggers.webhooks.receiving import Receipt, Receiver
from .asking import Desk, desk
from .shapes import ID, Json

router = APIRouter(prefix="/hooks", tags=["webhooks"])

TriggerId = Annotated[
    str, Path(min_length=1, max_length=250, description="`WORKFLOW.ID` of a webhook trigger.")
]
TenantName = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]


class HookLinks(BaseModel):
    execution: str = Field(description="Where the execution is.", examples=[f"/v1/executions/{ID}"])


class HookOutcome(BaseModel):
    """What came of the execution; with `reply` in the trigger, when it ended in time."""

    status: Status
    outputs: dict[str, Json]
    error: dict[str, Json] | None


class Received(BaseModel):
    """A delivery that is durable. The same one again is answered with the same firing."""

    firing_id: str
    execution_id: str = Field(description="Of the execution that it begins, or has begun.")
    status: FiringStatus
    reason: str = Field(description="Why nothing begins, when nothing does.")
    execution: HookOutcome | None = None
    links: HookLinks


_EXAMPLE = {
    "firing_id": "f0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5",
    "execution_id": ID,
    "status": "pending",
    "reason": "",
    "execution": None,
    "links": {"execution": f"/v1/executions/{ID}"},
}
_OUTCOME = {"status": "completed", "outputs": {"hi": "Ann"}, "error": None}
_SHAPE = {"$ref": "#/components/schemas/Received"}
_TAKES: dict[str, Any] = {
    "security": [{}],
    "requestBody": {
        "description": "JSON, a form, text, or a CloudEvent.",
        "content": {
            "application/json": {"schema": {}, "example": {"action": "opened"}},
            "text/plain": {"schema": {"type": "string"}, "example": "hello"},
        },
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "It is durable and has come to its end; or an answer to a sender who only "
        "tries whether somebody is there.",
        "content": {
            "application/json": {
                "schema": {"anyOf": [_SHAPE, {"type": "object"}]},
                "example": {**_EXAMPLE, "status": "started", "execution": _OUTCOME},
            }
        },
    },
    202: {
        "description": "It is durable.",
        "headers": {"Location": {"schema": {"type": "string"}}},
        "content": {"application/json": {"example": _EXAMPLE}},
    },
}


@router.post(
    "/{trigger}",
    status_code=202,
    response_model=Received,
    responses=_ANSWERS,
    openapi_extra=_TAKES,
)
async def receive_webhook(request: Request, trigger: TriggerId) -> Response:
    """Fire a webhook trigger. No key is needed: the trigger's `verify` says what is."""
    return await _received(request, "", trigger)


@router.post(
    "/{tenant}/{trigger}",
    status_code=202,
    response_model=Received,
    responses=_ANSWERS,
    openapi_extra=_TAKES,
)
async def receive_webhook_of_tenant(
    request: Request, tenant: TenantName, trigger: TriggerId
) -> Response:
    """Fire a webhook trigger of a tenant."""
    return await _received(request, tenant, trigger)


async def _received(request: Request, tenant: str, trigger: str) -> Response:
    here: Desk = desk(request)
    known = tenant in here.tenants.names
    receiver = Receiver(here.tenants.app(tenant if known else "").triggers.desk)

    async def admit() -> None:
        await here.pace.hook(request, tenant, trigger)

    # No trigger has an empty id: a tenant there is none of is looked for like all others.
    receipt = await receiver.receive(trigger if known else "", await _delivery(request), admit)
    return JSONResponse(receipt.answer) if receipt.answer is not None else _answer(receipt)


async def _delivery(request: Request) -> Delivery:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        # Of two signatures neither is right.
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Delivery(await request.body(), headers, request.query_params.multi_items())


def _answer(receipt: Receipt) -> Response:
    firing, execution = receipt.firing, receipt.execution
    assert firing is not None
    where = f"/v1/executions/{firing.execution_id}"
    body = Received(
        firing_id=firing.id,
        execution_id=firing.execution_id,
        status=firing.status,
        reason=firing.reason,
        execution=None
        if execution is None
        else HookOutcome.model_validate(
            {name: execution.to_dict()[name] for name in ("status", "outputs", "error")}
        ),
        links=HookLinks(execution=where),
    )
    status = 200 if receipt.over else 202
    return JSONResponse(body.model_dump(mode="json"), status, {"Location": where})
