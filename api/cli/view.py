"""An execution drawn on a terminal: live while it runs, and once more when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.style import Style
from rich.text import Text

from ...graphs.event import Event
from ...graphs.execution import Execution, Status
from .rows import Row, rows, window
from .summary import MARGIN, Line, Place, summary
from .text import clean, duration, seconds_between, spent
from .tree import Tree

_PERIOD = 0.1
"""Seconds from one drawing to the next."""

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ICONS = {
    Status.COMPLETED: ("✓", "green"),
    Status.FAILED: ("✗", "red"),
    Status.SKIPPED: ("-", "dim"),
    Status.CANCELLED: ("■", "yellow"),
    Status.COMPENSATED: ("↺", "yellow"),
}
_TONES = {
    "plain": "",
    "head": "bold",
    "dim": "dim",
    "good": "bold green",
    "bad": "bold red",
    "notice": "yellow",
    "prose": "",
}
_TIME = 7
"""Columns of an elapsed time, such as `59m 05s`."""


class View:
    """Draws a tree as its events arrive. Use as an asynchronous context manager."""

    def __init__(self, tree: Tree, console: Console | None = None) -> None:
        self._tree = tree
        # Nothing that comes from a workflow is read as rich's markup.
        self._console = console or Console(markup=False, highlight=False, emoji=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop"
        )
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._ticking is not None
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking
        self._live.stop()

    def event(self, event: Event) -> None:
        """Take an event into account; it is drawn at the next tick."""
        self._tree.fold(event)

    async def _tick(self) -> None:
        # A timer of the loop's own: a thread would draw while the tree changes.
        while True:
            width, height = self._console.size
            self._live.update(_frame(self._tree, width, height), refresh=True)
            await asyncio.sleep(_PERIOD)


def draw(execution: Execution, tree: Tree, place: Place, console: Console | None = None) -> None:
    """An execution as it is now: every row of its tree, then the summary."""
    console = console or Console(markup=False, highlight=False, emoji=False)
    tree.finish(execution)
    console.print(_head(tree, console.width))
    for line in _lines(rows(tree), console.width):
        console.print(line)
    console.print()
    for said in summary(execution, place, width=console.width):
        _say(said, console)


def _say(line: Line, console: Console) -> None:
    """Break sentences between words; leave what may be copied, such as a path, to the terminal."""
    style = _TONES[line.tone]
    if line.tone == "prose":
        text = Text(line.text.removeprefix(MARGIN), style)
        for part in text.wrap(console, max(console.width - len(MARGIN), 20)) or [text]:
            part.rstrip()
            console.print(Text(MARGIN if part else "") + part, soft_wrap=True)
    else:
        console.print(Text(line.text, style), soft_wrap=line.tone not in ("notice", "bad"))


def _frame(tree: Tree, width: int, height: int) -> Group:
    """What fits the screen. The last line stays free, or the terminal would scroll."""
    return Group(
        _head(tree, width), *_lines(window(rows(tree), max(height - 2, 1)), width), fit=False
    )


def _head(tree: Tree, width: int) -> Text:
    parts = [tree.title, tree.status.value, tree.execution_id]
    parts.insert(2, duration(seconds_between(tree.started_at, tree.ended_at)))
    if cost := spent(tree.cost):
        parts.insert(3, cost)
    head = Text("  ".join(filter(None, parts)), style="bold", no_wrap=True)
    head.truncate(width, overflow="ellipsis")
    return head


def _lines(found: Sequence[Row], width: int) -> Iterable[Text]:
    """Columns: mark and name, kind, time, note; the note takes what is left."""
    wanted = max((2 * row.depth + 2 + len(row.label) for row in found), default=0)
    name = min(wanted, max(width * 2 // 5, 12))
    kind = max((len(row.kind) for row in found), default=0) if width >= 60 else 0
    for row in found:
        yield _line(row, name, kind, width)
        for said in row.tail:
            yield _tail(said, 2 * row.depth + 2, width)


def _line(row: Row, name: int, kind: int, width: int) -> Text:
    mark, style = _icon(row)
    line = Text(no_wrap=True)
    line.append(f"{'  ' * row.depth}{mark} ", style)
    label = "bold" if row.current else "dim" if row.status in (None, Status.SKIPPED) else ""
    line.append(clean(row.label), label)
    line.truncate(name, overflow="ellipsis", pad=True)
    if kind:
        line.append(f"  {row.kind:<{kind}}", "cyan" if row.current else "dim")
    line.append(f"  {row.time:>{_TIME}}", "" if row.status is Status.RUNNING else "dim")
    if row.note:
        line.append("  ")
        line.append(row.note, "red" if row.status is Status.FAILED else "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def _icon(row: Row) -> tuple[str, Style | str]:
    if row.status is None:
        return ("…" if row.left_out else "·"), "dim"
    if row.status is Status.RUNNING:
        return _SPINNER[int(time.monotonic() / _PERIOD) % len(_SPINNER)], "bold cyan"
    return _ICONS.get(row.status, ("?", "yellow"))


def _tail(said: str, indent: int, width: int) -> Text:
    """What a step said, dim; of a line that is too long its end, where something happens."""
    said = said.expandtabs(4)
    room = max(width - indent - 2, 8)
    if len(said) > room:
        said = "…" + said[-(room - 1) :]
    line = Text(f"{' ' * indent}│ {said}", style="dim", no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line
