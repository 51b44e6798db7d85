"""What agents remember: whose it is, and forgetting it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from ..shapes import Deleted, Listed, Memory
from .answers import After, Asking, JsonRoute, Limit

router = APIRouter(prefix="/memories", tags=["memories"], route_class=JsonRoute)


@router.get("", response_model=Listed[Memory])
async def list_memories(
    control: Asking,
    workflow: Annotated[str | None, Query(max_length=1000)] = None,
    after: After = None,
    limit: Limit = 50,
) -> Listed[Memory]:
    """Of which keys agents remember something, by workflow."""
    page = await control.memories(workflow, after=after, limit=limit)
    items = [Memory.model_validate(each, from_attributes=True) for each in page.items]
    return Listed(items=items, next=page.cursor)


@router.delete("/{workflow}", response_model=Deleted)
async def forget_memory(
    control: Asking,
    workflow: Annotated[str, Path(max_length=1000)],
    key: Annotated[str, Query(min_length=1, max_length=10_000)],
) -> Deleted:
    """Forget the conversation and the facts under a key; how many turns and facts there were."""
    return Deleted(deleted=await control.forget_memory(workflow, key))
