"""Sides of a comparison: timed in interleaved rounds, weighed by what they store, profiled."""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .profile import profile
from .table import machine

ROUNDS = 5

Inputs = Callable[[], Mapping[str, Any]]
"""What a run begins with, made for each: what two runs have in common could be stored once."""

Run = Callable[[], Awaitable[float | None]]
"""Does the work once; returns the seconds it took when it has measured them itself."""


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work. `open` makes its store in an empty folder, or opens it again."""

    name: str
    open: Callable[[Path], AbstractAsyncContextManager[Run]]


async def timed(
    sides: Sequence[Side], rounds: int, repeat: int = 1, *, warm: bool = True
) -> list[float]:
    """The median seconds of a run of each side, which take turns; one is open at a time.

    In each turn a side runs once before it is timed, unless not `warm`: the first run of a
    process that has just opened its store compiles and connects.
    """
    times: list[list[float]] = [[] for _ in sides]
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(TemporaryDirectory())) for _ in sides]
        for turn in range(rounds):
            # Another side begins each round: none always follows the same neighbour.
            for index in sorted(range(len(sides)), key=lambda i: (i + turn) % len(sides)):
                gc.collect()
                async with sides[index].open(folders[index]) as run:
                    await _repeat(run, 1 if warm else 0)
                    times[index] += [await seconds(run) for _ in range(repeat)]
    return [statistics.median(found) for found in times]


async def seconds(run: Run) -> float:
    started = time.perf_counter()
    own = await run()
    return time.perf_counter() - started if own is None else own


async def stored(side: Side, runs: int) -> float:
    """Bytes that one run leaves in all files of a store that had one run before and is closed."""
    with TemporaryDirectory() as folder:
        await _fill(side, Path(folder), 1)
        before = _size(Path(folder))
        await _fill(side, Path(folder), runs)
        return (_size(Path(folder)) - before) / runs


async def _fill(side: Side, folder: Path, runs: int) -> None:
    async with side.open(folder) as run:
        await _repeat(run, runs)


async def _repeat(run: Run, times: int) -> None:
    for _ in range(times):
        await run()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@dataclass(frozen=True, slots=True)
class Profiled:
    """What `--profile` looks at: a side, and how many steps a run of it has."""

    side: Side
    steps: int


async def _profile(what: Profiled) -> None:
    with TemporaryDirectory() as folder:
        async with what.side.open(Path(folder)) as run:
            await profile(what.side.name, run, what.steps)


def command(
    what: str | None,
    measure: Callable[[int], Coroutine[Any, Any, None]],
    profiled: Sequence[Profiled] = (),
) -> None:
    """The command line of a benchmark: its table, or the profiles of our side."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} unless given")
    if profiled:
        parser.add_argument("--profile", action="store_true", help="show where our time goes")
    arguments = parser.parse_args()
    if profiled and arguments.profile:
        for side in profiled:
            asyncio.run(_profile(side))
    else:
        asyncio.run(measure(arguments.rounds))
        machine()
