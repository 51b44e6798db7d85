"""One process tells one execution much at once: nothing of it is tried again and again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun, parked, question

from assay.graphs.lease import Command, Message
from assay.graphs.question import Answer

if TYPE_CHECKING:
    from collections import Counter

    from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio

MANY = 100


async def test_each_message_is_one_commit(firestore: FirestoreStore, calls: Counter[str]) -> None:
    _, lease = await begun(firestore, "a")
    calls.clear()

    messages = [Message("a", Command.SIGNAL, {"number": n}) for n in range(MANY)]
    await asyncio.gather(*map(firestore.post, messages))

    assert calls["commit"] == MANY
    assert len(await firestore.inbox(lease.worker)) == MANY


async def test_each_answer_is_one_commit(firestore: FirestoreStore, calls: Counter[str]) -> None:
    asked = [question("a", f"ask{n}") for n in range(MANY)]
    await parked(firestore, "a", *asked)
    calls.clear()

    answers = [replace(q.answered(Answer(at="")), revision=q.revision + 1) for q in asked]
    given = await asyncio.gather(*map(firestore.answer, answers))

    assert all(given)
    assert calls["commit"] == MANY
