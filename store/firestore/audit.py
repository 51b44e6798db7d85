"""Who did what. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import TYPE_CHECKING

from ...graphs.stored import AuditEntry
from ..records import fetch_size, page
from . import names
from .database import where
from .values import number, pack, unpack

if TYPE_CHECKING:
    from ...graphs.stored import Page
    from .database import Database, Found
    from .names import Clock

_NEWEST = 2**63 - 1


async def record(database: Database, clock: Clock, entry: AuditEntry) -> None:
    what = f"The audit of {entry.action} by {entry.principal}"
    made = clock.next()
    told = {each.name: getattr(entry, each.name) for each in fields_of(entry)}
    line = names.spread(entry.target, names.digits(made))
    fields = {"line": line, "made": made, "document": pack(told, what)}
    batch = database.batch()
    batch.put(database.at(names.AUDIT, line.replace("/", "-")), fields)
    await database.commit(batch, what)


async def listing(
    database: Database, target: str | None, after: str | None, limit: int
) -> Page[AuditEntry]:
    size, below = fetch_size(limit), number(after, _NEWEST)
    query = database.all(names.AUDIT)
    if target is None:
        query = where(query, "made", "<", below).order_by("made", direction="DESCENDING")
    else:
        query = where(query, "line", ">=", names.spread(target, ""))
        query = where(query, "line", "<", names.spread(target, names.digits(below)))
        query = query.order_by("line", direction="DESCENDING")
    rows = await database.find(query.limit(size))
    return page(rows, limit, lambda row: row["made"], _parse)


def _parse(found: Found) -> AuditEntry:
    data = unpack(found["document"], f"Audit entry {found.id}")
    return AuditEntry(**{**data, "id": found["made"]})
