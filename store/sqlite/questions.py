"""What executions wait for. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphs.errors import QuestionNotFound
from ...graphs.lease import Command
from ...graphs.question import Question, QuestionStatus, Wait
from ..records import Value, decode, encode, fetch_size, number, page, revive, where
from . import inbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.stored import Page

_CANDIDATES = 5
_LAST = "\U0010ffff"  # sorts behind every text with the same beginning
_OPEN = QuestionStatus.OPEN.value


def keep(connection: sqlite3.Connection, execution: int, question: Question, document: str) -> None:
    """Ask, answer or withdraw the question, as its execution's driver says.

    What is asked once more by a resume stays as it is, with the answer that it may have by
    now; so does what somebody else has closed. A higher revision asks anew, and time that is
    waited for is the driver's alone.
    """
    found = connection.execute(
        "SELECT status, revision FROM questions WHERE id = ?", (question.id,)
    ).fetchone()
    if found is None:
        connection.execute(
            "INSERT INTO questions (status, revision, due, event, event_key, document, id,"
            " execution) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*_row(question, question.revision, document), execution),
        )
        return
    status, revision = found
    closes = status == _OPEN and question.status is not QuestionStatus.OPEN
    if closes or question.timed or question.revision > revision:
        _replace(connection, _row(question, max(question.revision, revision + 1), document))


def answer(connection: sqlite3.Connection, question: Question, document: str) -> bool:
    found = connection.execute(
        "SELECT execution FROM questions WHERE id = ? AND revision = ? AND status = ?",
        (question.id, question.revision - 1, _OPEN),
    ).fetchone()
    if found is None:
        return False
    _replace(connection, _row(question, question.revision, document))
    if question.status is not QuestionStatus.OPEN:
        data = encode({"question": question.id}, "An answer")
        inbox.put(connection, found[0], Command.ANSWER, data)
    return True


def encoded(question: Question) -> str:
    """All of it as JSON text; raises `StoreError`."""
    return encode(question.to_dict(), f"Question {question.id} of step {question.path}")


def find(connection: sqlite3.Connection, question_id: str) -> Question:
    rows = connection.execute(
        "SELECT document, revision, id FROM questions WHERE id = ?", (question_id,)
    ).fetchall() or _by_prefix(connection, question_id)
    return _parse(rows[0])


def listing(
    connection: sqlite3.Connection,
    execution_id: str | None,
    status: str | None,
    after: str | None,
    limit: int,
) -> Page[Question]:
    clause, values = where(
        {
            "execution = (SELECT key FROM executions WHERE id = ?)": execution_id,
            "status = ?": status,
            "key > ?": number(after, 0),
        }
    )
    rows = connection.execute(
        f"SELECT document, revision, id, key FROM questions {clause}"
        f" ORDER BY key LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: row[3], _parse)


def open_of(
    connection: sqlite3.Connection, execution_ids: Sequence[str], each: int
) -> Sequence[Question]:
    rows = connection.execute(
        "SELECT q.document, q.revision, q.id FROM executions e JOIN questions q"
        " ON q.execution = e.key AND q.key IN (SELECT key FROM questions"
        " WHERE execution = e.key AND status = ? ORDER BY key LIMIT ?)"
        " WHERE e.id IN (SELECT value FROM json_each(?)) ORDER BY q.key",
        (_OPEN, each, encode(list(execution_ids), "A list of ids")),
    )
    return [_parse(row) for row in rows]


def _row(question: Question, revision: int, document: str) -> tuple[Value, ...]:
    return (
        question.status.value,
        revision,
        question.due,
        question.event if question.kind is Wait.EVENT else None,
        question.key,
        document,
        question.id,
    )


def _replace(connection: sqlite3.Connection, row: tuple[Value, ...]) -> None:
    connection.execute(
        "UPDATE questions SET (status, revision, due, event, event_key, document)"
        " = (?, ?, ?, ?, ?, ?) WHERE id = ?",
        row,
    )


def _by_prefix(connection: sqlite3.Connection, prefix: str) -> Sequence[tuple[str, int, str]]:
    rows: list[tuple[str, int, str]] = []
    if prefix:
        rows = connection.execute(
            "SELECT document, revision, id FROM questions WHERE id >= ? AND id < ?"
            f" ORDER BY id LIMIT {_CANDIDATES + 1}",
            (prefix, prefix + _LAST),
        ).fetchall()
    if not rows:
        raise QuestionNotFound.of(prefix)
    if len(rows) > 1:
        candidates = ", ".join(row[2] for row in rows[:_CANDIDATES])
        more = " and more" if len(rows) > _CANDIDATES else ""
        raise QuestionNotFound(
            f"Several questions begin with {prefix!r}: {candidates}{more}; give more of the id."
        )
    return rows


def _parse(row: tuple[Any, ...]) -> Question:
    document, revision, id = row[:3]
    what = f"Question {id}"
    data = decode(document, what)
    return revive(lambda: Question.from_dict({**data, "revision": revision}), what)
