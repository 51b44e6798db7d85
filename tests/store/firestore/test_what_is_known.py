"""What a lease has shown is relied on without looking again; never after it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.stored import begun, entry, question

from assay.graphs.execution import Status
from assay.graphs.lease import Command, Message
from assay.graphs.question import Signal, Wait
from assay.graphs.stored import Commit
from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio


async def test_a_message_before_another_look_at_the_lease_keeps_it_from_being_given_back(
    firestore: FirestoreStore,
) -> None:
    """Closing a question looks at the lease, and not into the inbox."""
    of, lease = await begun(firestore, "e")
    asked = question("e")
    await firestore.commit(Commit(lease, questions=[asked]))
    await firestore.post(Message("e", Command.STOP))
    await firestore.commit(Commit(lease, questions=[replace(asked.withdrawn(), revision=1)]))
    waiting = replace(of, status=Status.WAITING)
    assert not await firestore.commit(Commit(lease, execution=waiting, release=True))


async def test_a_message_around_the_end_keeps_the_lease_from_being_given_back(
    firestore: FirestoreStore,
) -> None:
    of, lease = await begun(firestore, "e")
    await firestore.post(Message("e", Command.STOP))
    await firestore.commit(Commit(lease, execution=replace(of, status=Status.FAILED)))
    assert not await firestore.commit(Commit(lease, release=True))
    (message,) = await firestore.inbox(firestore.worker)
    assert await firestore.commit(Commit(lease, consumed=[message.id], release=True))
    assert await firestore.holder("e") is None


async def test_a_message_of_the_own_event_keeps_the_lease(firestore: FirestoreStore) -> None:
    of, lease = await begun(firestore, "e")
    asked = question("e", kind=Wait.EVENT, event="done")
    await firestore.commit(Commit(lease, questions=[asked]))
    signal = Signal("s", "done", None, None, 1.0)
    waiting = replace(of, status=Status.WAITING)
    await firestore.commit(Commit(lease, execution=waiting, signals=[signal]))
    assert not await firestore.commit(Commit(lease, release=True))


async def test_what_waits_for_an_answer_is_known_as_waiting_when_it_is_given_back_later(
    firestore: FirestoreStore,
) -> None:
    """The commit that gives it back does not say so itself."""
    of, lease = await begun(firestore, "e", entries=[entry(1)])
    await firestore.commit(Commit(lease, execution=replace(of, status=Status.WAITING)))
    assert await firestore.commit(Commit(lease, release=True))
    assert await firestore.ready(firestore.worker, now=0) == []
    taken = await firestore.claim("e", firestore.worker)
    assert taken is not None
    assert await firestore.commit(Commit(taken, release=True))
    assert await firestore.ready(firestore.worker, now=0) == []
    await firestore.post(Message("e", Command.RESUME))
    assert await firestore.ready(firestore.worker, now=0) == ["e"]
