"""Random workflows that wait, answered in random order: restarts in between change nothing.

`ASSAY_LONG=1` tries 400 workflows instead of 12; case N is the same everywhere.
"""

from __future__ import annotations

import os
import random
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.event import EventType
from assay.graphs.question import Question, Wait
from assay.graphs.steps.deterministic import current_call

from ..running import House, open_house
from .asking import open_questions

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

CASES = 400 if os.environ.get("ASSAY_LONG") else 12


@pytest.mark.parametrize("seed", range(CASES))
async def test_restarts_change_nothing(seed: int, tmp_path: Path) -> None:
    document = Author(random.Random(seed)).workflow()
    straight = await Answering(document, tmp_path / "straight", seed, restarts=False).ended()
    broken = await Answering(document, tmp_path / "broken", seed + 1, restarts=True).ended()

    assert straight.steps == broken.steps
    assert straight.worked == broken.worked
    assert set(broken.worked.values()) <= {1}


class Author:
    """Writes workflows; every choice is the generator's."""

    def __init__(self, chosen: random.Random) -> None:
        self._chosen = chosen
        self._written = 0

    def workflow(self) -> Json:
        mutable = {"n": 0}
        return {"name": "w", "context": {"mutable": mutable}, "steps": self.steps(3, [])}

    def steps(self, depth: int, places: list[str]) -> list[Json]:
        """A list of steps; `places` are the names that tell iterations apart."""
        few = self._chosen.randint(1, 3)
        steps = [self.step(depth, places) for _ in range(few)]
        if self._chosen.random() < 0.2:
            leaf = self.wait(places)
            steps.insert(0, leaf | {"async": True})
        return steps

    def step(self, depth: int, places: list[str]) -> Json:
        if depth == 0 or self._chosen.random() < 0.4:
            return self.wait(places) if self._chosen.random() < 0.7 else self.work()
        inner = {
            "parallel": self.parallel,
            "foreach": self.foreach,
            "loop": self.loop,
            "conditional": self.conditional,
        }
        return inner[self._chosen.choice(list(inner))](depth - 1, places)

    def wait(self, places: list[str]) -> Json:
        kind = self._chosen.choice(["approval", "approval", "wait_event", "sleep"])
        step: Json = {"id": self.id(), "type": kind}
        if kind == "sleep":
            return step | {"duration": self._chosen.choice(["0s", "1ms", "8ms"])}
        if kind == "wait_event":
            # Each place has a key of its own: which of two waits takes an event is chance.
            key = "/".join([step["id"], *(f"{{{{ {place} }}}}" for place in places)])
            return step | {"event": "come", "key": key}
        step |= {"message": "?", "schema": {"type": "integer"}, "on_reject": "continue"}
        return step | {"approvals": self._chosen.choice([1, 1, 2])}

    def work(self) -> Json:
        id = self.id()
        return {"id": id, "type": "python", "function": "work", "inputs": {"name": id}}

    def parallel(self, depth: int, places: list[str]) -> Json:
        branches = [self.step(depth, places) for _ in range(self._chosen.randint(1, 3))]
        return {"id": self.id(), "type": "parallel", "steps": branches}

    def foreach(self, depth: int, places: list[str]) -> Json:
        # The names of an outer `foreach` are not seen in an inner one: the inner is told apart
        # by the text of its items.
        outer = "index" in places
        items = "[0, 1]" if not outer else "[string(index) + 'a', string(index) + 'b']"
        here = [p for p in places if p != "index"] + (["item"] if outer else ["index"])
        return {
            "id": self.id(),
            "type": "foreach",
            "items": items,
            "concurrency": self._chosen.randint(1, 2),
            "steps": self.steps(0 if outer else depth, here),
        }

    def loop(self, depth: int, places: list[str]) -> Json:
        again = "iteration" in places
        more = {"id": self.id(), "type": "set", "values": {"n": "{{ context.n + 1 }}"}}
        body = [self.work()] if again else self.steps(depth, [*places, "iteration"])
        return {
            "id": self.id(),
            "type": "loop",
            "max_iterations": 3,
            "until": f"iteration == {self._chosen.randint(0, 1)}",
            "steps": [*body, more],
        }

    def conditional(self, depth: int, places: list[str]) -> Json:
        return {
            "id": self.id(),
            "type": "conditional",
            "condition": self._chosen.choice(["context.n < 1", "true"]),
            "then": self.steps(depth, places),
            "else": [self.work()],
        }

    def id(self) -> str:
        self._written += 1
        return f"s{self._written}"


class Ended:
    """What came of a workflow, apart from times and ids; `worked` counts calls by place."""

    def __init__(self, execution: assay.Execution, worked: Counter[str]) -> None:
        self.worked = worked
        self.steps = {
            path: (
                str(step.status),
                _timeless(step.output),
                {name: _unordered(v) for name, v in step.outputs.items() if name != "id"},
                step.error,
            )
            for path, step in execution.steps.items()
        }


def _timeless(value: Any) -> Any:
    """Without the moments that sleeps waited for."""
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_timeless(inner) for inner in value]
    return "a time" if isinstance(value, str) and value.endswith("Z") else value


def _unordered(value: Any) -> Any:
    """Who said yes first is the order of the answers'."""
    return sorted(value) if isinstance(value, list) else value


class Answering:
    """Runs a workflow and answers what it asks, one question after another, in random order.

    An answer depends on the question only, never on when it is given.
    """

    def __init__(self, document: Json, folder: Path, seed: int, *, restarts: bool) -> None:
        self._document = document
        self._folder = folder
        self._chosen = random.Random(seed)
        self._restarts = restarts
        self._worked = Counter[str]()
        self._told: set[tuple[str, str]] = set()
        folder.mkdir()

    async def ended(self) -> Ended:
        execution: assay.Execution | None = None
        while True:
            async with self._open() as house:
                if execution is None:
                    execution = await house.start(self._document)
                else:
                    # Some are answered while nothing of it runs.
                    if self._chance():
                        await self._answer_one(house, await open_questions(house, execution))
                    execution = await house.app.manager.get(execution.id)
                    if not execution.status.terminal:
                        await house.app.resume(execution.id)
                if await self._answer_some(house, execution):
                    done = await house.app.wait(execution.id)
                    assert done.status == "completed", done.error
                    return Ended(done, self._worked)

    async def _answer_some(self, house: House, execution: assay.Execution) -> bool:
        """Answer until it has ended, or until it is time for a restart."""
        following = house.app.manager.follow(execution.id)
        try:
            while True:
                asked = await open_questions(house, execution)
                if await self._answer_one(house, asked):
                    if self._restarts and self._chance():
                        return False
                    continue
                found = await house.app.manager.store.execution(execution.id)
                if found.status.terminal:
                    return True
                await _next(following)
        finally:
            await following.aclose()  # type: ignore[attr-defined]

    async def _answer_one(self, house: House, asked: list[Question]) -> bool:
        """One more answer to one of these, unless all of them have been told everything."""
        possible = [
            (question, by)
            for question in asked
            for by in ("ada", "grace")[: question.wanted]
            if (question.id, by) not in self._told
        ]
        if not possible:
            return False
        question, by = self._chosen.choice(possible)
        self._told.add((question.id, by))
        said = zlib.crc32(f"{question.path} {by}".encode())
        if question.kind is Wait.EVENT:
            assert question.event is not None
            await house.app.manager.send_event(question.event, said % 100, key=question.key)
        else:
            approved = question.wanted > 1 or said % 5 > 0
            last = {vote.by for vote in question.votes} | {by}
            value = 0 if len(last) < question.wanted else zlib.crc32(question.path.encode()) % 100
            await house.app.manager.answer(question.id, value, approved=approved, by=by)
        return True

    def _chance(self) -> bool:
        return self._chosen.random() < 0.5

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[House]:
        async with open_house(self._folder) as house:

            async def work(name: str) -> str:
                self._worked[current_call().path] += 1
                return name

            house.app.function("work", work)
            yield house


async def _next(following: AsyncIterator[Any]) -> None:
    """Until there may be something to answer, or an end."""
    async for event in following:
        if event.type in _NEWS:
            return


_NEWS = {
    EventType.QUESTION_ASKED,
    EventType.EXECUTION_COMPLETED,
    EventType.EXECUTION_FAILED,
    EventType.EXECUTION_CANCELLED,
}
