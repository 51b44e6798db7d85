"""A table of medians beside their reference, and what it was measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

LIBRARIES = ("langgraph", "langgraph-checkpoint-sqlite")


@dataclass(frozen=True, slots=True)
class Target:
    """A goal of the design: for the ratio to the reference or, when `absolute`, for the value."""

    limit: float
    more: bool = False
    absolute: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.more else '≤'} {self.limit:g}"

    def met(self, value: float, ratio: float | None) -> bool:
        reached = value if self.absolute else ratio
        if reached is None:
            return False
        return reached >= self.limit if self.more else reached <= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """A name and its value; None is a side that could not do the work."""

    name: str
    value: float | None
    target: Target | None = None


def show(title: str, unit: str, rows: Sequence[Row], foot: Sequence[str] = ()) -> None:
    """Print rows; the first is the reference, and every ratio is to it."""
    print(f"\n{title}\n")
    print(f"  {'':46} {unit:>14} {'ratio':>7} {'target':>8}")
    reference = rows[0].value
    for row in rows:
        ratio = row.value / reference if row.value is not None and reference else None
        value = "-" if row.value is None else _number(row.value)
        shown = "" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"
        target = verdict = ""
        if row.target is not None:
            target = str(row.target)
            met = row.value is not None and row.target.met(row.value, ratio)
            verdict = "met" if met else "MISSED"
        print(f"  {row.name:46} {value:>14} {shown:>7} {target:>8} {verdict}".rstrip())
    for line in foot:
        print(f"  {line}")


def grid(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Print several values for each row; a row without values is a heading of those below."""
    print(f"\n{title}\n")
    print(f"  {'':46}{''.join(f'{each:>10}' for each in columns)}")
    for name, values in rows:
        print(f"  {name:46}{''.join(f'{_number(each):>10}' for each in values)}".rstrip())


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return (
        f"{value:.0f}" if value == int(value) else f"{value:.2f}" if value < 10 else f"{value:.1f}"
    )


def machine() -> None:
    """What the tables above were measured on."""
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    found += [f"{name} {version(name)}" for name in LIBRARIES]
    found += [f"{os.cpu_count()} cores", f"fdatasync of 4 KiB: {_fdatasync():.2f} ms"]
    print(f"\n  {' · '.join(found)}")


def _fdatasync() -> float:
    """The median milliseconds to bring 4 KiB to the disk on which the stores were."""
    times = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
