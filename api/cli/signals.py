"""Signals to end, while something has to be ended in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals() -> Iterator[asyncio.Event]:
    """Within, a signal to end sets the event; further ones wait like the first.

    Ending at once would leave behind the processes that are being ended.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A signal that is ignored, as under `nohup`, stays ignored.
    caught = [s for s in _STOPS if signal.getsignal(s) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
