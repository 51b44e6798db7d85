"""A process that is killed in the middle leaves a store that can be read, and gone on from."""

from __future__ import annotations

import asyncio
import io
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from .places import FirestorePlace, Place, SqlitePlace
from .stepper import graph

pytestmark = pytest.mark.anyio

STEPPER = Path(__file__).with_name("stepper.py")
THREADS = 8
STEPS = {SqlitePlace: 40, FirestorePlace: 20}


async def stepper(place: Place, *numbers: int) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    arguments = (*place.arguments, *map(str, numbers))
    return await asyncio.create_subprocess_exec(
        sys.executable, STEPPER, *arguments, stdout=pipe, stderr=pipe
    )


@pytest.mark.parametrize("kill_after", [1, 60, 130])
async def test_after_a_kill_every_thread_goes_on_where_it_was(
    place: Place, kill_after: int
) -> None:
    length = STEPS[type(place)]
    process = await stepper(place, 0, THREADS, length)
    assert process.stdout is not None
    output = b"".join([await process.stdout.readline() for _ in range(kill_after)])
    process.kill()
    rest, errors = await process.communicate()
    assert errors == b""
    begun = steps_of((output + rest.rpartition(b"\n")[0]).decode())
    assert sum(len(steps) for steps in begun.values()) < THREADS * length, "it was killed too late"

    async with place.open() as saver:
        kept = [c async for c in saver.alist(None)]
        assert {c.config["configurable"]["thread_id"] for c in kept} >= begun.keys()
        g = graph(saver)
        for thread, steps in begun.items():
            config: Any = {"configurable": {"thread_id": thread}}
            with redirect_stdout(io.StringIO()) as said:
                result = await g.ainvoke(None, config, durability="sync")

            again = steps_of(said.getvalue())[thread]
            assert result["log"] == list(range(length))
            assert result["large"] == str(length - 1) * (100_000 if int(thread) % 2 else 1)
            # The step that was under way may run again; no step that another one followed.
            assert again[0] >= steps[-1]
            assert steps == list(range(len(steps)))


def steps_of(output: str) -> dict[str, list[int]]:
    """Which steps of each thread began, in order."""
    begun: dict[str, list[int]] = defaultdict(list)
    for line in output.splitlines():
        thread, _, step = line.partition(" ")
        begun[thread].append(int(step))
    return begun


async def test_several_processes_may_use_one_store(place: Place) -> None:
    """They also make it, at the same time; a third one reads meanwhile."""
    processes = [await stepper(place, first, first + 2, 10) for first in (0, 2)]
    ended = asyncio.gather(*(process.communicate() for process in processes))
    async with place.open() as saver:
        while not ended.done():
            assert all([c.checkpoint["v"] async for c in saver.alist(None)])
            await asyncio.wait([ended], timeout=0.1)
        assert [errors for _, errors in await ended] == [b"", b""]
        for thread in "0123":
            latest: Any = await saver.aget_tuple({"configurable": {"thread_id": thread}})
            assert latest.checkpoint["channel_values"]["log"] == list(range(10))
