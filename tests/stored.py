"""Executions, entries and questions as tests of stores make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assay.graphs.execution import Execution, Status, new_id
from assay.graphs.lease import Lease, SlotRequest
from assay.graphs.ports import Store
from assay.graphs.question import Question, Wait, question_id
from assay.graphs.stored import Commit, Entry


def execution(id: str = "", **given: Any) -> Execution:
    given = {"workflow": "build", "version": "1", "digest": "d1", "status": Status.RUNNING, **given}
    return Execution(id or new_id(), **given)


def queued(id: str, slot: str | SlotRequest | None = None, **given: Any) -> Execution:
    """One that has not begun; a text is the key of a slot that only one may hold."""
    request = SlotRequest(slot) if isinstance(slot, str) else slot
    return execution(id, status=Status.QUEUED, slot=request, **given)


def entry(first: int, last: int = 0, data: bytes = b"") -> Entry:
    """An entry that says of itself which one it is."""
    last = last or first
    return Entry(first, last, data or b"from %d to %d" % (first, last))


async def begun(
    store: Store, id: str = "", *, entries: Sequence[Entry] = (), **given: Any
) -> tuple[Execution, Lease]:
    """An execution that is in the store, and the store's own worker's lease of it."""
    new = execution(id, **given)
    lease = await store.create(new, entries, store.worker)
    assert lease is not None
    return new, lease


async def parked(
    store: Store, id: str, *questions: Question, status: Status = Status.WAITING, **given: Any
) -> Execution:
    """An execution that waits, with nobody driving it."""
    of, lease = await begun(store, id, **given)
    waiting = replace(of, status=status)
    commit = Commit(lease, execution=waiting, questions=questions, release=True)
    assert await store.commit(commit)
    return waiting


async def ended(store: Store, lease: Lease, of: Execution, status: Status) -> None:
    await store.commit(Commit(lease, execution=replace(of, status=status), release=True))


def question(
    execution_id: str, path: str = "ask", kind: Wait = Wait.APPROVAL, **given: Any
) -> Question:
    return Question(question_id(execution_id, path, kind), execution_id, path, kind, **given)


async def journal(store: Store, execution_id: str) -> list[Entry]:
    """All of it."""
    found: list[Entry] = []
    while True:
        page = await store.entries(execution_id, after=found[-1].last if found else 0)
        found += page.items
        if page.cursor is None:
            return found
