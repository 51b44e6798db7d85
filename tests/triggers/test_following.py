"""Whoever follows what happens to executions is handed all of it, whoever is killed meanwhile."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assay.api.app import open_app
from assay.graphs.event import Event, EventType
from assay.graphs.firing import lane_id
from assay.triggers import place
from assay.triggers.place import WATCH
from assay.triggers.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from assay.api.app import App
    from assay.graphs.firing import Lane

pytestmark = pytest.mark.anyio

ENDS = {EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED}
ECHO = {"name": "a", "steps": [{"id": "s", "type": "skill", "skill": "echo", "inputs": {}}]}


class Taken:
    """What was handed on, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = asyncio.Event()

    async def take(self, events: Sequence[Event]) -> None:
        self.events += events
        self._more.set()

    async def until(self, *execution_ids: str) -> None:
        async with asyncio.timeout(60):
            while not set(execution_ids) <= {event.execution_id for event in self.events}:
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def watching(app: App, taken: Taken, name: str = "test") -> AsyncIterator[None]:
    """From its beginning on."""
    store = app.manager.store
    task = asyncio.create_task(Watch(store, app.bus, name, ENDS, taken.take).run())
    try:
        await _until(lambda: store.lane(lane_id(WATCH, name)))
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_begins_now_and_is_handed_what_comes(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        before, taken = await app.run(ECHO), Taken()
        async with watching(app, taken):
            after = await app.run(ECHO)
            await taken.until(after.id)
        assert before.id not in {event.execution_id for event in taken.events}
        (event,) = taken.events
        assert (event.type, event.execution_id) == (EventType.EXECUTION_COMPLETED, after.id)


async def test_what_happened_while_nobody_watched_is_handed_on_later(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        async with watching(app, Taken()):
            pass
        meanwhile = [await app.run(ECHO) for _ in range(3)]
        taken = Taken()
        async with watching(app, taken):
            await taken.until(*(each.id for each in meanwhile))
        assert [event.execution_id for event in taken.events] == [each.id for each in meanwhile]


async def test_the_place_is_kept_so_that_a_restart_does_not_begin_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "KEEP", 0.0)
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        taken, again = Taken(), Taken()
        async with watching(app, taken):
            first = await app.run(ECHO)
            await taken.until(first.id)
            await _until(lambda: _caught_up(app))
        second = await app.run(ECHO)
        async with watching(app, again):
            await again.until(second.id)
        assert first.id not in {event.execution_id for event in again.events}


async def test_the_log_is_not_read_while_nobody_wants_to_know(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        store, taken, wanting = app.manager.store, Taken(), False
        asked = asyncio.Event()

        async def wanted() -> bool:
            asked.set()
            return wanting

        following = Watch(store, app.bus, "test", ENDS, taken.take, wanted)
        task = asyncio.create_task(following.run())
        async with asyncio.timeout(60):
            await asked.wait()
        unwanted = await app.run(ECHO)
        asked.clear()
        following.look()
        async with asyncio.timeout(60):
            await asked.wait()
        meanwhile = await app.run(ECHO)
        wanting = True
        following.look()
        wanted_of = await app.run(ECHO)
        await taken.until(meanwhile.id, wanted_of.id)
        assert unwanted.id not in {event.execution_id for event in taken.events}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_could_not_be_taken_is_handed_on_again(tmp_path: Path) -> None:
    class Stubborn(Taken):
        refused = 0

        async def take(self, events: Sequence[Event]) -> None:
            if self.refused < 3:
                self.refused += 1
                raise RuntimeError("not now")
            await super().take(events)

    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        taken = Stubborn()
        async with watching(app, taken):
            ran = await app.run(ECHO)
            await taken.until(ran.id)
        assert (taken.refused, len(taken.events)) == (3, 1)


async def test_of_two_that_watch_under_one_name_one_reads_and_then_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that ends says so; the other need not wait until its turn has lapsed."""
    monkeypatch.setattr(place, "HOLD", 2.0)
    async with (
        open_app(home=tmp_path, workspace=tmp_path) as one,
        open_app(home=tmp_path, workspace=tmp_path) as other,
    ):
        here, there = Taken(), Taken()
        async with watching(other, there):
            first = await one.run(ECHO)
            await there.until(first.id)
            async with watching(one, here):
                second = await one.run(ECHO)
                await there.until(second.id)
            assert here.events == []
        async with watching(one, here):
            third = await other.run(ECHO)
            await here.until(third.id)
        both = [event.execution_id for event in (*there.events, *here.events)]
        assert both == [first.id, second.id, third.id]


async def test_whose_clock_is_far_ahead_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        store = app.manager.store
        ahead, behind = place.Place(store, "test"), place.Place(store, "test")
        assert await ahead.turn()
        assert not await behind.turn()
        lane = await ahead.mark()
        document = {**lane.document, "until": 2 * time.time()}
        assert await store.put_lane(replace(lane, document=document, revision=lane.revision + 1))
        assert await behind.turn()


async def test_a_place_that_the_store_does_not_reach_is_given_up_for_now(tmp_path: Path) -> None:
    async with open_app(home=tmp_path / "old", workspace=tmp_path) as app:
        await app.run(ECHO)
        async with watching(app, Taken()):
            (lane,) = [await app.manager.store.lane(lane_id(WATCH, "test"))]
    assert lane is not None
    async with open_app(home=tmp_path / "new", workspace=tmp_path) as app:
        lane = replace(lane, document={"cursor": lane.document["cursor"]}, revision=0)
        assert await app.manager.store.put_lane(lane)
        taken = Taken()
        async with watching(app, taken):
            await _until(lambda: _moved(app, lane))
            ran = await app.run(ECHO)
            await taken.until(ran.id)


KILLED = """
import asyncio, sys
from assay.api.app import open_app
from assay.graphs.event import EventType
from assay.triggers import place
from assay.triggers.watch import Watch

place.HOLD = 1.0

async def main(home):
    async with open_app(home=home, workspace=home) as app:
        async def take(events):
            print(*(event.execution_id for event in events), flush=True)
            await asyncio.Event().wait()  # until it is killed, having taken nothing

        await Watch(
            app.manager.store, app.bus, "test", {EventType.EXECUTION_COMPLETED}, take
        ).run()

asyncio.run(main(sys.argv[1]))
"""


async def test_whoever_is_killed_with_events_in_hand_leaves_them_to_the_next(
    tmp_path: Path,
) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        async with watching(app, Taken()):
            pass
        ran = await app.run(ECHO)
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert killed.stdout is not None
        async with asyncio.timeout(60):
            assert (await killed.stdout.readline()).split() == [ran.id.encode()]
        killed.kill()
        await killed.wait()
        taken = Taken()
        async with watching(app, taken):
            await taken.until(ran.id)


async def _caught_up(app: App) -> bool:
    lane = await app.manager.store.lane(lane_id(WATCH, "test"))
    assert lane is not None
    return not await app.manager.store.log(after=str(lane.document["cursor"]))


async def _moved(app: App, lane: Lane) -> bool:
    there = await app.manager.store.lane(lane.id)
    return there is not None and there.document["cursor"] != lane.document["cursor"]


async def _until(true: Callable[[], Awaitable[object]]) -> None:
    """The store tells nobody who is not in its process."""
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110 - another process may be the one who writes
            await asyncio.sleep(0.02)
