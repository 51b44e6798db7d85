"""`/v1/keys`, `/v1/audit`, `/v1/stats`: who may ask, who did what, how it goes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from ....graphs.stored import Principal
from ...access import most
from ..shapes import Audited, Figures, Holder, Issued, Listed, NewKey
from .answers import After, Asking, JsonRoute, Limit

router = APIRouter(route_class=JsonRoute)


@router.get("/keys", tags=["keys"], response_model=Listed[Holder])
async def list_keys(control: Asking, after: After = None, limit: Limit = 50) -> Listed[Holder]:
    """Every key there is, without its secret."""
    page = await control.keys(after=after, limit=limit)
    return Listed(items=[_holder(each) for each in page.items], next=page.cursor)


@router.post("/keys", tags=["keys"], status_code=201, response_model=Issued)
async def create_key(control: Asking, key: NewKey) -> Issued:
    """A new key; its secret is told this one time."""
    lasts = None if key.expires_in is None else timedelta(seconds=key.expires_in)
    issued = await control.create_key(key.name, key.role, key.scopes, lasts, key.profile or "")
    return Issued(**_holder(issued.principal).model_dump(), secret=issued.secret)


@router.delete("/keys/{id}", tags=["keys"], status_code=204)
async def revoke_key(
    control: Asking, id: Annotated[str, Path(min_length=1, max_length=100)]
) -> None:
    """From now on nobody is let in with it; one that is not there changes nothing."""
    await control.revoke_key(id)


@router.get("/audit", tags=["audit"], response_model=Listed[Audited])
async def list_audit(
    control: Asking,
    target: Annotated[str | None, Query(max_length=1000)] = None,
    after: After = None,
    limit: Limit = 50,
) -> Listed[Audited]:
    """Who changed what, or was not allowed to, newest first."""
    page = await control.audit(target=target, after=after, limit=limit)
    items = [Audited.model_validate(asdict(each)) for each in page.items]
    return Listed(items=items, next=page.cursor)


@router.get("/stats", tags=["stats"], response_model=Figures)
async def get_stats(control: Asking) -> Figures:
    """What the process that answers does."""
    return Figures.model_validate(control.stats()._asdict())


def _holder(principal: Principal) -> Holder:
    found = {**asdict(principal), "scopes": list(principal.scopes), "profile": most(principal)}
    return Holder.model_validate(found)
