"""Whatever a letter did before somebody was killed is done to the same when it is read again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from assay.graphs.firing import FiringStatus

from .room import Room, open_room
from .test_conversation import ASKS, GREETS, WAITS, WANTS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path) as room:
        yield room


async def read_again(room: Room) -> None:
    """The newest letter, as if nobody had come to note that it was done with."""
    await room.leave()
    room.hold = True
    await room.enter()
    store = room.app.manager.store
    newest = (await store.firings(trigger="chat/room", limit=1)).items[0]
    told = {**newest.payload["told"], "firing": "", "execution": ""}
    back = replace(
        newest,
        status=FiringStatus.PENDING,
        payload={**newest.payload, "told": told},
        revision=newest.revision + 1,
    )
    assert await store.put_firing(back)
    room.hold = False
    await room.listen()


async def closed(room: Room) -> None:
    """Until every letter of the thread is read: those of one are read one after the other."""
    before = len(room.saying("**Commands**"))
    await room.say("help")
    await room.until(lambda: room.saying("**Commands**")[before:])


async def test_what_it_began_is_not_taken_for_what_it_answers(room: Room) -> None:
    """The question that its own execution asks is open when it is read again."""
    await room.workflow({**WANTS, "inputs": {"what": {"type": "string"}}}, match="{what...}")
    await room.say("12")
    await room.shows("Write the answer in this thread")

    await read_again(room)
    await room.say("7", mention=False)

    await room.shows("**wants** is done")
    (execution,) = await room.began("wants")
    assert execution.outputs == {"n": 7}
    assert len(room.saying("How many?")) == 1


async def test_an_answer_is_given_to_the_same_question(room: Room) -> None:
    await room.workflow(WANTS, match="count")
    await room.say("count")
    await room.shows("Write the answer in this thread")
    await room.say("12", mention=False)
    await room.shows("**wants** is done")

    await read_again(room)
    await closed(room)

    assert not room.saying("⚠️")
    assert len(await room.began("wants")) == 1


async def test_an_approval_is_not_given_to_the_next_question(room: Room) -> None:
    steps = [{**ASKS["steps"][0], "id": id} for id in ("one", "two")]  # type: ignore[index]
    await room.workflow({**ASKS, "steps": steps, "outputs": {}}, match="do {what}")
    await room.say("do it")
    await room.shows("Do it?")
    await room.say("approve")
    await room.until(lambda: room.saying("❓ Do it?")[1:])

    await read_again(room)
    await closed(room)

    (execution,) = await room.began("asks")
    asked = await room.app.manager.questions(execution_id=execution.id, status="open")
    assert [question.path for question in asked.items] == ["two"]


async def test_what_is_stopped_is_told_so_again(room: Room) -> None:
    await room.workflow(WAITS, match="wait for {text}")
    await room.say("wait for it")
    await room.shows("**waits** waits")
    await room.say("stop")
    await room.shows("**waits** is cancelled")

    await read_again(room)
    await closed(room)

    assert not room.saying("Nothing runs")
    assert not room.saying("⚠️")


async def test_the_execution_is_the_same(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    await room.say("greet Ada")
    await room.shows("Good day, Ada")

    await read_again(room)
    await closed(room)

    assert len(await room.began("greets")) == 1
    assert len(room.saying("Ada")) == 1


async def test_the_first_click_stays_the_first(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    await room.workflow({**GREETS, "name": "other"}, match="greet {who}")
    await room.say("greet Ada")
    offered = await room.shows("Which of these do you mean?")
    buttons = offered.card
    await room.click(offered, "other")
    await room.shows("**other** is done")
    await room.shows("Good day, Ada")

    await read_again(room)
    await closed(room)
    offered.cards.append(buttons)
    await room.click(offered, "other")

    await room.shows("'other' that was chosen already")
    assert len(await room.began("other")) == 1
