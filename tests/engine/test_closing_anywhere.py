"""Wherever an app is closed, and however often: the next goes on, and repeats nothing.

Closing is not killing: what has ended by then is kept, so no effect happens twice.
`ASSAY_LONG=1` also closes at every single event.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.event import EventType
from assay.graphs.question import Wait
from assay.graphs.steps.deterministic import current_call

from ..running import House, mapping, open_house, statuses
from .lasting import events, types
from .lives import lived, step

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

LONG = bool(os.environ.get("ASSAY_LONG"))
MOST_LIVES = 400

DOCUMENT = """
    name: everything
    context: {mutable: {n: 0, log: []}}
    outputs:
      n: {value: "{{ context.n }}"}
      log: {value: "{{ context.log }}"}
      each: {value: "{{ each.output }}"}
      won: {value: "{{ race.winner }}"}
      child: {value: "{{ child.output }}"}
      paid: {value: "{{ pay.output }}"}
    steps:
      - {id: first, type: python, function: work, inputs: {value: 1}}
      - id: beside
        type: parallel
        wait_for: none
        steps: [{id: detached, type: approval, message: x}]
      - id: count
        type: loop
        while: context.n < 3
        max_iterations: 3
        steps:
          - {id: step, type: python, function: work, inputs: {value: "{{ context.n }}"}}
          - {id: add, type: set, values: {n: "{{ context.n + 1 }}"}}
          - {id: note, type: set, values: {log: "{{ context.log + [step.output] }}"}}
      - {id: ask, type: approval, message: x}
      - id: each
        type: foreach
        items: "[1, 2, 3]"
        concurrency: 2
        steps:
          - {id: item, type: python, function: work, inputs: {value: "{{ item }}"}}
          - {id: nap, type: sleep, duration: 3ms}
          - {id: then, type: python, function: work, inputs: {value: "{{ item * 10 }}"}}
      - {id: flaky, type: python, function: flaky, retry: {attempts: 3, delay: 3ms, backoff: fixed}}
      - id: race
        type: parallel
        wait_for: any
        steps:
          - {id: never, type: approval, message: x}
          - {id: soon, type: python, function: work, inputs: {value: 5}}
      - id: graph
        type: parallel
        steps:
          - {id: told, type: wait_event, event: news}
          - id: lane
            type: conditional
            condition: context.n == 3
            then:
              - {id: one, type: python, function: work, inputs: {value: 7}}
              - {id: news, type: emit, event: news, payload: "{{ one.output }}"}
      - {id: child, type: workflow, workflow: child, inputs: {given: "{{ told.output }}"}}
      - {id: pay, type: python, function: work, inputs: {value: 9}, effects: once}
"""

CHILD = """
    name: child
    inputs: {given: {type: number}}
    outputs: {got: {type: number, value: "{{ b.output }}"}}
    steps:
      - {id: a, type: python, function: work, inputs: {value: "{{ inputs.given }}"}, needs: []}
      - {id: b, type: python, function: work, inputs: {value: "{{ a.output + 1 }}"}, needs: [a]}
"""

OUTPUTS = {
    "n": 3,
    "log": [0, 1, 2],
    "each": [10, 20, 30],
    "won": "soon",
    "child": {"got": 8},
    "paid": 9,
}


class World:
    """What has happened outside, over all lives: how often work was done, by path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: Counter[str] = Counter()
        self.tries = 0
        self.seen: Counter[tuple[EventType, str]] = Counter()

    async def live(
        self, execution: assay.Execution | None, patience: int, *, fuse: bool = True
    ) -> assay.Execution:
        """Begin or go on, until so many things have happened to steps, or it has ended.

        What has happened twice does not count: an effect that is cut off as soon as it has
        begun is asked about for ever.
        """
        async with open_house(self.folder) as house:
            house.app.function("work", self.work)
            house.app.function("flaky", self.flaky)
            following = house.app.manager.follow()
            if execution is None:
                await house.app.register(mapping(CHILD))
                execution = await house.app.manager.start(mapping(DOCUMENT), fuse=fuse)
            else:
                execution = await house.app.manager.get(execution.id)
                if execution.status.terminal:
                    return execution
                await answer(house, execution)
                await house.app.resume(execution.id)
            async with asyncio.timeout(60):
                async for event in following:
                    self.seen[event.type, event.path] += 1
                    patience -= bool(event.path) and self.seen[event.type, event.path] <= 2
                    if event.type is EventType.QUESTION_ASKED:
                        await answer(house, execution)
                    if patience <= 0 or event.type is EventType.EXECUTION_COMPLETED:
                        break
            return await house.app.manager.get(execution.id)

    async def work(self, value: Any) -> Any:
        await asyncio.sleep(0.002)
        self.done[current_call().path] += 1
        return value

    async def flaky(self) -> int:
        await asyncio.sleep(0.002)
        self.tries += 1
        if self.tries < 3:
            raise ValueError(self.tries)
        return self.tries


async def answer(house: House, execution: assay.Execution) -> None:
    page = await house.app.manager.questions(execution_id=execution.id)
    for question in page.items:
        # The loser of the race is not to win it.
        if question.kind is Wait.APPROVAL and question.path != "race.never":
            await house.app.manager.answer(question.id)
        if question.kind is Wait.ONCE:
            value = {"outcome": "repeat"}
            await house.app.manager.answer(question.id, value)


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "not fused"])
@pytest.mark.parametrize("patience", [*[1] * LONG, 2, 3, 5, 8, 13, 10_000])
async def test_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, patience: int, fuse: bool
) -> None:
    world = World(tmp_path)
    execution = None
    for _ in range(MOST_LIVES):
        execution = await world.live(execution, patience, fuse=fuse)
        if execution.status.terminal:
            break
    assert execution is not None
    async with open_house(tmp_path) as house:
        found = await events(house, execution)
        left = await house.app.manager.questions(execution_id=execution.id)

    assert execution.status == "completed", execution.error
    assert execution.outputs == OUTPUTS
    assert set(statuses(execution).values()) == {"completed", "cancelled"}
    assert [path for path, s in statuses(execution).items() if s == "cancelled"] == ["race.never"]
    assert {path: n for path, n in world.done.items() if n != 1} == {}
    assert (world.tries, list(left.items)) == (3, [])
    assert types(found).count("ExecutionStarted") == 1
    assert len([e for e in found if e.type is EventType.STEP_COMPLETED]) == len(
        [s for s in execution.steps.values() if s.status == "completed"]
    )


async def test_whoever_waited_sees_what_anybody_reads_later(tmp_path: Path) -> None:
    """To the last detail, though one comes from memory and the other from the store."""
    world = World(tmp_path)
    execution = await world.live(None, 40)
    async with open_house(tmp_path) as house:
        house.app.function("work", world.work)
        house.app.function("flaky", world.flaky)
        await house.app.resume(execution.id)
        waited = asyncio.create_task(house.app.wait(execution.id))
        while not waited.done():
            await answer(house, execution)
            await asyncio.wait([waited], timeout=0.02)
        read = await house.app.manager.get(execution.id)

    assert waited.result().to_dict() == read.to_dict()
    assert list(waited.result().steps) == list(read.steps)
    assert waited.result() == read


async def test_what_begins_again_says_when(tmp_path: Path) -> None:
    """Its result says since when it was worked on; the events never go back in time."""
    done, _ = await lived(tmp_path, f"- {step('late', 'hold')}", "late")
    async with open_house(tmp_path) as house:
        found = await events(house, done)
    assert types(found, "late") == ["StepStarted", "StepStarted", "StepCompleted"]
    assert done.steps["late"].started_at == next(e.at for e in found if e.path == "late")
    assert [e.at for e in found] == sorted(e.at for e in found)
