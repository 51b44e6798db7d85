"""The clock fires what is due: once each, whenever somebody looks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from assay.api.app import open_app
from assay.graphs.errors import InvalidInput, NotPossible
from assay.graphs.firing import Firing, Trigger
from assay.graphs.units import format_time
from assay.triggers import clock as clocks
from assay.triggers.clock import backfill

from .ticking import HOUR, NOON, WORKFLOW, House, opened

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "graphs" / "examples"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


async def test_nothing_fires_before_it_is_due(house: House) -> None:
    trigger = await house.cron()

    await house.at(NOON + HOUR - 1)
    early = await house.fired(trigger)
    await house.at(NOON + HOUR)

    assert (early, await house.fired(trigger)) == ([], ["13:00"])


async def test_late_looks_do_not_move_the_next_time(house: House) -> None:
    trigger = await house.cron()
    for hour in range(1, 6):
        await house.at(NOON + hour * HOUR + 17.3)
        kept = await house.desk.store.trigger(trigger.id)
        assert kept.next_at == NOON + (hour + 1) * HOUR
        assert kept.memory == {"last": format_time(NOON + hour * HOUR)}

    assert await house.fired(trigger) == ["13:00", "14:00", "15:00", "16:00", "17:00"]


async def test_it_knows_when_to_look_again(house: House) -> None:
    await house.cron()
    await house.cron(id="minutely", schedule="* * * * *")

    assert await house.clock.look() == clocks.LOOK
    house.time = NOON + 58
    assert await house.clock.look() == 2
    house.time = NOON + 60
    assert await house.clock.look() == clocks.LOOK
    house.time = NOON + HOUR - 3
    assert await house.clock.look() == 3


async def test_what_comes_is_told_on_the_clocks_there(house: House) -> None:
    trigger = await house.cron(timezone="Europe/Rome")

    await house.at(NOON + HOUR)

    (firing,) = await house.firings(trigger)
    assert firing.payload == {
        "due": "2026-03-02T13:00:00Z",
        "scheduled_at": "2026-03-02T14:00:00+01:00",
        "timezone": "Europe/Rome",
    }


@pytest.mark.parametrize(
    ("catch_up", "late", "times"),
    [
        ("none", 31, []),
        ("none", 29, ["16:00"]),
        ("one", 31, ["16:00"]),
        ("one", 29, ["16:00"]),
        ("all", 31, ["13:00", "14:00", "15:00", "16:00"]),
        ("all", 29, ["13:00", "14:00", "15:00", "16:00"]),
    ],
)
async def test_what_was_missed_is_made_up_for_as_it_says(
    house: House, catch_up: str, late: float, times: list[str]
) -> None:
    trigger = await house.cron(catch_up=catch_up)

    await house.at(NOON + 4 * HOUR + late)
    await house.at(NOON + 4 * HOUR + late + 1)

    assert await house.fired(trigger) == times


async def test_a_look_that_is_a_little_late_fires_every_second_that_has_passed(
    house: House,
) -> None:
    trigger = await house.cron(schedule="* * * * * *", seconds=True, catch_up="none")

    await house.at(NOON + 3.5)
    await house.at(NOON + 5)

    assert len(await house.firings(trigger)) == 5


async def test_no_more_is_made_up_for_than_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clocks, "MADE_UP", 2)
    trigger = await house.cron(catch_up="all")

    with caplog.at_level(logging.WARNING, "assay.triggers"):
        await house.at(NOON + 2 * HOUR)
        silent = list(caplog.messages)
        await house.at(NOON + 6 * HOUR)

    assert await house.fired(trigger) == ["13:00", "14:00", "17:00", "18:00"]
    assert silent == []
    assert caplog.messages == [
        "trigger w.cron: the times from 2026-03-02T15:00:00Z until before 2026-03-02T17:00:00Z "
        "are not made up for: 2 are at most"
    ]


async def test_what_was_due_while_it_was_off_is_not_made_up_for(house: House) -> None:
    trigger = await house.cron(catch_up="all")
    await house.desk.enable(trigger.id, False)
    await house.at(NOON + 3 * HOUR + 1)
    await house.desk.enable(trigger.id, True)

    await house.at(NOON + 3 * HOUR + 2)
    await house.at(NOON + 4 * HOUR)

    assert await house.fired(trigger) == ["16:00"]


async def test_it_ends_with_its_end(house: House) -> None:
    trigger = await house.cron(end="2026-03-02T14:00:00Z", catch_up="all")

    await house.at(NOON + 9 * HOUR)

    assert await house.fired(trigger) == ["13:00", "14:00"]
    assert (await house.desk.store.trigger(trigger.id)).next_at is None


async def test_a_schedule_that_was_changed_begins_anew(house: House) -> None:
    declared = {**WORKFLOW, "name": "d", "triggers": [{"type": "cron", "schedule": "@hourly"}]}
    other = {"type": "cron", "schedule": "30 * * * *", "catch_up": "all"}
    await house.app.manager.register({**declared, "version": "1"})
    await house.desk.declare("d")
    house.time = NOON + HOUR - 1
    await house.app.manager.register({**declared, "version": "2", "triggers": [other]})
    await house.desk.declare("d")

    await house.at(NOON + 3 * HOUR)

    assert await house.fired(await house.desk.store.trigger("d.cron")) == ["13:30", "14:30"]


async def test_jitter_puts_the_beginning_off_not_the_time(house: House) -> None:
    trigger = await house.cron(jitter="30m")

    await house.at(NOON + HOUR)

    (firing,) = await house.firings(trigger)
    assert firing.payload["due"] == "2026-03-02T13:00:00Z"
    assert firing.due is not None
    assert 0 < firing.due - NOON - HOUR < 1800


async def test_one_that_cannot_be_read_does_not_hold_up_the_others(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.app.manager.register({**WORKFLOW, "name": "gone"})
    lost = await house.desk.create("gone", {"type": "cron", "schedule": "@hourly"})
    kept = await house.cron()
    await house.desk.store.delete_workflow("gone", "1")

    with caplog.at_level(logging.WARNING, "assay.triggers"):
        await house.at(NOON + HOUR)
        await house.at(NOON + 2 * HOUR)

    assert await house.fired(kept) == ["13:00", "14:00"]
    assert await house.fired(lost) == []
    (message,) = caplog.messages
    assert message.startswith("trigger gone.cron cannot be fired: ")


async def test_it_is_woken_by_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it not, it would look again in an hour."""
    monkeypatch.setattr(clocks, "LOOK", HOUR)
    async with open_app(home=tmp_path, workspace=tmp_path, environ={}) as app:
        fired = asyncio.Event()
        async with app.triggers.running():
            desk = app.triggers.desk
            heard = desk.fired

            def hear(firing: Firing) -> None:
                heard(firing)
                fired.set()

            desk.fired = hear
            await app.register(WORKFLOW)
            await desk.create("w", {"type": "cron", "seconds": True, "schedule": "* * * * * *"})
            async with asyncio.timeout(60):
                await fired.wait()


async def test_a_range_is_backfilled_once(house: House) -> None:
    trigger = await house.cron()
    await house.at(NOON + 2 * HOUR)

    first = await backfill(house.desk, trigger, NOON - HOUR, NOON + 2 * HOUR, by="ada")
    again = await backfill(house.desk, trigger, NOON, NOON + 2 * HOUR)

    assert [firing.payload["due"][11:16] for firing in first] == [
        "11:00",
        "12:00",
        "13:00",
        "14:00",
    ]
    assert [firing.id for firing in again] == [firing.id for firing in first[1:]]
    assert {firing.by for firing in first} == {"ada"}
    assert await house.fired(trigger) == ["11:00", "12:00", "13:00", "14:00", "14:00"]


async def test_what_cannot_be_backfilled_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "MADE_UP", 10)
    trigger = await house.cron()
    minutely = await house.cron(id="m", schedule="* * * * *")
    by_hand = await house.desk.create("w", {"type": "manual"})
    off = await house.desk.enable((await house.cron(id="off")).id, False)

    async def message(kind: type[Exception], trigger: Trigger, start: float, end: float) -> str:
        with pytest.raises(kind) as refused:
            await backfill(house.desk, trigger, start, end)
        return str(refused.value)

    assert "a later one that has passed" in await message(InvalidInput, trigger, NOON, NOON - 1)
    assert "that has passed" in await message(InvalidInput, trigger, NOON, NOON + 1)
    assert "only those of the clock have a past" in await message(
        NotPossible, by_hand, NOON - HOUR, NOON
    )
    assert "switched off" in await message(NotPossible, off, NOON - HOUR, NOON)
    assert "more than 10 times" in await message(InvalidInput, minutely, NOON - 10 * 60, NOON)
    assert len(await backfill(house.desk, minutely, NOON - 9 * 60, NOON)) == 10


async def test_the_example_reports_each_working_day(house: House) -> None:
    workflow = await house.app.manager.register(EXAMPLES / "on-schedule.yaml")
    house.time = datetime.fromisoformat("2026-03-27T07:30:00Z").timestamp()
    await house.desk.declare(workflow.name)
    trigger = await house.desk.store.trigger("schedule.cron")

    reports = list[Any]()
    async with house.app.triggers.running():
        for due in ("2026-03-27T08:00:00Z", "2026-03-30T07:00:00Z"):
            await house.at(datetime.fromisoformat(due).timestamp())
            firing = await house.desk.settled((await house.firings(trigger))[0], 30)
            reports.append((await house.app.wait(firing.execution_id)).outputs["report"])

    assert reports == [
        "Report of 2026-03-27T09:00:00+01:00",
        "Report of 2026-03-30T09:00:00+02:00",
    ]
