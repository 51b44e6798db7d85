"""One life of an execution: a process that begins it or goes on with it, until either ends.

Runs in a child of the fork server. `live` and `answer` are its programs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

import assay
from assay.graphs import desk, runner
from assay.graphs.errors import StateCorrupted
from assay.graphs.event import Event, EventType
from assay.graphs.execution import Execution
from assay.graphs.question import Question, Wait
from assay.graphs.steps.deterministic import current_call
from assay.store.sqlite.writer import Writer

from . import clock
from .forkserver import Voice
from .ledger import Ledger

PARK_AFTER = 0.05
"""Seconds; so that a test sees a retry parked, and a clock looked at again, without waiting."""


@dataclass(frozen=True)
class Life:
    """How to live.

    `folder` holds `workspace`, `home` and the definition `document`. `die_at` is a commit
    boundary (`before 17`). `patient` waits for answers; who is not leaves as soon as the
    execution waits, by closing the app, or, if `abrupt`, by just ending. `shift` is by how
    many seconds the clock is wrong.
    """

    folder: str
    document: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    fuse: bool = True
    die_at: str = ""
    patient: bool = True
    abrupt: bool = False
    shift: float = 0.0

    @property
    def workspace(self) -> Path:
        return Path(self.folder) / "workspace"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def live(voice: Voice, **how: Any) -> None:
    """Begin or go on; says `driving`, then, if it comes so far, the execution's status and
    how many commits there were."""
    asyncio.run(_live(Life(**how), voice))


def answer(voice: Voice, **how: Any) -> None:
    """Answer everything that is asked, without driving anything."""
    asyncio.run(_answer_all(Life(**how)))


@asynccontextmanager
async def opened(life: Life) -> AsyncIterator[assay.App]:
    """The app of a case, with everything that its definitions call."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    home = Path(life.folder) / "home"
    clock.install(life.shift)
    runner.PARK_AFTER = desk.LOOK_AGAIN = PARK_AFTER
    async with assay.open(home=home, workspace=life.workspace, environ=life.environ) as app:
        app.function("mark", mark)
        app.function("work", work)
        app.function("bulk", bulk)
        app.function("die", die)
        app.skill("mark", mark)
        app.graph("two-nodes", two_nodes(life.workspace))
        yield app


async def _live(life: Life, voice: Voice) -> None:
    commits = 0

    def boundary(name: str) -> None:
        nonlocal commits
        if name == life.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        commits = int(name.partition(" ")[2])

    Writer.boundary = boundary
    async with opened(life) as app:
        voice.say("driving")
        execution, following = await _begun(app, life)
        if execution.status.terminal:
            pass
        elif life.patient:
            await _answered(app, execution.id, life)
        else:
            async for event in following:
                if event.type in _STOPS:
                    break
        # Its row alone: a damaged journal cannot be read.
        execution = await app.manager.store.execution(execution.id)
        voice.say(f"{execution.status} {commits}")
        if life.abrupt:
            os._exit(0)


_STOPS = {
    EventType.EXECUTION_WAITING,
    EventType.EXECUTION_COMPLETED,
    EventType.EXECUTION_FAILED,
}


async def _begun(app: assay.App, life: Life) -> tuple[Execution, AsyncIterator[Event]]:
    """The one execution of the case, being driven here, and what is said of it from then on.

    What it has kept until now is noted in the ledger.
    """
    manager, ledger = app.manager, Ledger.of(life.workspace)
    ledger.write("life")
    there = (await manager.executions()).items
    if not there:
        document = Path(life.folder) / life.document
        execution = await manager.start(document, life.inputs, fuse=life.fuse)
        return execution, manager.follow(execution.id)
    execution = there[0]
    with suppress(StateCorrupted):
        ledger.write(*await _kept(app, execution.id))
    following = manager.follow(execution.id)
    if not execution.status.terminal:
        execution = await manager.resume(execution.id)
    return execution, following


async def _kept(app: assay.App, execution_id: str) -> list[str]:
    """What the journal holds already, as lines of the ledger."""
    known = await app.manager.get(execution_id)
    lines = [f"durable {path}" for path in known.steps]
    async for event in app.manager.events(execution_id):
        if event.type is EventType.STEP_RETRYING:
            lines.append(f"durable {event.path}@{event.data['attempt'] - 1}")
    return lines


async def _answered(app: assay.App, execution_id: str, life: Life) -> None:
    """Until the execution has ended; every question is answered on the way."""
    answering = asyncio.create_task(_keep_answering(app, execution_id, life))
    waiting = asyncio.create_task(app.wait(execution_id))
    await asyncio.wait([answering, waiting], return_when=asyncio.FIRST_COMPLETED)
    if answering.done():
        answering.result()
    answering.cancel()
    with suppress(StateCorrupted):
        await waiting


async def _keep_answering(app: assay.App, execution_id: str, life: Life) -> None:
    following = app.manager.follow(execution_id)
    while True:
        await _answer_some(app, execution_id, life)
        async for event in following:
            if event.type is EventType.QUESTION_ASKED:
                break


async def _answer_all(life: Life) -> None:
    async with opened(life) as app:
        for execution in (await app.manager.executions()).items:
            await _answer_some(app, execution.id, life)


async def _answer_some(app: assay.App, execution_id: str, life: Life) -> None:
    page = await app.manager.questions(execution_id=execution_id)
    for question in page.items:
        match question.kind:
            case Wait.APPROVAL:
                await app.manager.answer(question.id, by="ada", comment="fine")
            case Wait.EVENT:
                arrived = {"what": "a parcel"}
                await app.manager.send_event("arrived", arrived, key=question.key, id="parcel")
            case Wait.ONCE:
                await app.manager.answer(question.id, _found_out(question, life), by="ada")


def _found_out(question: Question, life: Life) -> dict[str, Any]:
    """What became of an effect that a crash cut off: the world outside knows."""
    ledger, path = Ledger.of(life.workspace), question.path.partition("?")[0]
    if ledger.happened(path):
        return {"outcome": "happened", "output": "only once"}
    ledger.write(f"repeat {path}")
    return {"outcome": "repeat"}


async def mark(value: Any = None, fails: int = 0, takes: float = 0.0) -> Any:
    """An effect: noted as it begins and as it ends. Fails its first `fails` attempts."""
    call = current_call()
    ledger = Ledger.of(call.workspace)
    ledger.begin(call.path, call.attempt)
    await asyncio.sleep(takes)
    if call.attempt <= fails:
        raise RuntimeError(f"failure {call.attempt} of {fails}")
    ledger.end(call.path, call.attempt)
    return value


async def bulk(size: int) -> str:
    """A value too large for the journal."""
    return str(await mark("x" * size))


async def work(result: object, fail: int = 0, hold: bool = False) -> object:
    """What the random workflows call: fails so often, or never ends by itself."""
    return await mark(result, fails=fail, takes=3600.0 if hold else 0.0)


async def die() -> None:
    """Kill the process, the first time that it is called."""
    call = current_call()
    ledger = Ledger.of(call.workspace)
    if not ledger.happened(call.path):
        ledger.begin(call.path)
        ledger.end(call.path)
        os.kill(os.getpid(), signal.SIGKILL)


class _State(TypedDict):
    n: int


def two_nodes(workspace: Path) -> Any:
    """A LangGraph graph of somebody else's: nothing in it is journaled."""
    ledger = Ledger.of(workspace)

    async def first(state: _State) -> _State:
        ledger.begin("graph")
        return {"n": state["n"] + 1}

    async def second(state: _State) -> _State:
        ledger.end("graph")
        return {"n": state["n"] * 10}

    graph = StateGraph(_State)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile()
