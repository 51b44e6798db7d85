"""Several that serve one store: each takes in what comes, and one tells, until it is gone."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .room import Room, open_room
from .test_conversation import ASKS, GREETS

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "firestore"])
async def rooms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Room, Room]]:
    """Two desks over one store, before one platform."""
    store = None
    if request.param == "firestore":
        request.getfixturevalue("emulated")
        store = f"firestore://test-{secrets.token_hex(8)}"
    async with open_room(tmp_path, store=store) as first:
        second = Room(tmp_path, store=store)
        second.platform = first.platform
        await first.workflow(GREETS, match="greet {who}")
        await first.workflow(ASKS, match="do {what}")
        await second.enter()
        yield first, second
        await second.leave()


async def test_what_any_of_them_takes_in_is_done_and_told_once(rooms: tuple[Room, Room]) -> None:
    first, second = rooms

    for number in range(4):
        for room in rooms:
            await room.say(f"greet {number}", str(number), id=f"said {number}")

    for number in range(4):
        await first.shows(f"Good day, {number}", str(number))
        await first.shows("**greets** is done", str(number))
    assert len(await second.began("greets")) == 4
    assert len(first.platform.messages) == 8


async def test_another_goes_on_with_what_one_has_begun(rooms: tuple[Room, Room]) -> None:
    first, second = rooms
    await first.say("do it")
    question = await first.shows("Do it?")

    await first.leave()
    await second.click(question, "Approve")

    await second.shows("Approved by ada")
    await second.shows("**asks** is done")
    await second.until(lambda: second.platform.messages[2:])
    assert len(second.platform.messages) == 3
