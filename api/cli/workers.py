"""Worker processes beside a server: begun with it, begun again when one dies, ended with it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from ...graphs.errors import ConfigurationError
from .output import Output

_SOON = 5.0
"""Seconds: a worker that ended before could not do what it is for."""
_SLOWEST = 10.0
"""Seconds at most until another one is begun in its place."""
_LATE = 5.0
"""Seconds beyond the grace after which a worker that has not ended is killed."""

# Nobody else could listen where the first one does.
_ALONE = ("ASSAY_HEALTH", "ASSAY_PUSH_AUDIENCE", "ASSAY_PUSH_SENDER")


def read_workers(environ: Mapping[str, str], given: int | None) -> int:
    """What is given, over what ASSAY_WORKERS says. Raises `ConfigurationError`."""
    if given is not None:
        return given
    text = environ.get("ASSAY_WORKERS") or "0"
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"ASSAY_WORKERS is {text!r}; give a whole number from 0 on")
    return int(text)


class Workers:
    """So many processes for each tenant, which drive what nobody drives."""

    def __init__(
        self,
        count: int,
        tenants: Sequence[str],
        grace: float,
        environ: Mapping[str, str],
        err: Output,
    ) -> None:
        self._environ = {**environ, **dict.fromkeys(_ALONE, "")}
        self._err = err
        self._grace = grace
        self._over = asyncio.Event()
        self._living: set[Process] = set()
        self._places = [
            asyncio.create_task(self._keep(_command(tenant, grace)))
            for tenant in tenants
            for _ in range(count)
        ]

    async def end(self, again: asyncio.Event) -> None:
        """Let each end in order; at once when somebody says so again."""
        self._over.set()
        self._send(signal.SIGTERM)
        ended = asyncio.gather(*self._places)
        hurry = asyncio.ensure_future(again.wait())
        await asyncio.wait(
            (ended, hurry), timeout=self._grace + _LATE, return_when=asyncio.FIRST_COMPLETED
        )
        if hurry.done():
            self._send(signal.SIGTERM)
            await asyncio.wait((ended,), timeout=_LATE)
        hurry.cancel()
        self._send(signal.SIGKILL)
        await ended

    def _send(self, number: signal.Signals) -> None:
        for process in self._living:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep(self, command: Sequence[str]) -> None:
        """A worker, and another one when it ends, until all are to end."""
        loop, pause = asyncio.get_running_loop(), 0.1
        while not self._over.is_set():
            since = loop.time()
            process = await self._begin(command)
            code = await process.wait()
            self._living.discard(process)
            if self._over.is_set():
                return
            pause = min(2 * pause, _SLOWEST) if loop.time() - since < _SOON else 0.1
            self._err.line(f"worker {process.pid} {_ended(code)}; another one begins")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._over.wait()

    async def _begin(self, command: Sequence[str]) -> Process:
        # In a group of its own: Ctrl-C is for the server, which ends its workers in order.
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, env=self._environ, process_group=0
        )
        self._living.add(process)
        if self._over.is_set():
            process.terminate()
        return process


@asynccontextmanager
async def workers(
    count: int, tenants: Sequence[str], grace: float, environ: Mapping[str, str], err: Output
) -> AsyncIterator[Workers]:
    """Within, so many workers work for each tenant; none is left behind."""
    kept = Workers(count, tenants, grace, environ, err)
    over = asyncio.Event()
    over.set()
    try:
        yield kept
    finally:
        await kept.end(over)


def _command(tenant: str, grace: float) -> Sequence[str]:
    return (
        *(sys.executable, "-m", "assay", "worker", "--quiet", "--attached"),
        *("--grace", f"{grace:g}", "--tenant", tenant),
    )


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
