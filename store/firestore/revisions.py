"""Documents that are replaced by whoever knows their last revision, and is first."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from .database import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .database import Database


async def put(
    database: Database, place: Any, fields: Mapping[str, Any], revision: int, what: str
) -> bool:
    """Create the document (revision 0), or replace that of the revision before."""
    written = secrets.token_hex(8)  # tells this write from one of somebody else that is like it
    kept = {**fields, "revision": revision, "written": written}
    batch = database.batch()
    if revision == 0:
        batch.create(place, kept)
    else:
        (found,) = await database.get(place, only=["revision"])
        if found is None or found["revision"] != revision - 1:
            return False
        batch.update(place, kept, found.time)
    try:
        await database.commit(batch, what)
    except Conflict as conflict:
        if not conflict.unsure:
            return False
        (found,) = await database.get(place, only=["written"])
        return found is not None and bool(found["written"] == written)
    return True
