"""What an execution costs: how often the server is called."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from tests.stored import begun, entry, execution, journal, question

from assay.graphs.execution import Status
from assay.graphs.firing import Firing, Lane
from assay.graphs.lease import Command, Message
from assay.graphs.stored import ArtifactInfo, Commit
from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio


async def test_a_step_is_one_commit_and_nothing_is_read(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    of, lease = await begun(firestore, entries=[entry(1)])
    assert calls == {"commit": 1}
    file = ArtifactInfo(of.id, "a", "log", "log.txt", "0" * 64, 12, "")
    calls.clear()
    for number in range(2, 102):
        row = replace(of, current_step=f"s{number}")
        await firestore.commit(Commit(lease, entry(number), row, artifacts=[file]))
    assert calls == {"commit": 100}


async def test_commits_of_one_moment_are_one(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    of, lease = await begun(firestore)
    calls.clear()
    await asyncio.gather(*(firestore.commit(Commit(lease, entry(n))) for n in range(1, 101)))
    assert calls["commit"] <= 2
    assert calls["get"] == calls["query"] == 0
    assert len(await journal(firestore, of.id)) == 100


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.WAITING])
async def test_ending_and_parking_are_one_commit_too(
    firestore: FirestoreStore, calls: Counter[str], status: Status
) -> None:
    of, lease = await begun(firestore)
    calls.clear()
    asked = [question(of.id)] if status is Status.WAITING else []
    commit = Commit(lease, entry(1), replace(of, status=status), asked, release=True)
    assert await firestore.commit(commit)
    assert calls == {"commit": 1}


async def test_after_a_message_only_what_may_have_changed_is_read(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    of, lease = await begun(firestore)
    await firestore.post(Message(of.id, Command.PAUSE))
    (message,) = await firestore.inbox(firestore.worker)
    calls.clear()
    await firestore.commit(Commit(lease, entry(1)))
    assert calls == {"commit": 1}
    calls.clear()
    waiting = replace(of, status=Status.WAITING)
    commit = Commit(lease, entry(2), waiting, consumed=[message.id], release=True)
    assert await firestore.commit(commit)
    # The first commit finds a lease that has changed; the second one is right.
    assert calls["commit"] == 2


async def test_whoever_takes_over_looks_for_the_end_of_the_journal_once(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    await firestore.create(execution("e"), [entry(1), entry(2)], "")
    calls.clear()
    lease = await firestore.claim("e", firestore.worker)
    assert lease is not None
    assert calls == {"get": 1, "query": 1, "commit": 1}
    calls.clear()
    for number in range(3, 8):
        await firestore.commit(Commit(lease, entry(number)))
    assert calls == {"query": 1, "commit": 5}


async def test_whoever_has_seen_a_firing_claims_it_without_another_look(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    await firestore.put_firing(Firing("f", "t", "w", "at", "e", due=1.0))
    assert calls == {"commit": 1}
    calls.clear()
    (due,) = await firestore.due_firings(1.0)
    assert await firestore.put_firing(replace(due, due=2.0, revision=1))
    assert await firestore.put_firing(replace(due, due=None, revision=2))
    assert calls == {"query": 1, "commit": 2}
    calls.clear()
    seen = await firestore.firing("f")
    assert await firestore.put_firing(replace(seen, revision=3))
    assert calls == {"get": 1, "commit": 1}
    await firestore.put_lane(Lane("l", "t", "at"))
    calls.clear()
    assert await firestore.lane("l")
    assert await firestore.put_lane(Lane("l", "t", "at", revision=1))
    assert calls == {"get": 1, "commit": 1}
