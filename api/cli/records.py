"""`list status logs questions slots`: what the store remembers. Needs no LangGraph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...graphs.errors import InvalidInput
from ...graphs.execution import Execution, Status
from ...graphs.question import Question, QuestionStatus
from .exits import OK
from .lines import Lines
from .opened import open_records
from .output import Output
from .rows import rows
from .standing import Standing, hints
from .summary import summary
from .text import columns, cut, duration, local_time, seconds_between, until
from .tree import Tree
from .waits import place, wanted

if TYPE_CHECKING:
    pass

_LONG = 50
"""Columns of a question in a list."""

_STATUSES = [s.value for s in Status if s not in (Status.SKIPPED, Status.COMPENSATED)]


async def listing(workflow: str | None, status: str | None, limit: int, *, json: bool) -> int:
    """Executions, newest first."""
    if status is not None and status not in _STATUSES:
        known = ", ".join(_STATUSES)
        raise InvalidInput(f"{status!r} is no status of an execution; there are: {known}")
    async with open_records() as site:
        found = [execution async for execution in site.executions(workflow, status, limit)]
    out = Output()
    if json:
        out.json([execution.to_dict() for execution in found])
    else:
        out.lines(columns([_listed(e) for e in found]))
    return OK


async def status(given: str, *, json: bool) -> int:
    """One execution with its steps, and what it waits for. Raises `ExecutionNotFound`."""
    async with open_records() as site:
        id = await site.whole_id(given)
        execution = await site.get(id)
        standing = Standing(execution, await site.open_questions(id), await site.driven(id))
        tree = Tree(f"{execution.workflow}@{execution.version}")
        async for event in site.events(id):
            tree.fold(event)
    at_work = standing.execution.status in (Status.QUEUED, Status.RUNNING)
    tree.adrift = tree.adrift or (at_work and not standing.driven)
    tree.wait_for(standing.questions)
    out = Output()
    if json:
        out.json(standing.to_dict())
    elif out.terminal:
        from .view import draw

        draw(standing, tree, site.kept)
    else:
        for line in _plain(tree):
            out.line(line)
        for said in summary(standing.execution, site.kept, tuple(hints(standing))):
            out.line(said.text)
    return OK


async def logs(given: str, *, json: bool, follow: bool) -> int:
    """The events of an execution; `follow` goes on until it ends. Raises `ExecutionNotFound`."""
    out, lines = Output(), Lines(date=True)
    async with open_records() as site:
        async for event in site.events(await site.whole_id(given), follow=follow):
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
    async with open_records() as site:
        id = None if given is None else await site.whole_id(given)
        found = [q async for q in site.questions(id, None if every else "open")]
    if not every:
        found = [question for question in found if not question.timed]
    out = Output()
    if json:
        out.json([question.to_dict() for question in found])
    else:
        out.lines(columns([_question(q, every) for q in found]))
    return OK


async def slots(key: str | None, *, json: bool) -> int:
    """Who holds units of concurrency keys, and who waits for one, in order of turn."""
    async with open_records() as site:
        found = await site.slots(key)
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
        out.lines(columns(table))
    return OK


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
