"""An execution is executed: here, step by step, or by another provider.

There it is begun once and looked at until it has ended. When the worker that looks dies another
one begins it again with the same id: that begins nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from .ending import Verdict, broken, concluded
from .engine import root
from .errors import ExecutionFailed, ExecutionNotFound, Retryable
from .execution import HERE, Failure, Status

if TYPE_CHECKING:
    from .ports import Provider
    from .run import Run

T = TypeVar("T")

_log = logging.getLogger("assay.execute")

_FIRST_LOOK = 0.05
_LONGEST = 5.0
"""Seconds between looks, which grow by half each time."""


async def execute(run: Run) -> Verdict:
    """How it ended, whatever went wrong."""
    try:
        if run.execution.provider != HERE:
            return await _elsewhere(run, run.services.providers.get(run.execution.provider))
        frame = root(run, run.definition, run.execution.inputs)
        await run.prepare()
        saver = run.services.checkpointer
        # Its checkpoint may have to wait for the store; to drive it again repeats no step.
        outcome = await run.journal.patiently(lambda: frame.drive_root(saver))
        await run.join()
        return concluded(run, outcome)
    except Exception as error:
        await run.join()
        return broken(error)


async def call_off(run: Run, reason: str) -> None:
    """Stop what another provider executes; when it will not, the execution says so."""
    if run.execution.provider == HERE:
        return
    try:
        provider = run.services.providers.get(run.execution.provider)
        await _Looks().patiently(lambda: provider.stop_execution(run.execution.id, reason))
    except ExecutionNotFound:
        return  # it was stopped before it began
    except Exception as error:
        _log.error("%s is not stopped by its provider", run.execution.id, exc_info=error)
        run.notice(f"the provider {run.execution.provider!r} did not stop it: {error}")


async def _elsewhere(run: Run, provider: Provider) -> Verdict:
    looks = _Looks()
    await looks.patiently(lambda: provider.create_workflow(run.definition.program.workflow))
    found = await looks.patiently(lambda: provider.start_execution(run.execution))
    while not found.status.terminal:
        await looks.wait()
        found = await looks.patiently(lambda: provider.get_execution_status(run.execution.id))
    if found.status is Status.COMPLETED:
        return Verdict(Status.COMPLETED, found.outputs)
    if found.status is Status.CANCELLED:
        why = Failure("cancelled", f"the provider {provider.name()!r} cancelled it")
        return Verdict(Status.CANCELLED, failure=found.error or why)
    why = Failure(ExecutionFailed.code, f"the provider {provider.name()!r} says {found.status}")
    return Verdict(Status.FAILED, failure=found.error or why)


class _Looks:
    """Waits between them, longer and longer."""

    def __init__(self) -> None:
        self._pause = _FIRST_LOOK

    async def wait(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 1.5, _LONGEST)

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again as long as that may help."""
        while True:
            try:
                return await ask()
            except Retryable:
                await self.wait()
