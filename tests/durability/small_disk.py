"""A life on a disk of four megabytes that runs full, or with files that may not grow. Programs
of the fork server."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.graphs.event import EventType

from .forkserver import Voice
from .ledger import Ledger
from .life import Life, opened

_NEW_NAMESPACES = 0x00020000 | 0x10000000  # of mounts, and of users so that nobody need be root
_BLOCK = 64 * 1024
_LIMIT = 1024 * 1024

Lift = Callable[[], None]


def disk(voice: Voice, room: int, **how: Any) -> None:
    """Home is a disk of its own; the step that calls `fill` leaves so many bytes free on it."""
    life = Life(**how)
    home = Path(life.folder) / "home"
    try:
        _mount(home)
    except OSError as error:
        voice.say(f"not allowed: {error}")
        return
    ballast = home / "ballast"

    def fill() -> Lift:
        with ballast.open("wb", buffering=0) as file:
            for size in (_BLOCK, 512, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
            file.truncate(file.tell() - room)
        return ballast.unlink

    asyncio.run(_fill_and_lift(voice, life, fill))


def files(voice: Voice, **how: Any) -> None:
    """No file may grow beyond a megabyte from the step that calls `fill` on."""

    def fill() -> Lift:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT, before[1]))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)

    asyncio.run(_fill_and_lift(voice, Life(**how), fill))


async def _fill_and_lift(voice: Voice, life: Life, fill: Callable[[], Lift]) -> None:
    """Says each notice, once two came makes room again, and says how the execution ended."""
    lifts: list[Lift] = []

    async def fill_up() -> None:
        lifts.append(fill())

    async with opened(life) as app:
        app.function("fill", fill_up)
        execution = await app.start(Path(life.folder) / life.document)
        notices: list[str] = []
        async for event in app.manager.follow(execution.id):
            if event.type is EventType.NOTICE:
                notices.append(str(event.data["message"]))
                voice.say(f"notice {len(Ledger.of(life.workspace).lines())} {notices[-1]}")
                if len(notices) == 2:
                    lifts.pop()()
            if event.type in (EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED):
                break
        ended = await app.wait(execution.id)
        numbers = [event.seq async for event in app.manager.events(execution.id)]
        voice.say(f"{ended.status} {numbers == list(range(1, len(numbers) + 1))} {ended.error}")


def _mount(folder: Path) -> None:
    """An empty disk in the place of a folder, for this process only. Raises `OSError`."""
    folder.mkdir()
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_NEW_NAMESPACES))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=4m"))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
