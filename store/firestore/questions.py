"""What executions wait for. What the functions promise stands in the `Store` port.

A field for each status holds the number of the question while it has that status: a listing
by status is sorted by the field that it filters by.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...graphs.errors import QuestionNotFound
from ...graphs.lease import Command
from ...graphs.question import Question, QuestionStatus, Wait
from ..records import fetch_size, page, revive
from . import inbox, leases, names
from .database import Conflict, again, where
from .values import number, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.stored import Page
    from .database import Batch, Database, Found
    from .leases import LeaseDocument
    from .names import Clock

_CANDIDATES = 5
_OPEN = QuestionStatus.OPEN.value


class Asked:
    """A question on its way into the store, encoded when this is made."""

    def __init__(self, question: Question) -> None:
        """Raises `StoreError` when it is not JSON."""
        self.question = question
        self.what = f"Question {question.id} of step {question.path}"
        self.document = pack(question.to_dict(), self.what)

    @property
    def new(self) -> bool:
        """It is likely that nobody has asked it before."""
        return self.question.status is QuestionStatus.OPEN and self.question.revision == 0

    def fields(self, revision: int, asked: int) -> dict[str, Any]:
        question, status = self.question, self.question.status
        open = status is QuestionStatus.OPEN
        waits = open and question.kind is Wait.EVENT and question.event is not None
        return {
            "id": names.indexed(question.id),
            "execution": names.name(question.execution_id),
            "status": status.value,
            "revision": revision,
            "asked": asked,
            **{each.value: asked if each is status else None for each in QuestionStatus},
            "due": question.due if open else None,
            "waits": names.spread(question.event) if waits and question.event is not None else None,
            "document": self.document,
        }


def place(database: Database, question_id: str) -> Any:
    return database.at(names.QUESTIONS, names.name(question_id))


def keep(database: Database, batch: Batch, clock: Clock, asked: Asked, found: Found | None) -> None:
    """Ask, answer or withdraw the question, as its execution's driver says.

    What is asked once more by a resume stays as it is, with the answer that it may have by
    now; so does what somebody else has closed. A higher revision asks anew, and time that is
    waited for is the driver's alone.
    """
    question = asked.question
    if found is None:
        batch.create(place(database, question.id), asked.fields(question.revision, clock.next()))
        return
    revision = found["revision"]
    closes = found["status"] == _OPEN and question.status is not QuestionStatus.OPEN
    if closes or question.timed or question.revision > revision:
        fields = asked.fields(max(question.revision, revision + 1), found["asked"])
        batch.update(place(database, question.id), fields, found.time)


async def answer(database: Database, clock: Clock, question: Question) -> bool:
    async with database.alone(names.name(question.execution_id)):
        return await _answer(database, clock, question)


async def _answer(database: Database, clock: Clock, question: Question) -> bool:
    asked, attempt = Asked(question), 0
    while True:
        (found,) = await database.get(place(database, question.id))
        right = found is not None and found["revision"] == question.revision - 1
        if found is None or not right or found["status"] != _OPEN:
            return False
        batch = database.batch()
        fields = asked.fields(question.revision, found["asked"])
        # The execution is the one that asked, whatever the answer says.
        fields["execution"] = found["execution"]
        batch.update(place(database, question.id), fields, found.time)
        if question.status is not QuestionStatus.OPEN:
            (lease_found,) = await database.get(database.at(names.LEASES, found["execution"]))
            lease = None if lease_found is None else leases.read(lease_found)
            if lease is not None and not lease.ended:
                told = {"question": question.id}
                inbox.put(database, batch, clock, lease, Command.ANSWER, told)
                lease.write(database, batch)
        try:
            await database.commit(batch, f"The answer to question {question.id}")
            return True
        except Conflict as conflict:
            if conflict.unsure and await _is_kept(database, asked):
                return True
        await again(attempt, asked.what)
        attempt += 1


async def find(database: Database, question_id: str) -> Question:
    if question_id:
        (found,) = await database.get(place(database, question_id))
        if found is not None:
            return _parse(found)
    return _parse(await _by_prefix(database, question_id))


async def listing(
    database: Database,
    execution_id: str | None,
    status: str | None,
    after: str | None,
    limit: int,
) -> Page[Question]:
    size, above = fetch_size(limit), number(after, 0)
    if status is not None and status not in [each.value for each in QuestionStatus]:
        return page([], limit, str, _parse)
    every = database.all(names.QUESTIONS)
    if execution_id is None:
        order = status or "asked"
        rows = await database.find(where(every, order, ">", above).order_by(order).limit(size))
    else:
        rows = await of_execution(database, names.name(execution_id))
        rows = [row for row in rows if status is None or row["status"] == status]
        rows = sorted((r for r in rows if r["asked"] > above), key=lambda r: int(r["asked"]))
    return page(rows, limit, lambda row: row["asked"], _parse)


async def open_of(
    database: Database, execution_ids: Sequence[str], each: int
) -> Sequence[Question]:
    wanted = [names.name(id) for id in dict.fromkeys(execution_ids)]
    found = await asyncio.gather(*(of_execution(database, execution) for execution in wanted))
    rows: list[Found] = []
    for asked in found:
        still = [row for row in asked if row["status"] == _OPEN]
        rows += sorted(still, key=lambda row: int(row["asked"]))[:each]
    return [_parse(row) for row in sorted(rows, key=lambda row: int(row["asked"]))]


async def of_execution(database: Database, execution: str) -> list[Found]:
    """All that the execution of that name ever asked."""
    return await database.find(where(database.all(names.QUESTIONS), "execution", "==", execution))


def defer(database: Database, batch: Batch, lease: LeaseDocument, found: Sequence[Found]) -> None:
    """Let the questions be found no more by their time, until somebody takes the lease."""
    for each in found:
        batch.update(database.at(names.QUESTIONS, each.id), {"due": None}, each.time)
    lease.deferred += tuple(each.id for each in found)


async def make_due(database: Database, batch: Batch, deferred: Sequence[str]) -> None:
    """Those of them that are open can be found by their time again."""
    for found in await database.get(*(database.at(names.QUESTIONS, each) for each in deferred)):
        if found is not None and found["status"] == _OPEN:
            batch.update(
                database.at(names.QUESTIONS, found.id), {"due": _parse(found).due}, found.time
            )


async def waiting_for(database: Database, event: str) -> Sequence[Question]:
    """Open questions for an event of that name, oldest first."""
    query = where(database.all(names.QUESTIONS), "waits", "==", names.spread(event))
    rows = sorted(await database.find(query), key=lambda row: int(row["asked"]))
    return [question for question in map(_parse, rows) if question.event == event]


async def _is_kept(database: Database, asked: Asked) -> bool:
    (found,) = await database.get(place(database, asked.question.id))
    return found is not None and bytes(found["document"]) == asked.document


async def _by_prefix(database: Database, prefix: str) -> Found:
    rows: list[Found] = []
    if prefix:
        query = where(database.all(names.QUESTIONS), "id", ">=", names.indexed(prefix))
        query = where(query, "id", "<", names.indexed(prefix) + names.LAST).order_by("id")
        rows = await database.find(query.limit(_CANDIDATES + 1))
    if not rows:
        raise QuestionNotFound.of(prefix)
    if len(rows) > 1:
        candidates = ", ".join(_parse(row).id for row in rows[:_CANDIDATES])
        more = " and more" if len(rows) > _CANDIDATES else ""
        raise QuestionNotFound(
            f"Several questions begin with {prefix!r}: {candidates}{more}; give more of the id."
        )
    return rows[0]


def _parse(found: Found) -> Question:
    what = f"Question {found.id}"
    data = unpack(found["document"], what)
    return revive(lambda: Question.from_dict({**data, "revision": found["revision"]}), what)
