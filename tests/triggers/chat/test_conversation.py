"""What people say to a bot, and what becomes of it, in the thread that they said it in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .room import ADA, BOB, EVE, Room, open_room

pytestmark = pytest.mark.anyio

GREETS = {
    "name": "greets",
    "description": "Greets somebody",
    "inputs": {"who": {"type": "string", "required": True}},
    "outputs": {"said": {"value": "{{ say.output }}"}},
    "steps": [
        {
            "id": "say",
            "type": "skill",
            "skill": "echo",
            "inputs": {"message": "Good day, {{ inputs.who }}"},
        }
    ],
}

ASKS = {
    "name": "asks",
    "inputs": {"what": {"type": "string", "required": True}},
    "outputs": {"by": {"value": "{{ ok.by }}"}},
    "steps": [{"id": "ok", "type": "approval", "message": "Do {{ inputs.what }}?"}],
}

WANTS = {
    "name": "wants",
    "outputs": {"n": {"value": "{{ number.output }}"}},
    "steps": [
        {"id": "number", "type": "approval", "message": "How many?", "schema": {"type": "integer"}}
    ],
}

WAITS = {
    "name": "waits",
    "inputs": {"text": {"type": "string", "default": ""}},
    "outputs": {"said": {"value": "{{ inputs.text }}"}},
    "steps": [{"id": "gate", "type": "wait_event", "event": "go", "key": "{{ inputs.text }}"}],
}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path) as room:
        yield room


async def test_what_fits_a_pattern_is_done_and_told_in_its_thread(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")

    await room.say('greet "Ada Lovelace"')

    status = await room.shows("**greets** is done")
    result = await room.shows("Good day, Ada Lovelace")
    assert {status.conversation.thread, result.conversation.thread} == {"1"}
    assert len(room.platform.messages) == 2
    (execution,) = await room.began("greets")
    assert execution.profile == "restricted"
    audit = await room.app.manager.store.audit(target="greets")
    assert (ADA.principal, True) in [(entry.principal, entry.allowed) for entry in audit.items]


async def test_what_comes_twice_is_done_once(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")

    for _ in range(3):
        await room.say("greet Ada", id="the same")

    await room.shows("is done")
    await room.say("greet Bob", id="another")
    await room.shows("Good day, Bob")
    assert len(await room.began("greets")) == 2


async def test_a_stranger_is_told_whom_to_ask_and_starts_nothing(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")

    await room.say("greet Ada", person=EVE)

    told = await room.shows("assay chat allow room T/eve")
    assert told.only == EVE
    assert await room.began("greets") == []


async def test_a_viewer_and_who_is_scoped_to_others_are_refused_kindly(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    await room.allow(BOB, "viewer")
    await room.allow(EVE, "operator", "other-*")

    await room.say("greet Ada", person=BOB)
    await room.say("greet Ada", person=EVE)

    refused = await room.until(lambda: room.saying("You may not start 'greets'")[1:])
    assert len(refused) == 1
    assert await room.began("greets") == []


async def test_everybody_has_the_role_that_the_settings_give(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.role = "operator"
    await room.enter()
    await room.workflow(GREETS, match="greet {who}")
    await room.say("greet Ada", person=EVE)
    await room.shows("is done")
    await room.leave()


async def test_what_people_say_to_each_other_is_left_alone(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")

    await room.say("greet Ada", mention=False)
    await room.say("how are you?", mention=False)
    await room.say("what is this?")

    await room.shows("I did not understand")
    assert len(room.platform.messages) == 1
    kept = await room.app.manager.store.firings(trigger="chat/room")
    assert [f.payload["came"]["text"] for f in kept.items if "others" in f.reason] == ["", ""]


async def test_help_and_list_show_what_this_person_may_start(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    await room.workflow({**GREETS, "name": "elsewhere"}, match="x {who}", platforms=["slack"])
    await room.allow(BOB, "operator", "other-*")

    await room.say("help")
    await room.say("list", person=BOB)

    assert "Greets somebody — say `greet {who}`" in (await room.shows("**Commands**")).text
    assert "elsewhere" not in (await room.shows("**Commands**")).text
    await room.shows("There is nothing here that you can start")


async def test_a_value_that_does_not_fit_is_said_before_anything_starts(room: Room) -> None:
    number = {**GREETS, "name": "counts", "inputs": {"who": {"type": "integer", "required": True}}}
    await room.workflow(number, match="count {who}")

    await room.say("count many")

    await room.shows("'who' must be a whole number, and 'many' is not")
    assert await room.began("counts") == []


async def test_an_approval_is_given_by_a_button_once(room: Room) -> None:
    await room.workflow(ASKS, match="do {what}")
    await room.allow(BOB)

    await room.say("do it")
    question = await room.shows("❓ Do it?")
    assert [b.text for b in question.card.buttons] == ["Approve", "Reject"]
    await room.click(question, "Approve")
    late = question.card
    await room.shows("✅ Approved by ada")
    question.cards.append(late)
    await room.click(question, "Reject", person=BOB)

    await room.shows("has been answered by 'ada' already")
    await room.shows("**asks** is done")
    assert question.conversation.thread == "1"


async def test_only_an_approver_approves(room: Room) -> None:
    steps = [{**ASKS["steps"][0], "approvers": ["bob"]}]  # type: ignore[index]
    await room.workflow({**ASKS, "steps": steps}, match="do {what}")
    await room.allow(BOB)

    await room.say("do it")
    question = await room.shows("❓ Do it?")
    await room.click(question, "Approve")
    await room.shows("'ada' may not answer")
    await room.click(question, "Approve", person=BOB)

    await room.shows("**asks** is done")


async def test_an_approval_is_given_or_refused_by_text(room: Room) -> None:
    await room.workflow(ASKS, match="do {what}")

    await room.say("do one", "1")
    await room.say("do two", "2")
    await room.shows("❓ Do one?")
    await room.shows("❓ Do two?")
    await room.say("approve", "1", mention=False)
    await room.say("reject not today", "2", mention=False)

    await room.shows("**asks** is done", "1")
    await room.shows("❌ Rejected by ada: not today", "2")
    await room.shows("**asks** failed", "2")


async def test_a_question_that_wants_a_value_is_answered_by_the_next_message(room: Room) -> None:
    await room.workflow(WANTS, match="count")

    await room.say("count")
    await room.shows("Write the answer in this thread")
    await room.say("a few", mention=False)
    await room.shows("does not fit")
    await room.say("12", mention=False)

    await room.shows("**wants** is done")
    (execution,) = await room.began("wants")
    assert execution.outputs == {"n": 12}


async def test_what_runs_is_shown_and_stopped(room: Room) -> None:
    await room.workflow(WAITS, match="wait for {text}")

    await room.say("wait for it")
    await room.shows("**waits** waits")
    await room.say("status", mention=False)
    (execution,) = await room.began("waits")
    await room.shows(f"(`{execution.id}`)")
    await room.say("stop", mention=False)

    await room.shows("🛑 **waits** was stopped")
    await room.say("stop", mention=False)
    await room.shows("Nothing runs in this thread")


async def test_two_triggers_that_fit_as_well_are_offered(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    await room.workflow({**GREETS, "name": "other"}, match="greet {who}")

    await room.say("greet Ada")
    offered = await room.shows("Which of these do you mean?")
    buttons = offered.card
    await room.click(offered, "other")
    await room.shows("**other** is done")
    offered.cards.append(buttons)
    await room.click(offered, "greets")

    await room.shows("'other' that was chosen already")
    assert len(await room.began("other")) == 1
    assert await room.began("greets") == []


async def test_the_pattern_that_says_more_is_meant(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who...}")
    await room.workflow({**GREETS, "name": "loud"}, match="greet loudly {who}")

    await room.say("greet loudly Ada")

    await room.shows("**loud** is done")
    assert await room.began("greets") == []


async def test_a_thread_goes_on_with_what_began_it(room: Room) -> None:
    """Whatever else is said in it takes the place of what captured the rest."""
    inputs = {"what": {"type": "string"}, "conversation": {"type": "string"}}
    steps = [
        {
            "id": "say",
            "type": "skill",
            "skill": "echo",
            "inputs": {"message": "{{ inputs.what }} in {{ inputs.conversation }}"},
        }
    ]
    await room.workflow({**GREETS, "inputs": inputs, "steps": steps}, match="ask {what...}")

    await room.say("ask why is it so")
    await room.shows("why is it so in room/T/general/1")
    await room.say("and since when?", mention=False)

    await room.shows("and since when? in room/T/general/1")


async def test_what_fails_says_why(room: Room) -> None:
    fails = {"name": "fails", "steps": [{"id": "no", "type": "assert", "condition": "1 == 2"}]}
    await room.workflow(fails, match="fail")

    await room.say("fail")

    told = await room.shows("❌ **fails** failed")
    assert "✗ `no`" in told.text


async def test_a_platform_that_is_away_is_told_the_last_state(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    room.platform.down = 3

    await room.say("greet Ada")

    await room.shows("**greets** is done")
    await room.shows("Good day, Ada")


async def test_a_post_whose_answer_is_lost_is_not_posted_again(room: Room) -> None:
    await room.workflow(GREETS, match="greet {who}")
    room.platform.lose = 1

    await room.say("greet Ada")

    await room.shows("**greets** is done")
    await room.shows("Good day, Ada")
    assert len(room.platform.messages) == 2
