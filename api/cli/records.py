"""`list status logs questions slots`: what the store remembers. Needs no LangGraph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphs.errors import InvalidInput
from ...graphs.event import Event
from ...graphs.execution import Execution, Status
from ...graphs.fold import events, load
from ...graphs.question import Question, QuestionStatus
from ..settings import read_settings
from ..streams import LAST, POLL
from .exits import OK
from .lines import Lines
from .lookup import MANY, open_questions, open_store, whole_id
from .output import Output
from .rows import rows
from .screen import kept_place
from .standing import Standing, hints
from .summary import summary
from .text import columns, cut, duration, local_time, seconds_between, until
from .tree import Tree
from .waits import place, wanted

if TYPE_CHECKING:
    from ...graphs.ports import Store

_LONG = 50
"""Columns of a question in a list."""

_STATUSES = [s.value for s in Status if s not in (Status.SKIPPED, Status.COMPENSATED)]


async def listing(workflow: str | None, status: str | None, limit: int, *, json: bool) -> int:
    """Executions, newest first."""
    if status is not None and status not in _STATUSES:
        known = ", ".join(_STATUSES)
        raise InvalidInput(f"{status!r} is no status of an execution; there are: {known}")
    async with open_store() as store:
        found = await _newest(store, workflow, status, limit)
    out = Output()
    if json:
        out.json([execution.to_dict() for execution in found])
    else:
        for line in columns([_listed(e) for e in found]):
            out.line(line)
    return OK


async def status(given: str, *, json: bool) -> int:
    """One execution with its steps, and what it waits for. Raises `ExecutionNotFound`."""
    async with open_store() as store:
        id = await whole_id(store, given)
        standing = await _standing(store, id)
        tree = Tree(f"{standing.execution.workflow}@{standing.execution.version}")
        async for event in _events(store, id, follow=False):
            tree.fold(event)
    at_work = standing.execution.status in (Status.QUEUED, Status.RUNNING)
    tree.adrift = tree.adrift or (at_work and not standing.driven)
    tree.wait_for(standing.questions)
    out = Output()
    if json:
        out.json(standing.to_dict())
    elif out.terminal:
        from .view import draw

        draw(standing, tree, kept_place())
    else:
        for line in _plain(tree):
            out.line(line)
        for said in summary(standing.execution, kept_place(), tuple(hints(standing))):
            out.line(said.text)
    return OK


async def logs(given: str, *, json: bool, follow: bool) -> int:
    """The events of an execution; `follow` goes on until it ends. Raises `ExecutionNotFound`."""
    out, lines = Output(), Lines(date=True)
    async with open_store() as store:
        async for event in _events(store, await whole_id(store, given), follow):
            if json:
                out.json(event.to_dict(), indent=False)
                continue
            for line in lines.of(event):
                out.line(line)
            if out.gone:
                break
    return OK


async def questions(given: str | None, *, every: bool, json: bool) -> int:
    """What can be answered, oldest first; `every` adds what is closed, or waits for time."""
    async with open_store() as store:
        id = None if given is None else await whole_id(store, given)
        found = [q async for q in _questions(store, id, None if every else "open")]
    if not every:
        found = [question for question in found if not question.timed]
    out = Output()
    if json:
        out.json([question.to_dict() for question in found])
    else:
        for line in columns([_question(q, every) for q in found]):
            out.line(line)
    return OK


async def slots(key: str | None, *, json: bool) -> int:
    """Who holds units of concurrency keys, and who waits for one, in order of turn."""
    async with open_store() as store:
        found = await store.slots(key)
    out = Output()
    if json:
        out.json([{field: getattr(s, field) for field in s.__slots__} for s in found])
    else:
        table = [
            (
                slot.key,
                "held" if slot.held else "waits",
                slot.execution_id,
                slot.workflow,
                f"since {local_time(slot.since, date=True)}",
            )
            for slot in found
        ]
        for line in columns(table):
            out.line(line)
    return OK


async def _standing(store: Store, execution_id: str) -> Standing:
    execution = await store.execution(execution_id)
    lost: list[str] = []
    blobs = store.blobs(read_settings().home / "blobs")
    history = await load(store, blobs, execution_id, lambda _, why: lost.append(why))
    current = None if execution.status.terminal else history.current
    whole = replace(
        execution,
        steps=history.results,
        current_step=current,
        notices=(*execution.notices, *lost),
    )
    driven = await store.holder(execution_id) is not None
    return Standing(whole, await open_questions(store, execution_id), driven)


async def _events(store: Store, execution_id: str, follow: bool) -> AsyncIterator[Event]:
    seen = 0
    while True:
        page = await store.entries(execution_id, after=seen)
        for entry in page.items:
            for event in events(entry, execution_id):
                yield event
                if event.type in LAST:
                    return
            seen = entry.last
        if page.cursor is None:
            if not follow:
                return
            await asyncio.sleep(POLL)


async def _newest(
    store: Store, workflow: str | None, status: str | None, limit: int
) -> list[Execution]:
    found: list[Execution] = []
    after: str | None = None
    while len(found) < limit:
        page = await store.executions(
            workflow=workflow, status=status, after=after, limit=min(limit - len(found), MANY)
        )
        found += page.items
        after = page.cursor
        if after is None:
            break
    return found


async def _questions(
    store: Store, execution_id: str | None, status: str | None
) -> AsyncIterator[Question]:
    after: str | None = None
    while True:
        page = await store.questions(
            execution_id=execution_id, status=status, after=after, limit=MANY
        )
        for question in page.items:
            yield question
        after = page.cursor
        if after is None:
            return


def _listed(execution: Execution) -> tuple[str, ...]:
    lasted = seconds_between(execution.started_at, execution.completed_at)
    return (
        execution.id,
        f"{execution.workflow}@{execution.version}",
        execution.status.value,
        local_time(execution.created_at, date=True),
        duration(lasted) if execution.status.terminal else "",
    )


def _question(question: Question, every: bool) -> tuple[str, ...]:
    due = "" if question.due is None else f"until {until(question.due)}"
    return (
        question.id,
        *([question.status.value] if every else []),
        place(question) or "-",
        cut(wanted(question), _LONG),
        due if question.status is QuestionStatus.OPEN else "",
        question.execution_id,
    )


def _plain(tree: Tree) -> Sequence[str]:
    """The tree as text: indented rows with their status in words."""
    table = [
        (
            f"{'  ' * (row.depth + 1)}{row.label}",
            row.kind,
            row.status.value if row.status else "",
            row.time,
            row.note,
        )
        for row in rows(tree)
    ]
    return [tree.title, *columns(table)]
