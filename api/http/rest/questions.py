"""`/v1/questions` and `/v1/events`: what executions wait for, and what they are told."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from ....graphs.question import Question
from ..shapes import Answering, Asked, Listed, Sending, Sent
from .answers import TAGGED, After, Asking, JsonRoute, Limit, describes, tagged

router = APIRouter(route_class=JsonRoute)

Asks = Annotated[str, Path(pattern="^q[0-9a-f]{19}$", description="Of a question.")]


@router.get(
    "/questions", tags=["questions"], response_model=Listed[Asked], responses=describes(404)
)
async def list_questions(
    control: Asking,
    execution: Annotated[str | None, Query(max_length=100)] = None,
    status: Literal["open", "answered", "withdrawn", "any"] = "open",
    after: After = None,
    limit: Limit = 50,
) -> Listed[Asked]:
    """What executions wait for, oldest first."""
    wanted = None if status == "any" else status
    page = await control.questions(execution_id=execution, status=wanted, after=after, limit=limit)
    return Listed(items=[_asked(each) for each in page.items], next=page.cursor)


@router.get(
    "/questions/{id}",
    tags=["questions"],
    response_model=Asked,
    responses={**TAGGED, **describes(404)},
)
async def get_question(control: Asking, request: Request, id: Asks) -> Response:
    """One question, also when it is answered."""
    return tagged(request, _asked(await control.question(id)))


@router.post(
    "/questions/{id}/answer",
    tags=["questions"],
    response_model=Asked,
    responses=describes(404, 409),
)
async def answer_question(control: Asking, id: Asks, answer: Answering) -> Asked:
    """Answer as whoever asks; the same answer again changes nothing."""
    return _asked(
        await control.answer(id, answer.value, approved=answer.approved, comment=answer.comment)
    )


@router.post("/events", tags=["events"], response_model=Sent)
async def send_event(control: Asking, event: Sending) -> Sent:
    """Tell every execution that waits for it, or begins to wait later."""
    told = await control.send_event(event.name, event.payload, key=event.key, id=event.id)
    return Sent(told=list(told))


def _asked(question: Question) -> Asked:
    return Asked.model_validate(question.to_dict())
