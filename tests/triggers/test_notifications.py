"""Whoever wants to know what becomes of executions is told: each event once, until it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import InvalidSpec, NotPossible
from assay.graphs.event import Event, EventType
from assay.graphs.firing import Firing, FiringStatus
from assay.triggers import service
from assay.triggers.notifications.notifier import (
    DEAD_IN_A_ROW,
    DELAYS,
    TO_ONE,
    TYPES,
    USUAL,
    Notifier,
)
from assay.triggers.notifications.sending import Sender
from assay.triggers.webhooks.delivery import Delivery
from assay.triggers.webhooks.verification import refusal

from ..deadlines import Deadlines
from .receivers import listening
from .signing import NOW, SECRET, verify_as
from .told import ASKS, SAYS, TOKEN, House, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as one:
        yield one


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[House]:
    """One in which nothing runs but what the test does."""
    async with opened(tmp_path, running=False) as one:
        yield one


async def test_the_end_of_an_execution_is_told_once_and_signed(house: House) -> None:
    async with listening() as there:
        await house.tells(there.url, secret="secret://hook", headers={"x-token": "secret://token"})
        execution = await house.app.start("says")
        await there.count(1)
        (firing,) = await house.deliveries(1)
        firing = await house.until(firing, FiringStatus.DELIVERED)

    (heard,) = there.heard
    assert firing.execution_id == execution.id
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["x-token"] == TOKEN
    assert heard.headers["webhook-id"] == firing.id
    assert (
        refusal(verify_as("standard"), [SECRET], Delivery(heard.body, heard.headers), NOW) is None
    )
    assert heard.json["type"] == "assay.execution.completed"
    assert heard.json["subject"] == execution.id
    told = heard.json["data"]["execution"]
    assert (told["status"], told["outputs"]) == ("completed", {"said": "done"})
    assert "inputs" not in told


async def test_only_what_is_wanted_is_told(house: House) -> None:
    async with listening() as there:
        await house.tells(there.url, on=["failed"], when="payload.subject != ''")
        await house.app.wait((await house.app.start("says")).id)
        failed = await house.app.start("says", {"fails": True})
        await there.count(1)

    (heard,) = there.heard
    assert heard.json["type"] == "assay.execution.failed"
    assert heard.json["subject"] == failed.id
    assert heard.json["data"]["execution"]["error"]["code"] == "assertion_failed"


async def test_a_condition_decides_over_what_would_be_told(house: House) -> None:
    async with listening() as there:
        await house.tells(there.url, when="payload.data.execution.status == 'failed'")
        await house.app.start("says")
        (first,) = await house.deliveries(1)
        await house.until(first, FiringStatus.SKIPPED)

    assert there.heard == []


async def test_questions_and_waiting_are_told_events_that_nobody_answers_are_not(
    house: House,
) -> None:
    async with listening() as there:
        await house.tells(there.url, ASKS, on=["question", "waiting", "cancelled"])
        execution = await house.app.start("asks")
        await there.count(2)
        (question,) = (await house.app.manager.questions(execution_id=execution.id)).items
        await house.app.manager.answer(question.id)
        await there.count(3)
        await house.app.manager.stop(execution.id)
        await there.count(4)

    types = sorted(each.json["type"].removeprefix("assay.") for each in there.heard)
    assert types == [
        "execution.cancelled",
        "execution.waiting",
        "execution.waiting",
        "question.asked",
    ]
    (asked,) = [each.json for each in there.heard if "question" in each.json["type"]]
    assert asked["data"]["question"]["id"] == question.id
    assert asked["data"]["question"]["message"] == "Ship it?"


async def test_nobody_can_have_something_told_that_did_not_happen(still: House) -> None:
    """It would be signed as if it had."""
    trigger = await still.tells("http://127.0.0.1:1/")

    with pytest.raises(NotPossible, match="what happens to executions"):
        await still.desk.fire(trigger, {"type": "assay.execution.completed"})


async def test_the_same_event_heard_again_is_told_once(still: House) -> None:
    """By every process that follows the log, and again after each restart."""
    trigger = await still.tells("http://127.0.0.1:1/")
    execution = await still.app.run("says")
    events = [e async for e in still.app.manager.events(execution.id) if e.type in TYPES]

    await asyncio.gather(*(still.notifier.heed(events) for _ in range(8)))
    await still.notifier.heed(events)

    (firing,) = (await still.desk.store.firings(trigger=trigger.id)).items
    assert firing.execution_id == execution.id


async def test_nobody_is_told_of_what_came_before_they_wanted_to_know(still: House) -> None:
    await still.app.manager.register(SAYS)
    execution = await still.app.run("says")
    events = [e async for e in still.app.manager.events(execution.id)]
    still.clock.now = 4e9
    trigger = await still.desk.create("says", {"type": "notification", "url": "http://a.example"})

    await still.notifier.heed(events)

    assert (await still.desk.store.firings(trigger=trigger.id)).items == []


async def test_an_execution_that_is_gone_is_passed_over(still: House) -> None:
    await still.tells("http://127.0.0.1:1/")
    gone = Event("0190b6c1-8f3e-7c4a-9d21-6f1b2c3d4e5f", EventType.EXECUTION_FAILED, "3000", seq=1)

    await still.notifier.heed([gone])


async def test_what_is_not_taken_is_sent_again_with_the_same_id_ever_later(
    still: House, deadlines: Deadlines
) -> None:
    async with listening(500, "close", "hang", 301, 404, 204) as there:
        trigger = await still.tells(there.url, secret="secret://hook")
        firing = await still.written(trigger)
        waits = []
        for attempt in range(1, 6):
            trying = asyncio.ensure_future(still.tried(firing, attempt, trigger))
            await there.count(attempt)
            if attempt == 3:
                await deadlines.end()
            tried = await trying
            assert tried.status is FiringStatus.PENDING
            assert tried.due is not None
            assert tried.reason
            waits.append(tried.due - still.clock.now)
            still.clock.now = tried.due
        done = await still.tried(firing, 6, trigger)

    assert done.status is FiringStatus.DELIVERED
    assert len({each.headers["webhook-id"] for each in there.heard}) == 1
    assert len({each.body for each in there.heard}) == 1
    assert len({each.headers["webhook-timestamp"] for each in there.heard}) == len(there.heard)
    for waited, usual in zip(waits, DELAYS, strict=False):
        assert usual <= waited <= usual * 1.2


async def test_after_eight_tries_in_hours_it_is_dead_and_can_be_sent_again(still: House) -> None:
    async with listening(503) as there:
        trigger = await still.tells(there.url)
        firing = await still.written(trigger)
        tried = [await still.tried(firing, attempt, trigger) for attempt in range(1, 9)]

        assert len(there.heard) == len(DELAYS) + 1 == 8
    assert 3 * 3600 < sum(DELAYS) < 6 * 3600
    assert [each.status for each in tried] == [FiringStatus.PENDING] * 7 + [FiringStatus.DEAD]
    assert tried[-1].reason == "it answered 503"


async def test_a_replayed_delivery_still_tells_of_the_same_execution(house: House) -> None:
    async with listening(410, 204) as there:
        await house.tells(there.url)
        execution = await house.app.start("says")
        (firing,) = await house.deliveries(1)
        await house.until(firing, FiringStatus.DEAD)
        await house.desk.replay(firing.id)
        firing = await house.until(firing, FiringStatus.DELIVERED)

    assert firing.execution_id == execution.id
    assert there.heard[0].body == there.heard[1].body
    assert len({each.headers["webhook-id"] for each in there.heard}) == 1


async def test_a_receiver_that_asks_for_time_gets_it(still: House) -> None:
    slow = "HTTP/1.1 429 No\r\nRetry-After: 900\r\nContent-Length: 0\r\n\r\n"
    async with listening(slow) as there:
        trigger = await still.tells(there.url)
        tried = await still.tried(await still.written(trigger), 1, trigger)

    assert tried.due == still.clock.now + 900


async def test_a_notification_whose_deliveries_all_die_is_switched_off_and_says_why(
    still: House,
) -> None:
    async with listening(410) as there:
        trigger = await still.tells(there.url)
        for number in range(DEAD_IN_A_ROW):
            assert (await still.desk.store.trigger(trigger.id)).enabled
            firing = await still.written(trigger, seq=number)
            assert (await still.tried(firing, 1, trigger)).status is FiringStatus.DEAD
        off = await still.desk.store.trigger(trigger.id)
        late = await still.tried(firing, 1, trigger)

    assert not off.enabled
    assert off.reason == ("5 deliveries failed one after the other; the last: it answered 410")
    assert (late.status, late.reason) == (FiringStatus.DEAD, "the notification is switched off")


async def test_one_that_arrives_in_between_lets_it_count_anew(still: House) -> None:
    async with listening(410, 410, 410, 410, 204, 410, 410, 410, 410) as there:
        trigger = await still.tells(there.url)
        for number in range(9):
            await still.tried(await still.written(trigger, seq=number), 1, trigger)

    assert (await still.desk.store.trigger(trigger.id)).enabled


async def test_addresses_inside_are_refused_at_once_unless_an_operator_allows_them(
    still: House,
) -> None:
    async with listening() as there:
        trigger = await still.tells(there.url)
        still.notifier = Notifier(still.desk, Sender())
        tried = await still.tried(await still.written(trigger), 1, trigger)

    assert tried.status is FiringStatus.DEAD
    assert "ASSAY_NOTIFY_PRIVATE" in tried.reason
    assert there.connections == 0


async def test_secrets_are_in_neither_body_nor_reason(house: House) -> None:
    echo = f"HTTP/1.1 410 Gone\r\nContent-Length: {len(TOKEN)}\r\n\r\n{TOKEN}"
    async with listening(echo) as there:
        await house.tells(there.url, headers={"authorization": "Bearer secret://token"})
        await house.app.start("says", {"secret": TOKEN})
        (firing,) = await house.deliveries(1)
        firing = await house.until(firing, FiringStatus.DEAD)

    assert there.heard[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN.encode() not in there.heard[0].body
    assert firing.reason == "it answered 410: [secret token]"


async def test_a_secret_that_is_missing_is_waited_for(still: House) -> None:
    async with listening() as there:
        trigger = await still.tells(there.url, secret="secret://later")
        tried = await still.tried(await still.written(trigger), 1, trigger)

    assert tried.status is FiringStatus.PENDING
    assert "ASSAY_SECRET_LATER" in tried.reason
    assert there.heard == []


async def test_what_there_is_no_room_for_waits_without_having_been_tried(
    still: House, deadlines: Deadlines
) -> None:
    """The longer a receiver takes, the later the others are looked at again."""
    async with listening("hang") as there:
        trigger = await still.tells(there.url)
        firings = [await still.written(trigger, seq=number) for number in range(TO_ONE + 2)]

        async def tried(those: list[Firing]) -> list[Firing]:
            heard = len(there.heard)
            trying = asyncio.gather(*(still.tried(each, 1, trigger) for each in those))
            await there.count(heard + TO_ONE)
            await asyncio.sleep(2 * USUAL)
            await deadlines.end()
            return await trying

        tries = await tried(firings)
        waits = [each for each in tries if not each.reason]
        heard = len(there.heard)
        await tried(firings[:TO_ONE])
        later = await tried(firings)

    assert heard == TO_ONE
    assert [each.attempts for each in waits] == [0, 0]
    assert all(each.status is FiringStatus.PENDING for each in tries)
    first, second = sorted(each.due or 0.0 for each in waits)
    assert still.clock.now < first < second
    slower = sorted(each.due or 0.0 for each in later if not each.reason)
    assert slower[1] - slower[0] > second - first


async def test_receivers_that_hang_do_not_hold_up_what_triggers_begin(house: House) -> None:
    async with listening("hang") as there:
        await house.tells(there.url)
        for _ in range(40):
            await house.app.start("says")
        await house.deliveries(40)
        await there.count(4)
        manual = await house.desk.create("says", {"type": "manual", "id": "by-hand"})
        firing = await house.desk.settled(await house.desk.fire(manual, {}), 60)

    assert firing.status is FiringStatus.STARTED


async def test_a_crash_between_telling_and_writing_it_down_tells_again_and_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "GRACE", 0.1)
    async with listening("hang", 204) as there:
        async with opened(tmp_path) as house:
            await house.tells(there.url)
            await house.app.start("says")
            await there.count(1)
        async with opened(tmp_path) as again:
            again.clock.now = NOW + 60
            (firing,) = await again.deliveries(1)
            await again.until(firing, FiringStatus.DELIVERED)

    assert [each.headers["webhook-id"] for each in there.heard] == [firing.id] * 2


async def test_what_ended_while_nobody_followed_is_told_afterwards(tmp_path: Path) -> None:
    async with listening() as there:
        async with opened(tmp_path) as house:
            await house.tells(there.url)
        async with opened(tmp_path, running=False) as alone:
            execution = await alone.app.run("says")
        async with opened(tmp_path):
            await there.count(1)

    assert there.heard[0].json["subject"] == execution.id


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"url": "ftp://a.example"}, "no address"),
        ({"url": "https://user:pass@a.example"}, "no name and password"),
        ({"url": "https://a.example", "secret": "plain"}, "secret://NAME"),
        ({"url": "https://a.example", "headers": {"Webhook-Id": "1"}}, "set by who sends"),
        ({"url": "https://a.example", "headers": {"a": "b\nc"}}, "ASCII"),
        ({"url": "https://a.example", "overlap": "queue"}, "not known"),
        ({"url": "https://a.example", "on": ["ended"]}, "not one of"),
        ({"url": "https://a.example", "type": "manual"}, "not known|`triggers`"),
        ({}, "missing"),
    ],
)
async def test_what_is_no_notification_is_refused(
    still: House, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidSpec, match=why):
        await still.app.manager.register({**SAYS, "notifications": [fields]})


async def test_a_notification_stands_among_notifications(still: House) -> None:
    wrong = {"type": "notification", "url": "https://a.example"}
    with pytest.raises(InvalidSpec, match="stands in `notifications`"):
        await still.app.manager.register({**SAYS, "triggers": [wrong]})
