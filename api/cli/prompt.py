"""A question at the terminal, and a line typed for an answer. Waiting for it stops nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

Ask = Callable[[str], Awaitable[str | None]]
"""Asks, and returns what is typed; None at the end of input."""

_YES, _NO, _LATER = ("y", "yes"), ("n", "no", ""), ("l", "later")


def attended() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def approve(question: str, ask: Ask) -> bool | None:
    """Yes or no; None for later, or when input has ended."""
    apart = "\n" if "\n" in question else " "
    while True:
        typed = await ask(f"{question}{apart}[y/N/later]")
        if typed is None or typed.lower() in _LATER:
            return None
        if typed.lower() in (*_YES, *_NO):
            return typed.lower() in _YES


async def confirm(question: str, stop: asyncio.Event) -> bool:
    """Whether somebody says yes, on a line of their own, before the event says to stop."""
    asking = asyncio.create_task(ask_below(f"{question} [y/N]"))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((asking, stopping), return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    stopping.cancel()
    typed, _ = await asyncio.gather(asking, stopping, return_exceptions=True)
    return isinstance(typed, str) and typed.lower() in _YES


async def ask_below(question: str) -> str | None:
    """Ask on the next line, and leave it there."""
    forget_typed()
    sys.stdout.write(f"{question} ")
    sys.stdout.flush()
    typed = None
    try:
        typed = await read_line()
    finally:
        if typed is None:
            sys.stdout.write("\n")
    return typed


def forget_typed() -> None:
    """Whatever has been typed up to now was no answer to what is going to be asked."""
    import termios

    with suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def read_line() -> str | None:
    """The next line that is typed, without its end; None at the end of input."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    source = sys.stdin.fileno()
    loop.add_reader(source, readable.set)
    try:
        await readable.wait()
        # A terminal hands over whole lines.
        typed = os.read(source, 4096)
    except OSError:
        return None  # the terminal is gone
    finally:
        loop.remove_reader(source)
    return typed.decode(errors="replace").strip() if typed else None
