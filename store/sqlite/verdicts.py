"""What was said of agents' answers. What the functions promise stands in the `Verdicts` port."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from ...graphs.verdicts import REMEMBERED, Verdict
from ..records import decode, encode, fetch_size, number, page, revive, where

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.stored import Page
    from .reader import Reader
    from .writer import Writer

_COLUMNS = (
    "id, workflow, step, model, prompt, passed, source, execution, path, at,"
    " tokens, usd, seconds, said_by, comment, example"
)
_FIELDS = (
    *("id", "workflow", "step", "model", "prompt", "passed", "source", "execution_id", "path"),
    *("at", "tokens", "usd", "seconds", "by", "comment"),
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

    async def forget_verdicts(self, before: str) -> int:
        return await self._writer.run(partial(forget, before=before))


def forget(connection: sqlite3.Connection, before: str) -> int:
    return connection.execute("DELETE FROM verdicts WHERE at < ?", (before,)).rowcount


def keep(connection: sqlite3.Connection, verdicts: Sequence[Verdict]) -> None:
    for v in verdicts:
        connection.execute(
            f"INSERT OR REPLACE INTO verdicts ({_COLUMNS}) VALUES ({', '.join('?' * 16)})",
            (
                *(v.id, v.workflow, v.step, v.model, v.prompt, v.passed, v.source.value),
                *(v.execution_id, v.path, v.at, v.tokens, v.usd, v.seconds, v.by, v.comment),
                None if v.case is None else encode(asdict(v.case), f"The verdict {v.id}"),
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


def _parse(id: str, *rest: Any) -> Verdict:
    *told, case = rest
    values = dict(zip(_FIELDS, (id, *told), strict=True))
    what = f"The verdict {id}"
    known = None if case is None else decode(case, what)
    data = {**values, "passed": bool(values["passed"]), "case": known}
    return revive(lambda: Verdict.from_dict(data), what)
