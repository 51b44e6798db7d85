"""However many processes route events, and whichever is killed, each event begins one execution."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from assay.api.app import open_app
from assay.triggers import routing

from .chains import echoes, emits, ran, serving

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

EVENTS = 300 if os.environ.get("ASSAY_LONG") else 30

SERVES = """
import asyncio, sys
from assay.api.app import open_app
from assay.triggers import place

place.HOLD = 2.0

async def main(home):
    async with open_app(home=home, workspace=home) as app:
        app.manager.serve()
        async with app.triggers.running():
            print("ready", flush=True)
            await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""

STOPS_SHORT = """
import asyncio, sys
from assay.api.app import open_app
from assay.triggers import place
from assay.triggers.routing import Router

place.HOLD = 1.0

async def stuck(self, heard):
    if heard:
        print("routing", flush=True)
        await asyncio.Event().wait()

async def main(home, how):
    Router._route = stuck
    async with open_app(home=home, workspace=home) as app:
        if how == "sent":
            await app.manager.send_event("e", {"n": 1})
        else:
            step = {"id": "s", "type": "emit", "event": "e", "payload": {"n": 1}}
            async with app.triggers.running():
                await app.run({"name": "a", "steps": [step]})
                await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def child(script: str, *arguments: str) -> AsyncIterator[Process]:
    """Killed at the end, if not before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("how", ["sent", "emitted"])
async def test_whoever_is_killed_between_commit_and_routing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(routing, "SWEEP", 0.2)
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "e"))
    async with child(STOPS_SHORT, str(tmp_path), how) as killed:
        assert await said(killed) == "routing"
    async with serving(tmp_path) as app:
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"n": 1}}


async def test_three_processes_of_which_one_is_killed_begin_one_execution_for_each_event(
    tmp_path: Path,
) -> None:
    home = str(tmp_path)
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        await app.register(echoes("w", "e"))
        async with (
            child(SERVES, home) as one,
            child(SERVES, home) as two,
            child(SERVES, home) as three,
        ):
            for process in (one, two, three):
                assert await said(process) == "ready"
            app.manager.leaves = True
            chain = emits("a", "e")
            for number in range(EVENTS):
                await app.manager.send_event("e", {"n": number}, id=f"sent-{number}")
                await app.start(chain)
                if number == EVENTS // 2:
                    one.kill()
            began = await ran(app, "w", 2 * EVENTS)
        firings = [await app.manager.store.firing(each.firing) for each in began]
        assert max(Counter(firing.id for firing in firings).values()) == 1
        sent = [f.payload["n"] for f in firings if "n" in f.payload]
        assert sorted(sent) == list(range(EVENTS))
        sources = {f.attributes["source"] for f in firings if "source" in f.attributes}
        assert len(sources) == len(firings) - EVENTS == EVENTS
