"""`assay stop pause delete`: tell an execution, wherever it runs."""

from __future__ import annotations

import asyncio
import sys

from ...graphs.errors import NotPossible
from ...graphs.execution import Execution, Status
from ..app import open_app
from .exits import CODES, OK, WAITING
from .lookup import open_questions, whole_id
from .output import Output
from .resume import elsewhere
from .screen import kept_place
from .signals import signals
from .standing import Standing, hints
from .summary import summary

_AT_ONCE = 0.5
"""Seconds. What takes longer says so."""


async def stop(given: str, reason: str, *, json: bool) -> int:
    """Stop an execution; returns when nothing of it runs any more.

    Raises `ExecutionNotFound`, or `NotPossible` when it has ended already.
    """
    with signals():
        async with open_app() as app:
            id = await whole_id(app.manager.store, given)
            _expect_open(await app.manager.store.execution(id), "stop")
            if await elsewhere(app.manager, id):
                Output(sys.stderr).line("stopping …: waiting until nothing of it runs")
            stopped = await app.manager.stop(id, reason)
    _show(Standing(stopped), json=json)
    return OK


async def pause(given: str, *, json: bool) -> int:
    """Let the steps that run end, and begin no other; returns when none runs.

    Raises `ExecutionNotFound`, or `NotPossible` when it has ended already.
    """
    with signals() as enough:
        async with open_app() as app:
            id = await whole_id(app.manager.store, given)
            await app.manager.pause(id)
            paused = asyncio.create_task(app.manager.wait(id, until=(Status.PAUSED,)))
            tired = asyncio.create_task(enough.wait())
            done, _ = await asyncio.wait((paused,), timeout=_AT_ONCE)
            if not done:
                Output(sys.stderr).line("pausing …: waiting until the steps that run have ended")
                await asyncio.wait((paused, tired), return_when=asyncio.FIRST_COMPLETED)
            for task in (paused, tired):
                task.cancel()
            await asyncio.gather(paused, tired, return_exceptions=True)
            execution = await app.manager.get(id)
            questions = await open_questions(app.manager.store, id)
    _show(Standing(execution, questions), json=json)
    return OK if execution.status is Status.PAUSED else CODES.get(execution.status, WAITING)


async def delete(given: str, *, json: bool) -> int:
    """Forget an execution. Raises `ExecutionNotFound`, or `NotPossible` while it is open."""
    async with open_app() as app:
        id = await whole_id(app.manager.store, given)
        await app.manager.delete(id)
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


def _show(standing: Standing, *, json: bool) -> None:
    out = Output()
    if json:
        out.json(standing.to_dict())
        return
    for said in summary(standing.execution, kept_place(), tuple(hints(standing))):
        out.line(said.text)
