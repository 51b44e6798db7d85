"""W7: SIGKILL after 50 of 100 steps, in a chain and in a fan-out; then another process goes on.

Counts the steps that had ended and ran again, and times the way from opening the store to the
first new step, in a process that has run something else before. In the fan-out 50 siblings end
a millisecond apart, the others never; 10 ms after the last of them the process is killed.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sides.reference import NAME
from sides.rounds import command
from sides.table import Row, Target, show

NAMES = {"sync": NAME, "async": "  the same with its default, async", "ours": "Assay"}
HERE = Path(__file__).parent
TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Seen:
    """Ended steps that ran again; milliseconds to the first step and to the end."""

    again: int
    first: float
    done: float


class Failed(Exception):
    """A process did not do its part; says why."""


def crashed(side: str, shape: str) -> Seen:
    """One execution, killed and resumed."""
    with TemporaryDirectory() as folder:
        killed = _process("begin", side, shape, folder)
        if killed.returncode != -signal.SIGKILL:
            raise Failed(f"{NAMES[side]}, {shape}: was to be killed, and {_why(killed)}")
        ended = {int(line) for line in (Path(folder) / "ended").read_text().split()}
        resumed = _process("resume", side, shape, folder)
        if resumed.returncode != 0:
            raise Failed(f"{NAMES[side]}, {shape}: does not resume: {_why(resumed)}")
    saw = json.loads(resumed.stdout)
    return Seen(len(ended & set(saw["ran"])), saw["first"], saw["done"])


def _process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sides.victim", *arguments]
    try:
        return subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(arguments[:3])}: took more than {TIMEOUT} s") from error


def _why(process: subprocess.CompletedProcess[str]) -> str:
    said = process.stderr.strip().splitlines() or [f"ended with {process.returncode}"]
    return said[-1]


async def measure(rounds: int) -> None:
    for shape in ("chain", "fan-out"):
        seen: dict[str, list[Seen]] = {side: [] for side in NAMES}
        failures: list[str] = []
        for _ in range(rounds):
            for side, found in seen.items():
                try:
                    found.append(crashed(side, shape))
                except Failed as failure:
                    failures.append(str(failure))
        _table(shape, seen, failures)


def _table(shape: str, seen: dict[str, list[Seen]], failures: Sequence[str]) -> None:
    def rows(value: Callable[[Sequence[Seen]], float], target: Target | None) -> list[Row]:
        return [
            Row(name, value(seen[side]) if seen[side] else None, target if side == "ours" else None)
            for side, name in NAMES.items()
        ]

    rounds = f"of {max(map(len, seen.values()))} crashes"
    again = rows(lambda all: max(s.again for s in all), Target(0, absolute=True))
    first = rows(lambda all: statistics.median(s.first for s in all), Target(20, absolute=True))
    done = rows(lambda all: statistics.median(s.done for s in all), None)
    foot = list(dict.fromkeys(failures))
    show(f"W7  {shape}: ended steps that ran again, the worst {rounds}", "steps of 50", again, foot)
    show(f"W7  {shape}: from opening the store to the first step, median {rounds}", "ms", first)
    show(f"W7  {shape}: from opening the store to the end, median {rounds}", "ms", done)


if __name__ == "__main__":
    command(__doc__, measure)
