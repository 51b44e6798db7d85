"""`assay run`: start an execution, show it, and let it be stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...graphs.execution import Execution
from .exits import CANCELLED
from .given import inputs_from
from .opened import open_site
from .output import Output
from .signals import signals
from .sitting import Showing, Sitting

if TYPE_CHECKING:
    from .site import Site


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
        async with open_site() as site:
            program = await site.load(request.definition)
            workflow = None if program is None else program.workflow
            inputs = inputs_from(workflow, request.inputs, request.inputs_file)
            if stop.is_set():
                Output(sys.stderr).line("stopped before anything began")
                return CANCELLED
            if not request.quiet and program is not None:
                for warning in program.warnings:
                    Output(sys.stderr).line(str(warning))
            ear = site.hear()  # before it has an id
            execution = await site.start(request.definition, inputs)
            await say_turn(site, execution)
            sitting = Sitting.of(site, execution, program, showing)
            await sitting.watch(stop, ear)
    return sitting.end()


async def say_turn(site: Site, execution: Execution) -> None:
    """Say so when the execution has to wait for its turn."""
    key = await site.turn(execution)
    if key is not None:
        Output(sys.stderr).line(
            f"all slots of {key!r} are taken: waiting for the next to be free "
            "(assay slots shows who has them)"
        )
