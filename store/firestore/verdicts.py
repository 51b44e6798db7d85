"""What was said of agents' answers. What the functions promise stands in the `Verdicts` port."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...graphs.verdicts import Verdict
from ..records import fetch_size, page, revive
from . import names
from .database import where
from .values import number, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphs.stored import Page
    from .database import Batch, Database, Found
    from .names import Clock

_NEWEST = 2**63 - 1
_AT_ONCE = 500


def fields(verdict: Verdict, said: int) -> dict[str, Any]:
    """`said` is its number, in order of time. Raises `StoreError`."""
    number = names.digits(said)
    return {
        "name": names.name(verdict.id),
        "said": said,
        "at": verdict.at,
        "of_workflow": names.spread(verdict.workflow, number),
        "of_step": names.spread(_both(verdict.workflow, verdict.step), number),
        "document": pack(asdict(verdict), f"The verdict {verdict.id}"),
    }


def put(database: Database, batch: Batch, fields: Mapping[str, Any]) -> None:
    kept = {name: value for name, value in fields.items() if name != "name"}
    batch.put(database.at(names.VERDICTS, fields["name"]), kept)


async def judge(database: Database, clock: Clock, verdict: Verdict) -> None:
    batch = database.batch()
    put(database, batch, fields(verdict, clock.next()))
    await database.commit(batch, f"The verdict {verdict.id}")


async def listing(
    database: Database, workflow: str | None, step: str | None, after: str | None, limit: int
) -> Page[Verdict]:
    size, below = fetch_size(limit), number(after, _NEWEST)
    query = database.all(names.VERDICTS)
    if workflow is None:
        query = where(query, "said", "<", below).order_by("said", direction="DESCENDING")
    else:
        field, of = "of_workflow", workflow
        if step is not None:
            field, of = "of_step", _both(workflow, step)
        query = where(query, field, ">=", names.spread(of, ""))
        query = where(query, field, "<", names.spread(of, names.digits(below)))
        query = query.order_by(field, direction="DESCENDING")
    rows = await database.find(query.limit(size))
    return page(rows, limit, lambda row: row["said"], _parse)


async def forget(database: Database, before: str) -> int:
    query = where(database.all(names.VERDICTS), "at", "<", before).order_by("at").select([])
    forgotten = 0
    while found := await database.find(query.limit(_AT_ONCE)):
        await database.clear([database.at(names.VERDICTS, each.id) for each in found])
        forgotten += len(found)
    return forgotten


def _both(workflow: str, step: str) -> str:
    return f"{workflow}\0{step}"


def _parse(found: Found) -> Verdict:
    data = unpack(found["document"], f"The verdict {found.id}")
    return revive(lambda: Verdict.from_dict(data), f"The verdict {found.id}")
