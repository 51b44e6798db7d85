"""What was said of agents' answers. What the functions promise stands in the `Verdicts` port."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...graphs.verdicts import REMEMBERED, Source, Verdict
from ..records import fetch_size, number, page, where

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.stored import Page
    from .reader import Reader
    from .writer import Writer

_COLUMNS = (
    "id, workflow, step, model, prompt, passed, source, execution, path, at,"
    " tokens, usd, seconds, said_by, comment"
)
_NEWEST = 2**63 - 1


class Judging:
    """The part of a store that keeps verdicts."""

    def __init__(self, writer: Writer, reader: Reader | None) -> None:
        self._writer = writer
        self._reader = reader

    async def judge(self, verdict: Verdict) -> None:
        work = partial(keep, verdicts=[verdict])
        await self._writer.run(work, f"The verdict {verdict.id}")

    async def verdicts(
        self,
        *,
        workflow: str | None = None,
        step: str | None = None,
        after: str | None = None,
        limit: int = REMEMBERED,
    ) -> Page[Verdict]:
        work = partial(listing, workflow=workflow, step=step, after=after, limit=limit)
        return await (self._reader or self._writer).run(work)


def keep(connection: sqlite3.Connection, verdicts: Sequence[Verdict]) -> None:
    for v in verdicts:
        connection.execute(
            f"INSERT OR REPLACE INTO verdicts ({_COLUMNS}) VALUES ({', '.join('?' * 15)})",
            (
                *(v.id, v.workflow, v.step, v.model, v.prompt, v.passed, v.source.value),
                *(v.execution_id, v.path, v.at, v.tokens, v.usd, v.seconds, v.by, v.comment),
            ),
        )


def listing(
    connection: sqlite3.Connection,
    workflow: str | None,
    step: str | None,
    after: str | None,
    limit: int,
) -> Page[Verdict]:
    clause, values = where(
        {"workflow = ?": workflow, "step = ?": step, "key < ?": number(after, _NEWEST)}
    )
    rows = connection.execute(
        f"SELECT key, {_COLUMNS} FROM verdicts {clause} ORDER BY key DESC"
        f" LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: row[0], lambda row: _parse(*row[1:]))


def _parse(
    id: str,
    workflow: str,
    step: str,
    model: str,
    prompt: str,
    passed: int,
    source: str,
    execution: str,
    path: str,
    at: str,
    *rest: object,
) -> Verdict:
    named = (id, workflow, step, model, prompt, bool(passed), Source(source), execution, path, at)
    return Verdict(*named, *rest)  # type: ignore[arg-type]
