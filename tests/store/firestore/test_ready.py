"""What a sweep finds, and what it costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from tests.stored import entry, execution, parked, question

from assay.graphs.execution import Status
from assay.graphs.lease import Command, Message
from assay.graphs.question import Wait
from assay.graphs.stored import Commit
from assay.store.firestore import database
from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio


async def test_a_sweep_that_finds_nothing_is_three_queries(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    await parked(firestore, "e", question("e", kind=Wait.SLEEP, due=100.0))
    await firestore.ready(firestore.worker, now=0)  # the first looks for cut-off events, too
    calls.clear()
    assert await firestore.ready(firestore.worker, now=0) == []
    assert calls == {"query": 3}
    calls.clear()
    assert await firestore.inbox(firestore.worker) == []
    assert calls == {"query": 1}


async def test_all_that_are_due_at_the_same_moment_are_found(
    firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of them ends between two that differ in nothing but their names."""
    monkeypatch.setattr(database, "PAGE", 3)
    ids = [f"e{number:02}" for number in range(10)]
    for id in ids:
        await parked(firestore, id, question(id, kind=Wait.SLEEP, due=100.0))
    assert await firestore.ready(firestore.worker, now=100.0) == ids


async def test_what_a_dead_worker_left_is_judged_as_if_nobody_had_it(
    firestore: FirestoreStore,
) -> None:
    for id, status in (("a", Status.QUEUED), ("b", Status.WAITING), ("c", Status.RUNNING)):
        await firestore.create(execution(id, status=status), [], "dead")
    over = execution("d", status=Status.COMPLETED)
    await firestore.create(over, [], "dead")
    assert await firestore.ready(firestore.worker, now=0) == ["a", "c"]


async def test_what_came_too_late_for_an_execution_goes_with_the_lease_of_its_dead_worker(
    firestore: FirestoreStore,
) -> None:
    """It was killed between the end of the execution and giving the lease back."""
    of = execution("e")
    lease = await firestore.create(of, [], "dead")
    assert lease is not None
    await firestore.post(Message("e", Command.PAUSE))
    over = replace(of, status=Status.COMPLETED)
    await firestore.commit(Commit(lease, entry(1), over))
    assert len(await firestore.mail("e")) == 1

    assert await firestore.ready(firestore.worker, now=0) == []

    assert await firestore.mail("e") == []
    assert await firestore.holder("e") is None
