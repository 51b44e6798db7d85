"""Looks again, while a connection stays open, whether whoever opened it is still let in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...graphs.errors import AssayError, NotAuthenticated

if TYPE_CHECKING:
    from .asking import Asking

LOOK = 2.0
"""Seconds between looks; with those for which a key is believed, less than 5."""


async def revoked(asking: Asking) -> NotAuthenticated:
    """Ends when they are let in no more. A store that is away for a while ends nothing."""
    while True:
        await asyncio.sleep(LOOK)
        try:
            await asking.identify()
        except NotAuthenticated as error:
            return error
        except AssayError:
            continue
