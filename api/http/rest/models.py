"""How models fare, and what people say of their answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from ..shapes import Feedback, ModelFigures, Said
from .answers import Asking, Id, JsonRoute, describes

router = APIRouter(route_class=JsonRoute)


@router.post(
    "/executions/{id}/feedback",
    tags=["models"],
    response_model=Said,
    responses=describes(404, 409),
)
async def record_feedback(control: Asking, id: Id, said: Feedback) -> Said:
    """Say whether the answer of a step's model was good; said again, it replaces what you said."""
    verdict = await control.record_feedback(id, said.path, passed=said.passed, comment=said.comment)
    return Said.model_validate(asdict(verdict))


@router.get("/models/stats", tags=["models"], response_model=list[ModelFigures])
async def list_model_stats(
    control: Asking,
    workflow: Annotated[str | None, Query(max_length=1000)] = None,
    step: Annotated[str | None, Query(max_length=1000)] = None,
) -> list[ModelFigures]:
    """How models fare, by the newest 1,000 verdicts on their answers."""
    found = await control.model_stats(workflow, step)
    return [ModelFigures.model_validate(asdict(each)) for each in found]
