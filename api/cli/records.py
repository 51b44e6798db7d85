"""`list status logs`: what the store remembers. Reads it directly, which needs no LangGraph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ...graphs.errors import ExecutionNotFound, InvalidInput
from ...graphs.event import Event
from ...graphs.execution import Execution, Status
from ...graphs.ports import Store
from ...store.blobs import FolderBlobs
from ...store.connect import connect
from ..settings import read_settings
from .exits import OK
from .following import LAST
from .lines import Lines
from .output import Output
from .rows import rows
from .summary import summary
from .text import duration, local_time, seconds_between
from .tree import Tree

LATEST = "latest"
"""Stands for the id of the execution that was started last."""

_POLL = 0.25
"""Seconds between looks at an execution that another process drives."""

_PAGE = 1000
_STATUSES = [s.value for s in Status if s not in (Status.SKIPPED, Status.COMPENSATED)]


async def listing(workflow: str | None, status: str | None, limit: int, *, json: bool) -> int:
    """Executions, newest first."""
    if status is not None and status not in _STATUSES:
        known = ", ".join(_STATUSES)
        raise InvalidInput(f"{status!r} is no status of an execution; there are: {known}")
    async with _store() as store:
        found = await _newest(store, workflow, status, limit)
    out = Output()
    if json:
        out.json([execution.to_dict() for execution in found])
    else:
        for line in _columns([_listed(e) for e in found]):
            out.line(line)
    return OK


async def status(execution_id: str, *, json: bool) -> int:
    """One execution with its steps. Raises `ExecutionNotFound`."""
    async with _store() as store:
        execution = await store.execution(await _id(store, execution_id))
    out = Output()
    place = FolderBlobs(read_settings().home / "blobs").path
    if json:
        out.json(execution.to_dict())
    elif out.terminal:
        from .view import draw

        draw(execution, Tree.of(execution), place)
    else:
        for line in _plain(execution):
            out.line(line)
        for said in summary(execution, place):
            out.line(said.text)
    return OK


async def logs(execution_id: str, *, json: bool, follow: bool) -> int:
    """The events of an execution; `follow` goes on until it ends. Raises `ExecutionNotFound`."""
    out, lines = Output(), Lines(date=True)
    async with _store() as store:
        async for event in _events(store, await _id(store, execution_id), follow):
            if json:
                out.json(event.to_dict(), indent=False)
                continue
            for line in lines.of(event):
                out.line(line)
            if out.gone:
                break
    return OK


async def _events(store: Store, execution_id: str, follow: bool) -> AsyncIterator[Event]:
    seen = 0
    while True:
        page = await store.events(execution_id, after=seen)
        for event in page.items:
            yield event
            seen = event.seq
            if event.type in LAST:
                return
        if page.cursor is None:
            if not follow:
                return
            await asyncio.sleep(_POLL)


async def _newest(
    store: Store, workflow: str | None, status: str | None, limit: int
) -> list[Execution]:
    found: list[Execution] = []
    after: str | None = None
    while len(found) < limit:
        page = await store.executions(
            workflow=workflow, status=status, after=after, limit=min(limit - len(found), _PAGE)
        )
        found += page.items
        after = page.cursor
        if after is None:
            break
    return found


async def _id(store: Store, given: str) -> str:
    """The whole id that a beginning of one, or `latest`, means."""
    if given != LATEST:
        return (await store.execution(given, steps=False)).id
    newest = await _newest(store, None, None, 1)
    if not newest:
        raise ExecutionNotFound("nothing has been executed here yet; start with: assay run FILE")
    return newest[0].id


def _listed(execution: Execution) -> tuple[str, ...]:
    lasted = seconds_between(execution.started_at, execution.completed_at)
    return (
        execution.id,
        f"{execution.workflow}@{execution.version}",
        execution.status.value,
        local_time(execution.created_at, date=True),
        duration(lasted) if execution.status.terminal else "",
    )


def _plain(execution: Execution) -> Sequence[str]:
    """The tree as text: indented rows with their status in words."""
    found = rows(Tree.of(execution))
    head = f"{execution.workflow}@{execution.version}"
    return [
        head,
        *_columns(
            [
                (
                    f"{'  ' * (row.depth + 1)}{row.label}",
                    row.kind,
                    row.status.value if row.status else "",
                    row.time,
                    row.note,
                )
                for row in found
            ]
        ),
    ]


def _columns(table: Sequence[tuple[str, ...]]) -> list[str]:
    """The cells under each other."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]


@asynccontextmanager
async def _store() -> AsyncIterator[Store]:
    """The store that the settings name, for reading. Raises `StoreError`."""
    store = await connect(read_settings().store)
    try:
        yield store
    finally:
        await store.close()
