"""Files that steps kept. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...graphs.stored import ArtifactInfo
from ..records import fetch_size, page
from . import names
from .database import where
from .values import number, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphs.stored import Page
    from .database import Batch, Database, Found

_NEWEST = 2**63 - 1


def fields(artifact: ArtifactInfo, kept: int) -> dict[str, Any]:
    """`kept` is its number, in order of time. Raises `StoreError`."""
    return {
        "line": names.spread(artifact.execution_id, names.digits(kept)),
        "kept": kept,
        "document": pack(asdict(artifact), f"Artifact {artifact.name}"),
    }


def create(database: Database, batch: Batch, fields: Mapping[str, Any]) -> None:
    batch.create(database.at(names.ARTIFACTS, fields["line"].replace("/", "-")), fields)


async def listing(
    database: Database, execution_id: str | None, after: str | None, limit: int
) -> Page[ArtifactInfo]:
    size, below = fetch_size(limit), number(after, _NEWEST)
    query = database.all(names.ARTIFACTS)
    if execution_id is None:
        query = where(query, "kept", "<", below).order_by("kept", direction="DESCENDING")
    else:
        query = where(query, "line", ">=", names.spread(execution_id, ""))
        query = where(query, "line", "<", names.spread(execution_id, names.digits(below)))
        query = query.order_by("line", direction="DESCENDING")
    rows = await database.find(query.limit(size))
    return page(rows, limit, lambda row: row["kept"], _parse)


async def places(database: Database, execution_id: str) -> list[Any]:
    """Where those of an execution lie."""
    query = where(database.all(names.ARTIFACTS), "line", ">=", names.spread(execution_id, ""))
    query = where(query, "line", "<", names.spread(execution_id, names.LAST))
    found = await database.find(query.order_by("line").select([]))
    return [database.at(names.ARTIFACTS, each.id) for each in found]


def _parse(found: Found) -> ArtifactInfo:
    return ArtifactInfo(**unpack(found["document"], f"Artifact {found.id}"))
