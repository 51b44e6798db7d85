"""Summaries of long conversations are kept, paid for, and never made again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.agents.test_summary import summing

from ..running import open_house
from ..scripted import Asked, Reply, ScriptedModel
from .test_agents_kept import settings

pytestmark = pytest.mark.anyio

FILES = 12


def work(**guardrails: Any) -> Mapping[str, Any]:
    step = {
        "id": "read",
        "type": "agent",
        "prompt": "Read every file.",
        "tools": ["read_file"],
        "guardrails": {"max_iterations": 50, "max_context": 2000, **guardrails},
    }
    return {"name": "w", "steps": [step]}


def fill(workspace: Path) -> None:
    for number in range(FILES):
        (workspace / f"{number}.txt").write_text(f"file {number}\n" + "word " * 200)


def number(asked: Asked) -> int:
    """Of the file that is read next."""
    found = [n for n in range(FILES) if f"file {n}\n" in str(asked.messages[-1]["content"])]
    return found[0] + 1 if found else 0


def reading(asked: Asked) -> Reply:
    if summing(asked):
        return Reply("so far so good", usage=(100, 10))
    if (next := number(asked)) == FILES:
        return Reply("All read.", usage=(100, 10))
    call = Reply.calling("read_file", path=f"{next}.txt")
    return Reply(tool_calls=call.tool_calls, usage=(100, 10))


@pytest.mark.parametrize("at", [6, 9, FILES])
async def test_interrupted_after_a_summary_neither_that_nor_a_turn_is_repeated(
    tmp_path: Path, at: int
) -> None:
    loop, held = asyncio.get_running_loop(), asyncio.Event()

    def script(asked: Asked) -> Reply:
        if not summing(asked) and number(asked) == at and not held.is_set():
            loop.call_soon_threadsafe(held.set)
            return Reply("too late", cut_after=0)
        return reading(asked)

    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "1000"}
        async with open_house(tmp_path, environ) as house:
            fill(house.workspace)
            started = await house.app.start(work())
            await held.wait()
        async with open_house(tmp_path, environ) as house:
            await house.app.resume(started.id)
            ended = await house.app.wait(started.id)

    assert ended.steps["read"].output == "All read."
    asked = Counter(str(request.messages) for request in server.requests)
    again = [text for text, times in asked.items() if times > 1]
    assert len(again) <= 1  # the one that was cut off
    assert sum(map(summing, server.requests)) >= 2


async def test_what_a_summary_costs_is_the_steps_and_bounded_as_that_is(tmp_path: Path) -> None:
    with ScriptedModel(reading) as server:
        async with open_house(tmp_path, settings(server)) as house:
            fill(house.workspace)
            ended: Any = await house.run(work())
            bounded: Any = await house.run(work(max_tokens=1000))

    cost = ended.steps["read"].cost
    whole = cost.calls
    assert cost.input_tokens == 100 * whole
    assert whole > FILES + 1
    assert sum(map(summing, server.requests[:whole])) == whole - FILES - 1
    assert bounded.error.code == "limit_reached"
