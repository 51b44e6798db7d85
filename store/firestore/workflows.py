"""Registered workflow versions. What the functions promise stands in the `Store` port."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput, WorkflowConflict, WorkflowNotFound
from ...graphs.execution import timestamp
from ...graphs.stored import Page, WorkflowInfo
from ..records import fetch_size, page
from . import names
from .database import Conflict, begins, where
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphs.workflow import Workflow
    from .database import Database, Found
    from .names import Clock

_CURSOR = re.compile(r"(.*):([0-9]{1,19})", re.DOTALL)
_NEWEST = 2**63
_INFO = ["name", "version", "digest", "description", "registered_at", "registered"]


async def register(database: Database, clock: Clock, workflow: Workflow) -> None:
    name, version, digest = workflow.name, workflow.version, workflow.digest
    registered = clock.next()
    fields = {
        "name": name,
        "version": version,
        "digest": digest,
        "description": workflow.description,
        "registered_at": timestamp(),
        "registered": registered,
        "line": _line(name, registered),
        "document": pack(workflow.document, f"Workflow {name} {version}"),
    }
    batch = database.batch()
    place = database.at(names.WORKFLOWS, _id(name, version))
    batch.create(place, fields)
    try:
        await database.commit(batch, f"Workflow {name}")
    except Conflict:
        (kept,) = await database.get(place)
        if kept is not None and kept["digest"] != digest:
            raise WorkflowConflict(
                f"Workflow {name} version {version} is registered with other content; "
                "a registered version never changes: give the new content another version."
            ) from None


async def keep(database: Database, workflow: Workflow) -> None:
    fields = {"document": pack(workflow.document, f"Workflow {workflow.name}")}
    batch = database.batch()
    batch.put(_definition(database, workflow.digest), fields)
    await database.commit(batch, f"Workflow {workflow.name}")


async def document(database: Database, name: str, version: str | None) -> Mapping[str, Any]:
    found: Found | None
    if version is None:
        found = next(iter(await _versions(database, name, 1)), None)
    else:
        (found,) = await database.get(database.at(names.WORKFLOWS, _id(name, version)))
    if found is None:
        raise await _not_found(database, name, version)
    return _parse(found, f"Workflow {name}")


async def document_by_digest(database: Database, digest: str) -> Mapping[str, Any]:
    (found,) = await database.get(_definition(database, digest))
    if found is None:
        query = where(database.all(names.WORKFLOWS), "digest", "==", digest).limit(1)
        found = next(iter(await database.find(query)), None)
    if found is None:
        raise WorkflowNotFound(
            f"No workflow with digest {digest!r} is kept; register that content again."
        )
    return _parse(found, f"The workflow with digest {digest}")


async def listing(
    database: Database, name: str | None, after: str | None, limit: int
) -> Page[WorkflowInfo]:
    size = fetch_size(limit)
    query = database.all(names.WORKFLOWS).select([*_INFO, "line"])
    if name is None:
        query = query.order_by("line")
    else:
        query = begins(query, "line", f"{names.indexed(name)}\0")
    if after is not None:
        cursor = _CURSOR.fullmatch(after)
        if cursor is None or int(cursor[2]) > _NEWEST:
            raise InvalidInput(f"{after!r} is no cursor of this listing; begin without one.")
        query = where(query, "line", ">", _line(cursor[1], int(cursor[2])))
    rows = await database.find(query.limit(size))
    return page(rows, limit, lambda row: f"{row['name']}:{row['registered']}", _info)


async def of(database: Database, named: Sequence[tuple[str, str]]) -> Sequence[WorkflowInfo]:
    places = [database.at(names.WORKFLOWS, _id(*each)) for each in dict.fromkeys(named)]
    return [_info(each) for each in await database.get(*places, only=_INFO) if each is not None]


async def delete(database: Database, name: str, version: str | None) -> int:
    if version is None:
        found = await _versions(database, name)
    else:
        found = [
            each
            for each in await database.get(database.at(names.WORKFLOWS, _id(name, version)))
            if each is not None
        ]
    free = []
    for each in found:
        pinned = where(database.all(names.EXECUTIONS), "pinned", "array_contains", each["digest"])
        if not await database.find(pinned.select([]).limit(1)):
            free.append(database.at(names.WORKFLOWS, each.id))
    await database.clear(free)
    return len(free)


async def _versions(database: Database, name: str, limit: int = 10_000) -> list[Found]:
    """Newest first."""
    query = begins(database.all(names.WORKFLOWS), "line", f"{names.indexed(name)}\0")
    return await database.find(query.limit(limit))


def _id(name: str, version: str) -> str:
    return names.name(f"{name}\0{version}")


def _line(name: str, registered: int) -> str:
    """Sorts by name, then newest first."""
    return f"{names.indexed(name)}\0{names.digits(_NEWEST - registered)}"


def _definition(database: Database, digest: str) -> Any:
    return database.at(names.DEFINITIONS, names.name(digest))


def _info(row: Found) -> WorkflowInfo:
    return WorkflowInfo(
        row["name"], row["version"], row["digest"], row.get("description"), row["registered_at"]
    )


def _parse(found: Found, what: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = unpack(found["document"], what)
    return document


async def _not_found(database: Database, name: str, version: str | None) -> WorkflowNotFound:
    versions = ", ".join(row["version"] for row in await _versions(database, name, 5))
    if versions:
        return WorkflowNotFound(
            f"Workflow {name} has no version {version!r}; its latest versions are: {versions}."
        )
    return WorkflowNotFound.named(name)
