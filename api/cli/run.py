"""`assay run`: start an execution, show it, and let it be stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...graphs.execution import Execution
from ..app import open_app
from .exits import CANCELLED
from .given import inputs_from
from .output import Output
from .signals import signals
from .sitting import Showing, Sitting

if TYPE_CHECKING:
    from ...graphs.manager import Manager


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    definition: str
    inputs: Sequence[str] = ()
    inputs_file: str | None = None
    json: bool = False
    quiet: bool = False
    ask: bool = True


async def run(request: Request) -> int:
    """Run to the end, or until it waits for somebody; returns the exit code.

    Raises `AssayError` when the execution could not be started.
    """
    showing = Showing(request.json, request.quiet, request.ask)
    with signals() as stop:
        async with open_app() as app:
            manager = app.manager
            program = await manager.load(request.definition)
            inputs = inputs_from(program.workflow, request.inputs, request.inputs_file)
            if stop.is_set():
                Output(sys.stderr).line("stopped before anything began")
                return CANCELLED
            if not request.quiet:
                for warning in program.warnings:
                    Output(sys.stderr).line(str(warning))
            heard = manager.follow()  # before it has an id
            execution = await manager.start(request.definition, inputs)
            await say_turn(manager, execution)
            sitting = Sitting.of(manager, execution, program, showing)
            await sitting.watch(stop, heard)
    return sitting.end()


async def say_turn(manager: Manager, execution: Execution) -> None:
    """Say so when the execution has to wait for its turn."""
    slot = execution.slot
    if slot is not None and await manager.store.holder(execution.id) is None:
        Output(sys.stderr).line(
            f"all slots of {slot.key!r} are taken: waiting for the next to be free "
            "(assay slots shows who has them)"
        )
