"""`assay stop pause delete`: tell an execution, wherever it runs."""

from __future__ import annotations

import asyncio
import sys

from ...graphs.errors import NotPossible
from ...graphs.execution import Execution, Status
from .exits import CODES, OK, WAITING
from .opened import open_site
from .output import Output
from .signals import signals
from .standing import Standing, hints
from .summary import Place, summary

_AT_ONCE = 0.5
"""Seconds. What takes longer says so."""


async def stop(given: str, reason: str, *, json: bool) -> int:
    """Stop an execution; returns when nothing of it runs any more.

    Raises `ExecutionNotFound`, or `NotPossible` when it has ended already.
    """
    with signals():
        async with open_site() as site:
            id = await site.whole_id(given)
            _expect_open(await site.row(id), "stop")
            if await site.elsewhere(id):
                Output(sys.stderr).line("stopping …: waiting until nothing of it runs")
            stopped = await site.stop(id, reason)
    _show(Standing(stopped), site.kept, json=json)
    return OK


async def pause(given: str, *, json: bool) -> int:
    """Let the steps that run end, and begin no other; returns when none runs.

    Raises `ExecutionNotFound`, or `NotPossible` when it has ended already.
    """
    with signals() as enough:
        async with open_site() as site:
            id = await site.whole_id(given)
            await site.pause(id)
            paused = asyncio.create_task(site.paused(id))
            tired = asyncio.create_task(enough.wait())
            done, _ = await asyncio.wait((paused,), timeout=_AT_ONCE)
            if not done:
                Output(sys.stderr).line("pausing …: waiting until the steps that run have ended")
                await asyncio.wait((paused, tired), return_when=asyncio.FIRST_COMPLETED)
            for task in (paused, tired):
                task.cancel()
            await asyncio.gather(paused, tired, return_exceptions=True)
            execution = await site.get(id)
            questions = await site.open_questions(id)
    _show(Standing(execution, questions), site.kept, json=json)
    return OK if execution.status is Status.PAUSED else CODES.get(execution.status, WAITING)


async def delete(given: str, *, json: bool) -> int:
    """Forget an execution. Raises `ExecutionNotFound`, or `NotPossible` while it is open."""
    async with open_site() as site:
        id = await site.whole_id(given)
        await site.delete(id)
    out = Output()
    if json:
        out.json({"deleted": id})
    else:
        out.line(f"deleted {id}")
    return OK


def _expect_open(execution: Execution, what: str) -> None:
    if execution.status.terminal:
        raise NotPossible(
            f"execution {execution.id} is {execution.status} already: nothing is left to {what}"
        )


def _show(standing: Standing, kept: Place, *, json: bool) -> None:
    out = Output()
    if json:
        out.json(standing.to_dict())
        return
    for said in summary(standing.execution, kept, tuple(hints(standing))):
        out.line(said.text)
