"""Chat goes on after what failed: the store, a platform, a letter that was given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import PlatformRefused, StoreUnavailable
from assay.graphs.firing import FiringStatus, firing_id
from assay.triggers.chat.adapter import Card, Conversation, Receive, Ref
from assay.triggers.chat.letters import slot

from .room import ADA, Platform, Room
from .test_conversation import GREETS

pytestmark = pytest.mark.anyio


class Listening(Platform):
    """Comes to the bot over a connection of its own; `refuses` while it posts nothing."""

    listened = 0
    refuses = False

    async def listen(self, receive: Receive) -> None:
        self.listened += 1
        await asyncio.Event().wait()

    async def post(self, conversation: Conversation, card: Card, **how: Any) -> Ref:
        if self.refuses:
            raise PlatformRefused("no such channel")
        return await super().post(conversation, card, **how)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """Where nobody deals with anything until `listen`."""
    room = Room(tmp_path)
    room.platform, room.hold = Listening(), True
    await room.enter()
    await room.allow(ADA)
    await room.workflow(GREETS, match="greet {who}")
    yield room
    await room.leave()


async def test_a_store_that_is_away_for_a_moment_breaks_no_connection(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = room.app.manager.store
    listed, failed = store.firings, asyncio.Event()

    async def away_once(**asked: Any) -> Any:
        if asked.get("trigger") == slot("room") and not failed.is_set():
            failed.set()
            raise StoreUnavailable("locked")
        return await listed(**asked)

    monkeypatch.setattr(store, "firings", away_once)
    await room.listen()
    async with asyncio.timeout(60):
        await failed.wait()

    await room.say("greet Ann")

    await room.shows("Good day, Ann")
    assert isinstance(room.platform, Listening)
    assert room.platform.listened == 1


async def test_a_letter_that_was_given_up_can_be_replayed(room: Room) -> None:
    platform, desk = room.platform, room.app.triggers.desk
    assert isinstance(platform, Listening)
    platform.refuses = True
    await room.listen()
    letter = firing_id(slot("room"), await room.say("help"))
    async with asyncio.timeout(60):
        while (  # noqa: ASYNC110 - nothing tells of it
            dead := await desk.store.firing(letter)
        ).status.open:
            await asyncio.sleep(0.02)
    assert (dead.status, dead.reason) == (FiringStatus.DEAD, "no such channel")

    platform.refuses = False
    await desk.replay(letter)

    await room.shows("**Commands**")
