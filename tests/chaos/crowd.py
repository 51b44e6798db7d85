"""The people around the workers: they begin executions, answer, send events, stop and pause."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import assay
from assay.graphs.beginning import beginning
from assay.graphs.errors import AssayError, QuestionClosed, StoreUnavailable
from assay.graphs.execution import Execution
from assay.graphs.inputs import accept_inputs
from assay.graphs.launching import programs
from assay.graphs.lease import Command, Message
from assay.graphs.question import Question, Wait

from .effects import WORKFLOWS, ledger_of
from .fleet import Fleet, alive

LOOK = 0.25
"""Seconds between two looks at what is asked."""


@dataclass(frozen=True, slots=True)
class Case:
    """An execution to be: of which workflow, with which number."""

    name: str
    workflow: str
    n: int


def cases(count: int, random: Random) -> list[Case]:
    """So many, of every workflow nearly equally many."""
    kinds = ["sleeps", "asks", "fans", "thinks", "turns", "yields", "undoes"]
    made = [(kinds[i % len(kinds)], random.randrange(2)) for i in range(count)]
    random.shuffle(made)
    return [Case(f"{kind}-{i}", kind, n) for i, (kind, n) in enumerate(made)]


class Crowd:
    """Acts through an app that drives nothing. `did` counts; `told_to_stop` are execution ids."""

    def __init__(self, app: assay.App, workspace: Path, random: Random) -> None:
        self.did: Counter[str] = Counter()
        self.told_to_stop: set[str] = set()
        self._app, self._workspace, self._random = app, workspace, random
        self._paused: list[str] = []
        self._late: dict[str, int] = {}

    async def begin(self, cases: Sequence[Case], fleet: Fleet, every: float) -> None:
        """All of them, one every so many seconds: by a worker for itself, or for any worker.

        What may have begun, or not, is begun once more.
        """
        for case in cases:
            sailing = [ship for ship in fleet.ships if ship.sails]
            ship = self._random.choice(sailing) if sailing else None
            by_worker = ship is not None and self._random.random() < 0.5
            if not (by_worker and ship and await ship.begin(case.workflow, case.n, case.name)):
                await self._begin(case)
            if case.workflow == "asks" and self._random.random() < 0.2:
                await self._send(case.name)  # before anybody waits for it
            await asyncio.sleep(every * self._random.uniform(0.3, 1.7))

    async def live(self) -> None:
        """Answer, and now and then interfere, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            with contextlib.suppress(StoreUnavailable):
                await self.answer()
                await self._interfere()

    async def answer(self, *, readily: bool = False) -> None:
        """Each open question, sooner or later; `readily`: now."""
        page = await self._app.manager.questions(limit=10_000)
        for question in page.items:
            if not question.timed and (readily or self._random.random() < 0.4):
                with contextlib.suppress(QuestionClosed):
                    await self._answer(question)

    async def _answer(self, question: Question) -> None:
        manager = self._app.manager
        match question.kind:
            case Wait.APPROVAL:
                for _ in range(self._times()):
                    await manager.answer(question.id, by="ada", comment="fine")
            case Wait.EVENT:
                assert question.key is not None
                for _ in range(self._times()):
                    await self._send(question.key)
            case Wait.ONCE:
                found = self._found_out(question)
                if found is not None:
                    await manager.answer(question.id, found, by="ada")
        self.did["answers"] += 1

    def _times(self) -> int:
        again = self._random.random() < 0.2
        self.did["answers given twice"] += again
        return 1 + again

    async def _send(self, case: str) -> None:
        await self._app.manager.send_event("arrived", {"what": "a parcel"}, key=case, id=case)

    def _found_out(self, question: Question) -> dict[str, str] | None:
        """What became of an effect that was cut off; None while it may happen still."""
        ledger = ledger_of(self._workspace, question.execution_id)
        path = question.path.partition("?")[0]
        if ledger.happened(path):
            return {"outcome": "happened", "output": "only once"}
        lines = [line.split(" ") for line in ledger.lines()]
        cut = {line[2:5] for line in map(tuple, lines) if line[:2] == ("cut", path)}
        for line in map(tuple, lines):
            going_on = line[:2] == ("begin", path) and line[2:5] not in cut
            if going_on and alive(int(line[3])):
                return None
        ledger.write(f"repeat {path}")
        return {"outcome": "repeat"}

    async def _begin(self, case: Case) -> None:
        """For whichever worker takes it. Nobody here drives, so not by `Manager.start`."""
        manager = self._app.manager
        file = WORKFLOWS / f"{case.workflow}.yaml"
        program = await manager.load(file)
        launch = await manager.launches.launch(program, file.parent, True)
        inputs = accept_inputs(program.workflow, {"n": case.n, "case": case.name})
        execution = manager.launches.queued(launch, inputs)
        for each in programs(launch):
            await manager.store.keep(each.workflow)
        await manager.store.create(execution, beginning(execution).entries, "")
        self._app._services.bus.ring(execution.id)

    async def _interfere(self) -> None:
        for id in self._paused[:1]:
            if self._random.random() < 0.3:
                self._paused.remove(id)
                await self._tell(id, Command.RESUME)
        if self._random.random() > 0.06:
            return
        running = [e for e in await self.open() if e.id not in self.told_to_stop]
        if not running:
            return
        chosen = self._random.choice(running).id
        if self._random.random() < 0.5:
            self.told_to_stop.add(chosen)
            self.did["stops"] += 1
            await self._tell(chosen, Command.STOP)
        else:
            self.did["pauses"] += 1
            self._paused.append(chosen)
            await self._tell(chosen, Command.PAUSE)

    async def go_on(self) -> None:
        """Nobody is kept waiting any more."""
        while self._paused:
            await self._tell(self._paused.pop(), Command.RESUME)

    async def _tell(self, id: str, command: Command) -> None:
        with contextlib.suppress(AssayError):
            await self._app.manager.store.post(Message(id, command))
            self._app.manager.provider.knock(id)

    async def open(self) -> list[Execution]:
        page = await self._app.manager.executions(limit=10_000)
        return [each for each in page.items if not each.status.terminal]
