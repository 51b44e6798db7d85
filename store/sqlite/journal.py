"""Journals: what one commit appends, and what a resume or a listener reads.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import orjson

from ...graphs.errors import LeaseLost, StoreError
from ...graphs.execution import Status
from ...graphs.stored import Commit, Entry, Page
from ..records import encode, fetch_size, page
from . import artifacts, bulk, executions, inbox, questions, signals, slots, verdicts
from .writer import Joint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from ...graphs.execution import Execution
    from ...graphs.lease import Lease

Row = tuple[int, int, int, bytes, int]
"""An entry of an execution: its key, `last`, `first`, `data`, and the epoch of the lease."""
Change = tuple[int, int, str | None, str | None, bool]
"""An execution's key, the epoch of the lease, its new status and row if any, and `release`."""

_APPEND = (
    "INSERT INTO journal (execution, last, first, data)"
    " WITH new (execution, last, first, data, epoch) AS (VALUES)"
    " SELECT n.execution, n.last, n.first, n.data FROM new n"
    " CROSS JOIN executions e ON e.key = n.execution AND e.epoch = n.epoch"
    " WHERE NOT EXISTS (SELECT 1 FROM journal j"
    " WHERE j.execution = n.execution AND j.last >= n.first AND j.first <= n.last)"
)
_CHANGE = (
    "UPDATE executions SET status = ifnull(n.status, executions.status),"
    " changing = ifnull(n.changing, executions.changing),"
    " worker = iif(n.release AND NOT EXISTS"
    " (SELECT 1 FROM inbox i WHERE i.execution = n.key), NULL, worker)"
    " FROM (WITH new (key, epoch, status, changing, release) AS (VALUES) SELECT * FROM new) n"
    " WHERE executions.key = n.key AND executions.epoch = n.epoch"
)


def writing(commit: Commit) -> Plain | Rich:
    """The commit as a work, encoded so that nothing can change it afterwards.

    Raises `StoreError` when a value is not JSON or belongs to another execution.
    """
    parts = (commit.questions, commit.consumed, commit.signals, commit.artifacts, commit.verdicts)
    if any(parts) or _gives_up_its_slot(commit.execution):
        return Rich(commit)
    return Plain(commit)


class Plain(Joint):
    """A commit of an entry, a row and a release: what nearly every commit is."""

    __slots__ = ("change", "entry", "lease", "release")

    def __init__(self, commit: Commit) -> None:
        lease = self.lease = commit.lease
        entry, execution = commit.entry, commit.execution
        self.entry: Row | None = None
        if entry is not None:
            check(lease.execution_id, entry)
            self.entry = (lease.handle, entry.last, entry.first, entry.data, lease.epoch)
        self.release = commit.release
        self.change: Change | None = None
        if execution is not None:
            _own(lease, execution.id)
            status, changing = execution.status.value, executions.changing(execution)
            self.change = (lease.handle, lease.epoch, status, changing, self.release)
        elif entry is None or self.release:
            self.change = (lease.handle, lease.epoch, None, None, self.release)

    def __call__(self, connection: sqlite3.Connection) -> bool:
        done = self.together(connection, [self])
        if done is None:
            raise _refused(connection, self.lease, self.entry)
        return done[0]

    @staticmethod
    def together(connection: sqlite3.Connection, works: Sequence[Plain]) -> Sequence[bool] | None:
        entries = [work.entry for work in works if work.entry is not None]
        if not append(connection, entries):
            return None
        for changes in _rounds([work.change for work in works if work.change is not None]):
            if bulk.run(connection, _CHANGE, changes) < len(changes):
                return None
        released = [work.lease.handle for work in works if work.release]
        still_held = _held(connection, released) if released else ()
        return [not work.release or work.lease.handle not in still_held for work in works]


class Rich:
    """A commit of whatever there is."""

    def __init__(self, commit: Commit) -> None:
        self._commit, lease = commit, commit.lease
        for question in commit.questions:
            _own(lease, question.execution_id)
        for artifact in commit.artifacts:
            _own(lease, artifact.execution_id)
        self._questions = [(q, questions.encoded(q)) for q in commit.questions]
        self._signals = [(s, signals.encoded(s)) for s in commit.signals]
        self.gives_up = _gives_up_its_slot(commit.execution)
        self._plain = Plain(Commit(lease, commit.entry, commit.execution))
        self._release = Plain(Commit(lease, release=True)) if commit.release else None
        self.turned: list[str] = []
        """Whose turn it is, once it is written."""

    def __call__(self, connection: sqlite3.Connection) -> bool:
        self._plain(connection)
        commit, key = self._commit, self._commit.lease.handle
        for question, document in self._questions:
            questions.keep(connection, key, question, document)
        for signal, document in self._signals:
            signals.send(connection, signal, document)
        artifacts.keep(connection, key, commit.artifacts)
        verdicts.keep(connection, commit.verdicts)
        inbox.consume(connection, key, commit.consumed)
        if self.gives_up:
            self.turned = slots.leave(connection, key)
        return self._release is None or self._release(connection)


def check(execution_id: str, entry: Entry) -> None:
    """Raises `StoreError` when the entry is numbered as none can be."""
    if not 0 < entry.first <= entry.last:
        raise StoreError(
            f"Execution {execution_id} was given an entry from {entry.first} to {entry.last}; "
            "what is durable is numbered from 1."
        )


def append(connection: sqlite3.Connection, rows: Sequence[Row]) -> bool:
    """Add the entries; False when some place is taken or a lease is lost."""
    reached: dict[int, int] = {}
    for execution, last, first, _, _ in rows:
        if first <= reached.get(execution, 0):
            return False  # the statement does not see what it adds itself
        reached[execution] = last
    return not rows or bulk.run(connection, _APPEND, rows) == len(rows)


def entries(
    connection: sqlite3.Connection, execution_id: str, after: int, limit: int
) -> Page[Entry]:
    rows = connection.execute(
        "SELECT first, last, data FROM journal"
        " WHERE execution = (SELECT key FROM executions WHERE id = ?) AND last > ?"
        f" ORDER BY last LIMIT {fetch_size(limit)}",
        (execution_id, after),
    ).fetchall()
    return page(rows, limit, lambda row: row[1], lambda row: Entry(*row))


def journals(
    connection: sqlite3.Connection, execution_ids: Sequence[str], after: int, each: int | None
) -> Mapping[str, Sequence[Entry]]:
    # As many entries as there can be, when it is not said how many.
    most = 2**63 - 1 if each is None else each
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for id, *entry in connection.execute(
        "SELECT e.id, j.first, j.last, j.data FROM executions e JOIN journal j"
        " ON j.execution = e.key AND j.last IN (SELECT last FROM journal"
        " WHERE execution = e.key AND last > ? ORDER BY last LIMIT ?)"
        " WHERE e.id IN (SELECT value FROM json_each(?)) ORDER BY e.key, j.last",
        (after, most, encode(list(execution_ids), "A list of ids")),
    ):
        found[id].append(Entry(*entry))
    return found


def _refused(connection: sqlite3.Connection, lease: Lease, entry: Row | None) -> StoreError:
    held = connection.execute(
        "SELECT 1 FROM executions WHERE key = ? AND epoch = ?", (lease.handle, lease.epoch)
    ).fetchone()
    if held is None or entry is None:
        return LeaseLost(
            f"Execution {lease.execution_id} is driven by another worker now, or was deleted; "
            "nothing was written."
        )
    return StoreError(
        f"Execution {lease.execution_id} cannot take an entry from {entry[2]} to {entry[1]}: its "
        "journal has that place already. Is another process driving this execution?"
    )


def _rounds(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """The changes in order, no two of one execution at once."""
    while changes:
        some: dict[int, Change] = {}
        rest = [change for change in changes if some.setdefault(change[0], change) is not change]
        yield list(some.values())
        changes = rest


def _held(connection: sqlite3.Connection, keys: Sequence[int]) -> set[int]:
    rows = connection.execute(
        "SELECT key FROM executions WHERE key IN (SELECT value FROM json_each(?))"
        " AND worker IS NOT NULL",
        (orjson.dumps(keys).decode(),),
    )
    return {key for (key,) in rows}


def _gives_up_its_slot(execution: Execution | None) -> bool:
    if execution is None or execution.slot is None:
        return False
    parked = execution.status in (Status.WAITING, Status.PAUSED)
    return execution.status.terminal or (parked and execution.slot.hold == "running")


def _own(lease: Lease, execution_id: str) -> None:
    if execution_id != lease.execution_id:
        raise StoreError(
            f"A commit for execution {lease.execution_id} holds something of {execution_id}; "
            "commit each execution by itself."
        )
