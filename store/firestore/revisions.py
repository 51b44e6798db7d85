"""Documents that are replaced by whoever knows their last revision, and is first."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from .database import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .database import Database, Found

_LATEST = 10_000
"""Documents of which it is known when they were last changed: replacing one reads nothing."""


class Revisions:
    """What this process has seen of such documents."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[str, tuple[int, Any]] = {}

    def saw(self, place: Any, found: Found) -> None:
        self._know(place, found["revision"], found.time)

    async def put(self, place: Any, fields: Mapping[str, Any], revision: int, what: str) -> bool:
        """Create the document (revision 0), or replace that of the revision before."""
        written = secrets.token_hex(8)  # tells this write from one of somebody else that is like it
        kept = {**fields, "revision": revision, "written": written}
        batch = self._database.batch()
        if revision == 0:
            batch.create(place, kept)
        else:
            time = await self._time_of(place, revision - 1)
            if time is None:
                return False
            batch.update(place, kept, time)
        try:
            (time,) = await self._database.commit(batch, what)
        except Conflict as conflict:
            self._seen.pop(place.path, None)
            if not conflict.unsure:
                return False
            (found,) = await self._database.get(place, only=["written"])
            return found is not None and bool(found["written"] == written)
        self._know(place, revision, time)
        return True

    async def _time_of(self, place: Any, revision: int) -> Any:
        """When the document was given that revision; None: it has another."""
        seen = self._seen.get(place.path)
        if seen is not None and seen[0] == revision:
            return seen[1]
        (found,) = await self._database.get(place, only=["revision"])
        return None if found is None or found["revision"] != revision else found.time

    def _know(self, place: Any, revision: int, time: Any) -> None:
        self._seen.pop(place.path, None)
        self._seen[place.path] = revision, time
        if len(self._seen) > _LATEST:
            del self._seen[next(iter(self._seen))]
