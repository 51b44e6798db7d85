"""Who listens to all executions is told every durable event once, each execution's in order."""

from __future__ import annotations

import asyncio
import gc
from collections import defaultdict
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

import pytest

from assay.api import feed
from assay.api.app import open_app
from assay.api.feed import Where, events_of_all
from assay.graphs.errors import InvalidInput
from assay.graphs.event import Event, EventType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from assay.api.app import App
    from assay.api.feed import Placed
    from assay.graphs.stored import Logged

pytestmark = pytest.mark.anyio

ECHO = {"type": "skill", "skill": "echo", "inputs": {"message": "x"}}


def steps(name: str, count: int) -> Mapping[str, object]:
    return {"name": name, "steps": [{"id": f"s{n}", **ECHO} for n in range(count)]}


async def test_backlog_and_what_happens_meanwhile_are_one_stream(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        before = [await app.run(steps("a", 5)) for _ in range(2)]
        reading = asyncio.ensure_future(_until_ended(app, 5, after=""))
        meanwhile = await asyncio.gather(*(app.run(steps("b", 8)) for _ in range(3)))
        told = await reading
        for execution in (*before, *meanwhile):
            assert _of(told, execution.id) == await _journal(app, execution.id)


async def test_from_every_cursor_the_rest_follows(tmp_path: Path) -> None:
    """Also from within an entry of several events."""
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        for _ in range(2):
            await app.run(steps("a", 4))
        told = await _until_ended(app, 2, after="")
        assert len({each.cursor for each in told}) == len(told)
        for number, each in enumerate(told[:-1], 1):
            async with aclosing(events_of_all(app.manager, after=each.cursor)) as rest:
                assert [await anext(rest) for _ in told[number:]] == told[number:]


async def test_what_happened_while_nobody_listened_is_told(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        told: list[Placed] = []
        for _ in range(2):
            ran = await app.run(steps("a", 2))
            after = told[-1].cursor if told else ""
            async with aclosing(events_of_all(app.manager, after=after)) as events:
                told = await asyncio.wait_for(_drain(events, 1), 60)
                # Until the reader holds the end of the log.
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.3)
            assert _of(told, ran.id) == await _journal(app, ran.id)


async def test_without_a_cursor_it_begins_now(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        await app.run(steps("a", 2))
        begun = asyncio.Event()
        told = events_of_all(app.manager, reached=lambda _: begun.set())
        async with aclosing(told) as events:
            first = asyncio.ensure_future(anext(events))
            await begun.wait()
            later = await app.run(steps("a", 2))
            assert (await first).event.execution_id == later.id
            assert (await first).event.seq == 1


async def test_who_falls_behind_what_is_held_is_told_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HELD", 3)
    async with (
        open_app(home=tmp_path, workspace=tmp_path) as app,
        aclosing(events_of_all(app.manager, after="")) as slow,
        aclosing(events_of_all(app.manager, after="")) as quick,
    ):
        first = asyncio.ensure_future(anext(slow))
        draining = asyncio.ensure_future(_drain(quick, 4))
        ran = await asyncio.gather(*(app.run(steps("a", 10)) for _ in range(4)))
        told = [await first, *await _drain(slow, 4)]
        assert told == await draining
        for execution in ran:
            assert _of(told, execution.id) == await _journal(app, execution.id)


async def test_what_another_process_runs_is_told_too(tmp_path: Path) -> None:
    async with (
        open_app(home=tmp_path, workspace=tmp_path) as mine,
        open_app(home=tmp_path, workspace=tmp_path) as its,
    ):
        reading = asyncio.ensure_future(_until_ended(mine, 2, after=""))
        ran = [await its.run(steps("a", 3)), await mine.run(steps("a", 3))]
        told = await reading
        for execution in ran:
            assert _of(told, execution.id) == await _journal(mine, execution.id)


async def test_only_what_is_wanted_and_visible_is_told(tmp_path: Path) -> None:
    reached: list[str] = []
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        for name in ("build-a", "build-b", "ship"):
            await app.run(steps(name, 2))
        where = Where.of("build-*", ["ExecutionCompleted"])
        told = events_of_all(
            app.manager, where, after="", visible=lambda n: n != "build-a", reached=reached.append
        )
        async with aclosing(told):
            placed = await anext(told)
            waiting = asyncio.ensure_future(anext(told))
            every = await _until_ended(app, 3, after="")
            async with asyncio.timeout(60):
                while reached[-1:] != [every[-1].cursor]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    assert placed.event.type is EventType.EXECUTION_COMPLETED
    assert placed in every


@pytest.mark.parametrize("wrong", ["x", "1|a", "1|a|x", "1||2", "-3"])
async def test_what_is_no_cursor_is_refused(tmp_path: Path, wrong: str) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        with pytest.raises(InvalidInput, match="no cursor"):
            await anext(events_of_all(app.manager, after=wrong))


@pytest.mark.parametrize("type", ["Token", "x"])
def test_only_kept_events_can_be_asked_for(type: str) -> None:
    with pytest.raises(InvalidInput, match="no type of event that is kept"):
        Where.of(types=[type])


async def test_when_nobody_listens_nothing_is_read(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        async with aclosing(events_of_all(app.manager, after="")) as events:
            await app.run(steps("a", 2))
            await _drain(events, 1)
            assert len(_readers()) == 1
        async with asyncio.timeout(60):
            while _readers():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_only_so_many_events_are_held_however_many_listen_and_how_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HELD", 100)
    monkeypatch.setattr(feed, "PAGE", 10)
    listeners = 20
    async with open_app(home=tmp_path, workspace=tmp_path) as app, AsyncExitStack() as stack:
        slow = [
            await stack.enter_async_context(aclosing(events_of_all(app.manager, after="")))
            for _ in range(listeners)
        ]
        first = [asyncio.ensure_future(anext(each)) for each in slow]
        await asyncio.gather(*(app.run(steps("a", 100)) for _ in range(10)))
        await asyncio.gather(*first)
        end = await app.manager.store.log_end()
        async with aclosing(events_of_all(app.manager, after="")) as quick:
            told = await _drain(quick, 10)
        assert told[-1].cursor == end
        assert len(told) > 2000
        del told
        # An entry is three events here at most.
        assert _alive() < 100 + 3 * 10 * listeners + 100


def _alive() -> int:
    gc.collect()
    return sum(type(each) is Event for each in gc.get_objects())


def _readers() -> list[object]:
    return [each for each in asyncio.all_tasks() if "Feed._read" in repr(each)]


async def _until_ended(app: App, count: int, *, after: str) -> list[Placed]:
    async with aclosing(events_of_all(app.manager, after=after)) as events:
        return await _drain(events, count)


async def _drain(events: object, count: int) -> list[Placed]:
    told: list[Placed] = []
    async with asyncio.timeout(60):
        async for placed in events:  # type: ignore[attr-defined]
            told.append(placed)
            count -= placed.event.type is EventType.EXECUTION_COMPLETED
            if not count:
                return told
    raise AssertionError("it ended")


async def _journal(app: App, id: str) -> list[int]:
    return [event.seq async for event in app.manager.events(id)]


def _of(told: list[Placed], id: str) -> list[int]:
    seqs = defaultdict(list)
    for placed in told:
        seqs[placed.event.execution_id].append(placed.event.seq)
    return seqs[id]


async def test_what_is_said_without_being_kept_has_nothing_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of a model is no news of the log: each would be a query, which costs money there."""
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        store, words, reads = app.manager.store, 500, 0
        log = store.log

        async def counted(*, after: str, limit: int = 1000) -> Sequence[Logged]:
            nonlocal reads
            reads += 1
            return await log(after=after, limit=limit)

        monkeypatch.setattr(store, "log", counted)
        async with aclosing(events_of_all(app.manager, after="")) as events:
            ran = await app.run(steps("a", 1))
            assert (await anext(events)).event.execution_id == ran.id
            word = Event(ran.id, EventType.TOKEN, ran.created_at, "s0", {"text": "x"})
            reads = 0
            for _ in range(words):
                app.manager.services.bus.publish([word])
                await asyncio.sleep(0.001)
            assert reads < words / 2
