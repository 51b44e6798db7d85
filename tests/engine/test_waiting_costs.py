"""What an answer costs does not depend on how much else waits: counted in writes, not in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

import assay
from assay.graphs import desk, drive
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.stored import Entry

from ..running import House, open_house
from .asking import asked, ended, open_questions

pytestmark = pytest.mark.anyio

MANY = 1000
ONE_BY_ONE = 20


@pytest.mark.sqlite_only("a step that takes long has a commit for its beginning")
async def test_an_answer_writes_as_little_among_a_thousand_as_among_few(house: House) -> None:
    execution = await parked(house, MANY)
    questions = {question.path: question for question in await open_questions(house, execution)}
    paths = [f"each[{index}].a" for index in range(MANY)]

    following = house.app.manager.follow(execution.id)

    async def answer(paths: Sequence[str]) -> None:
        """Answer all of them, until everything waits again."""
        missing = set(paths)
        # Meanwhile, for a listener that does not listen loses the oldest of many events.
        answering = asyncio.gather(*(house.app.manager.answer(questions[p].id) for p in paths))
        async for event in following:
            if event.type is EventType.STEP_COMPLETED:
                missing.discard(event.path)
            if not missing and event.type is EventType.EXECUTION_WAITING:
                break
        await answering

    async def written_for(few: Sequence[str]) -> tuple[int, int, int]:
        before = await journal(house, execution)
        for path in few:
            await answer([path])
        added = (await journal(house, execution))[len(before) :]
        return len(added), events_in(added), sum(len(entry.data) for entry in added)

    among_many = await written_for(paths[:ONE_BY_ONE])
    await answer(paths[ONE_BY_ONE : -ONE_BY_ONE - 1])
    among_few = await written_for(paths[-ONE_BY_ONE - 1 : -1])
    await house.app.manager.answer(questions[paths[-1]].id)

    done = await house.app.wait(execution.id)
    assert done.status == "completed"
    for commits, events, size in (among_many, among_few):
        # At most three each: the execution goes on; the result, mostly in the same; it waits again.
        assert commits <= 3 * ONE_BY_ONE
        assert events == 4 * ONE_BY_ONE
        assert size < 4_000 * ONE_BY_ONE


async def test_a_resume_writes_as_little_for_many_as_for_one(tmp_path: Path) -> None:
    written = []
    for many in (1, 100):
        (folder := tmp_path / str(many)).mkdir()
        async with open_house(folder) as house:
            execution = await parked(house, many)
            before = await journal(house, execution)
        async with open_house(folder) as house:
            await house.app.resume(execution.id)
            await _until(house, execution, EventType.EXECUTION_WAITING, since=before[-1].last)
            after = await journal(house, execution)
        written.append(events_in(after[len(before) :]))

    assert written[0] == written[1] <= 3


async def test_what_waits_leaves_memory_and_an_answer_brings_it_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "WARM", 0.0)
    execution = await house.start(
        """
        - id: p
          type: parallel
          steps: [{id: a, type: approval, message: x}, {id: s, type: sleep, duration: 900ms}]
        """
    )
    question = await asked(house, execution, "p.a")
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    await _released(house, execution)
    await house.app.manager.answer(question.id)
    await ended(house, execution, "p.a")
    await _released(house, execution)

    assert (await house.app.wait(execution.id)).status == "completed"


async def test_a_long_wait_is_silent(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at the clock now and then, for it may be set, is nobody's business."""
    monkeypatch.setattr(desk, "LOOK_AGAIN", 0.01)
    execution = await house.start("- {id: s, type: sleep, duration: 200ms}")

    done = await house.app.wait(execution.id)
    events = [event.type async for event in house.app.manager.events(done.id)]
    assert events.count(EventType.EXECUTION_WAITING) == 1


async def parked(house: House, many: int) -> assay.Execution:
    """An execution whose items all wait for an answer."""
    execution = await house.start(
        f"""
        - id: each
          type: foreach
          items: "{list(range(many))}"
          steps: [{{id: a, type: approval, message: x}}]
        """
    )
    await asked(house, execution, *(f"each[{index}].a" for index in range(many)))
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    return execution


async def journal(house: House, execution: assay.Execution) -> list[Entry]:
    """What was written of it: an entry is one commit."""
    entries: list[Entry] = []
    while True:
        after = entries[-1].last if entries else 0
        page = await house.app.manager.store.entries(execution.id, after=after)
        entries += page.items
        if page.cursor is None:
            return entries


def events_in(entries: Sequence[Entry]) -> int:
    return sum(entry.last - entry.first + 1 for entry in entries)


async def _released(house: House, execution: assay.Execution) -> None:
    """As soon as nobody holds its lease; nothing is said of that."""
    while await house.app.manager.store.holder(execution.id) is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _until(
    house: House, execution: assay.Execution, wanted: EventType, *, since: int
) -> None:
    """As soon as it has said that, after the event of that number."""
    following = house.app.manager.follow(execution.id)
    try:
        async for event in house.app.manager.events(execution.id, after=since):
            if event.type is wanted:
                return
        async for event in following:
            if event.type is wanted:
                return
    finally:
        await following.aclose()  # type: ignore[attr-defined]
