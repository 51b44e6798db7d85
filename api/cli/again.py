"""`assay retry` and `assay fork`: begin a new execution with a part of what another one did."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput, NotPossible
from ...graphs.execution import Execution
from ...graphs.inputs import accept_inputs
from .exits import CANCELLED, OK
from .given import inputs_from
from .opened import open_site
from .output import Output
from .prompt import attended, confirm
from .run import say_turn
from .signals import signals
from .sitting import Showing, Sitting
from .summary import MARGIN, Line
from .text import one_line

if TYPE_CHECKING:
    from .site import Plan, Site

ALOUD = "WARNING"
"""How a sentence begins that nobody may overlook."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. `path` is where to begin again.

    `yes`: it is wanted whatever repeats; `dry_run`: it is only said what would happen.
    """

    execution_id: str
    path: str | None = None
    inputs: Sequence[str] = ()
    inputs_file: str | None = None
    yes: bool = False
    dry_run: bool = False


async def retry(request: Request, showing: Showing) -> int:
    """A new execution that goes on where one that has ended failed, or from a step of it."""
    return await _again("retry", request, showing)


async def fork(request: Request, showing: Showing) -> int:
    """A new execution that goes on from a step of another, perhaps with other inputs."""
    return await _again("fork", request, showing)


async def _again(how: str, request: Request, showing: Showing) -> int:
    """Say what it means, ask, begin, and show it like `run`.

    Raises `ExecutionNotFound`, `InvalidInput`, or `NotPossible`.
    """
    with signals() as stop:
        async with open_site() as site:
            id = await site.whole_id(request.execution_id)
            known = await site.row(id)
            if how == "retry" and not known.status.terminal:
                raise NotPossible(
                    f"execution {id} is {known.status}; stop it first, or fork it: "
                    f"assay fork {id} --from PATH"
                )
            inputs = await _inputs(site, known, request)
            plan = await site.plan_fork(id, request.path)
            _describe(plan, showing, dry_run=request.dry_run)
            if request.dry_run:
                return OK
            if not await _wanted(plan, request, showing, stop):
                Output(sys.stderr).line("nothing has been begun")
                return CANCELLED
            ear = site.hear()  # before it has an id
            if how == "retry":
                begun = await site.retry(id, request.path)
            else:
                assert request.path is not None
                begun = await site.fork(id, request.path, inputs)
            await say_turn(site, begun)
            sitting = await Sitting.again(site, begun, showing, inherited=True)
            await sitting.watch(stop, ear)
    return sitting.end()


async def _inputs(site: Site, execution: Execution, request: Request) -> dict[str, Any]:
    program = await site.program(execution)
    workflow = None if program is None else program.workflow
    inputs = inputs_from(workflow, request.inputs, request.inputs_file)
    if workflow is not None and inputs:
        accept_inputs(workflow, {**execution.inputs, **inputs})
    return inputs


def _describe(plan: Plan, showing: Showing, *, dry_run: bool) -> None:
    said = [one_line(sentence) for sentence in plan.says]
    if showing.json:
        if dry_run:
            again = [asdict(step) for step in plan.again]
            kept = {"kept": plan.kept, "begins": plan.begins, "again": again, "says": said}
            Output().json(kept)
        return
    if Output().terminal:
        from .view import say

        for sentence in said:
            say(Line(f"{MARGIN}{sentence}", "bad" if sentence.startswith(ALOUD) else "prose"))
        return
    # What is only told is the result; before something is done it is a remark.
    out = Output() if dry_run else Output(sys.stderr)
    for sentence in said:
        out.line(sentence)


async def _wanted(plan: Plan, request: Request, showing: Showing, stop: asyncio.Event) -> bool:
    """Whether to begin. Raises `InvalidInput` where nobody can be asked what should be."""
    if request.yes:
        return True
    if attended() and not showing.json:
        return await confirm("Go on?", stop)
    once = [step.path for step in plan.again if step.repeats and step.effects == "once"]
    if once:
        raise InvalidInput(
            f"{', '.join(once)} would act a second time, which must not happen (`effects: once`); "
            "--yes does it all the same"
        )
    return True
