"""`assay run`: start an execution, show it, and let it be stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...graphs.errors import ExecutionNotFound
from ...graphs.event import Event
from ...graphs.execution import Execution
from ...store.blobs import FolderBlobs
from ..app import open_app
from ..settings import read_settings
from .exits import CANCELLED, CODES, WAITING
from .following import follow
from .given import inputs_from
from .lines import Lines
from .output import Output
from .summary import summary
from .tree import Tree

if TYPE_CHECKING:
    from ...graphs.manager import Manager
    from ...graphs.program import Program

Hear = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. `quiet` leaves out everything but the end."""

    definition: str
    inputs: Sequence[str] = ()
    inputs_file: str | None = None
    json: bool = False
    quiet: bool = False


async def run(request: Request) -> int:
    """Run to the end, telling it on standard output; returns the exit code.

    Raises `AssayError` when the execution could not be started.
    """
    stop = asyncio.Event()
    with _signals(stop):
        async with open_app() as app:
            program = await app.manager.load(request.definition)
            inputs = inputs_from(program.workflow, request.inputs, request.inputs_file)
            if stop.is_set():
                Output(sys.stderr).line("stopped before anything began")
                return CANCELLED
            if not request.quiet:
                for warning in program.warnings:
                    Output(sys.stderr).line(str(warning))
            driver = _Driver(app.manager, request.definition, inputs, stop)
            execution = await _shown(request, program, driver)
    if stop.is_set() and not execution.status.terminal:
        return CANCELLED
    return CODES.get(execution.status, WAITING)


@dataclass(frozen=True, slots=True)
class _Driver:
    """An execution to be driven; whoever shows it hears its events."""

    manager: Manager
    definition: str
    inputs: Mapping[str, Any]
    stop: asyncio.Event

    async def drive(self, hear: Hear) -> Execution:
        execution = await self.manager.start(self.definition, self.inputs)
        stopping = asyncio.create_task(self._stop(execution.id))
        try:
            async for event in follow(self.manager, execution.id):
                hear(event)
            return await self.manager.wait(execution.id)
        finally:
            stopping.cancel()

    async def _stop(self, execution_id: str) -> None:
        await self.stop.wait()
        Output(sys.stderr).line("stopping …: waiting until nothing of it runs")
        # It may have ended by itself just now.
        with suppress(ExecutionNotFound):
            await self.manager.stop(execution_id)


async def _shown(request: Request, program: Program, driver: _Driver) -> Execution:
    """Drive it, and show it as the request and the surroundings want."""
    out = Output()
    place = FolderBlobs(read_settings().home / "blobs").path
    if request.json:
        execution = await driver.drive(
            _silent if request.quiet else lambda e: out.json(e.to_dict(), indent=False)
        )
        out.json(execution.to_dict(), indent=False)
        return execution
    if out.terminal:
        from .view import View, draw

        title = f"{program.workflow.name}@{program.workflow.version}"
        tree = Tree(title, program.steps)
        if request.quiet:
            execution = await driver.drive(_silent)
            draw(execution, Tree.of(execution), place)
            return execution
        async with View(tree) as view:
            execution = await driver.drive(view.event)
        draw(execution, tree, place)
        return execution
    lines = Lines()

    def tell(event: Event) -> None:
        for line in lines.of(event):
            out.line(line)

    execution = await driver.drive(_silent if request.quiet else tell)
    for said in summary(execution, place):
        out.line(said.text)
    return execution


def _silent(event: Event) -> None:
    """Hear, and say nothing."""


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Within, a signal to end asks to stop; further ones wait like the first.

    Ending at once would leave behind the processes that are being ended.
    """
    loop = asyncio.get_running_loop()
    # A signal that is ignored, as under `nohup`, stays ignored.
    caught = [s for s in _STOPS if signal.getsignal(s) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
