"""Loops that run for as long as somebody serves: begun again when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..graphs.errors import AssayError

if TYPE_CHECKING:
    from logging import Logger

LONGEST = 60.0
"""Seconds between two tries, at most; who lasted longer is as good as new."""

Loop = Callable[[], Awaitable[None]]


async def kept_up(name: str, loop: Loop, log: Logger) -> None:
    """Run it until it returns. When it raises, it is begun again: after a second, later after a
    minute."""
    clock, failures = asyncio.get_running_loop().time, 0
    while True:
        began = clock()
        try:
            return await loop()
        except Exception as error:
            if (said := _said(error)) is not None:
                log.warning("%s: %s", name, said)
            else:
                log.exception("%s failed", name)
        failures = 1 if clock() - began > LONGEST else failures + 1
        await asyncio.sleep(min(LONGEST, 2.0 ** (failures - 1)))


def _said(error: Exception) -> str | None:
    """What errors of ours say, some at once as well; None where one is nobody's."""
    if isinstance(error, ExceptionGroup):
        said = [_said(each) for each in error.exceptions]
        return None if None in said else "; ".join(str(each) for each in said)
    return str(error) if isinstance(error, AssayError) else None
