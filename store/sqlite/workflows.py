"""Registered workflow versions. What the functions promise stands in the `Store` port."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput, WorkflowConflict, WorkflowNotFound
from ...graphs.execution import timestamp
from ...graphs.stored import Page, WorkflowInfo
from ..records import OPEN, decode, encode, fetch_size, page

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from ...graphs.workflow import Workflow

_CURSOR = re.compile(r"(.*):([0-9]{1,18})", re.DOTALL)


def register(connection: sqlite3.Connection, workflow: Workflow) -> None:
    name, version, digest = workflow.name, workflow.version, workflow.digest
    inserted = connection.execute(
        "INSERT INTO workflows (name, version, digest, description, document, registered_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name, version) DO NOTHING",
        (
            name,
            version,
            digest,
            workflow.description,
            encode(workflow.document, f"Workflow {name} {version}"),
            timestamp(),
        ),
    ).rowcount
    if inserted:
        return
    (kept,) = connection.execute(
        "SELECT digest FROM workflows WHERE name = ? AND version = ?", (name, version)
    ).fetchone()
    if kept != digest:
        raise WorkflowConflict(
            f"Workflow {name} version {version} is registered with other content; "
            "a registered version never changes: give the new content another version."
        )


def keep(connection: sqlite3.Connection, workflow: Workflow) -> None:
    connection.execute(
        "INSERT INTO definitions (digest, document) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (workflow.digest, encode(workflow.document, f"Workflow {workflow.name}")),
    )


def document(connection: sqlite3.Connection, name: str, version: str | None) -> Mapping[str, Any]:
    row = connection.execute(
        "SELECT document FROM workflows WHERE name = ? AND version = ifnull(?, version)"
        " ORDER BY key DESC LIMIT 1",
        (name, version),
    ).fetchone()
    if row is None:
        raise _not_found(connection, name, version)
    return _parse(row[0], f"Workflow {name}")


def document_by_digest(connection: sqlite3.Connection, digest: str) -> Mapping[str, Any]:
    row = connection.execute(
        "SELECT document FROM workflows WHERE digest = :digest"
        " UNION ALL SELECT document FROM definitions WHERE digest = :digest LIMIT 1",
        {"digest": digest},
    ).fetchone()
    if row is None:
        raise WorkflowNotFound(
            f"No workflow with digest {digest!r} is kept; register that content again."
        )
    return _parse(row[0], f"The workflow with digest {digest}")


def listing(
    connection: sqlite3.Connection, name: str | None, after: str | None, limit: int
) -> Page[WorkflowInfo]:
    where, place = "" if name is None else "WHERE name = :name", dict[str, Any](name=name)
    if after is not None:
        cursor = _CURSOR.fullmatch(after)
        if cursor is None:
            raise InvalidInput(f"{after!r} is no cursor of this listing; begin without one.")
        if name is None:
            where = "WHERE name > :name OR (name = :name AND key < :key)"
        else:
            where += " AND key < :key"
        place = {"name": name or cursor[1], "key": int(cursor[2])}
    rows = connection.execute(
        "SELECT key, name, version, digest, description, registered_at FROM workflows"
        f" {where} ORDER BY name, key DESC LIMIT {fetch_size(limit)}",
        place,
    ).fetchall()
    return page(rows, limit, lambda row: f"{row[1]}:{row[0]}", lambda row: WorkflowInfo(*row[1:]))


def of(connection: sqlite3.Connection, named: Sequence[tuple[str, str]]) -> Sequence[WorkflowInfo]:
    rows = connection.execute(
        "SELECT name, version, digest, description, registered_at FROM workflows"
        " WHERE (name, version) IN (SELECT json_extract(value, '$[0]'),"
        " json_extract(value, '$[1]') FROM json_each(?))",
        (encode([list(each) for each in named], "A list of names"),),
    )
    return [WorkflowInfo(*row) for row in rows]


def delete(connection: sqlite3.Connection, name: str, version: str | None) -> int:
    return connection.execute(
        "DELETE FROM workflows WHERE name = ? AND version = ifnull(?, version)"
        f" AND digest NOT IN (SELECT digest FROM executions WHERE status IN ({OPEN}))"
        " AND digest NOT IN (SELECT value FROM executions, json_each(given, '$.pins')"
        f" WHERE status IN ({OPEN}))",
        (name, version),
    ).rowcount


def _parse(text: str, what: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = decode(text, what)
    return found


def _not_found(connection: sqlite3.Connection, name: str, version: str | None) -> WorkflowNotFound:
    rows = connection.execute(
        "SELECT version FROM workflows WHERE name = ? ORDER BY key DESC LIMIT 5", (name,)
    )
    versions = ", ".join(row[0] for row in rows)
    if versions:
        return WorkflowNotFound(
            f"Workflow {name} has no version {version!r}; its latest versions are: {versions}."
        )
    return WorkflowNotFound.named(name)
