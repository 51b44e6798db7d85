"""An execution drawn on a terminal: live while it runs, and once more when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.style import Style
from rich.text import Text

from ...graphs.execution import Status
from .prompt import forget_typed, read_line
from .rows import Row, rows, window
from .standing import Standing, hints
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
    Status.WAITING: ("◔", "yellow"),
}
_NOTES: Mapping[Status | None, str] = {Status.FAILED: "red", Status.WAITING: "yellow"}
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
    """Draws a tree again and again, from `start` to `stop`."""

    def __init__(self, tree: Tree, console: Console | None = None) -> None:
        self._tree = tree
        self._console = console or _console()
        self._drawing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._drawing = asyncio.create_task(self._draw())

    async def stop(self) -> None:
        """Leave the terminal as it was."""
        assert self._drawing is not None
        self._drawing.cancel()
        with suppress(asyncio.CancelledError):
            await self._drawing

    async def ask(self, question: str) -> str | None:
        """What is typed below the tree, which stands still meanwhile; None at the end of input.

        What was asked and typed is taken away afterwards, also when this is cancelled.
        """
        await self.stop()
        forget_typed()
        console = self._console
        width, height = console.size
        asked = Text(question, "bold").wrap(console, width - 1) or [Text()]
        frame = _frame(self._tree, width, max(height - len(asked) - 1, 3))
        console.print(frame)
        console.print()
        console.print(Text("\n").join(asked), end=" ", soft_wrap=True)
        above, typed = len(frame.renderables) + len(asked), None
        try:
            typed = await read_line()
            if typed is not None:
                above += 1 + (asked[-1].cell_len + 1 + cell_len(typed)) // width
        finally:
            console.file.write(f"\r\x1b[{above}A\x1b[J")
            self.start()
        return typed

    async def _draw(self) -> None:
        live = Live(
            console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop"
        )
        with live:
            # A timer of the loop's own: a thread would draw while the tree changes.
            while True:
                width, height = self._console.size
                live.update(_frame(self._tree, width, height), refresh=True)
                await asyncio.sleep(_PERIOD)


def _console() -> Console:
    # Nothing that comes from a workflow is read as rich's markup.
    return Console(markup=False, highlight=False, emoji=False)


def draw(standing: Standing, tree: Tree, place: Place, console: Console | None = None) -> None:
    """An execution as it is now: every row of its tree, then the summary."""
    console = console or _console()
    execution = standing.execution
    tree.finish(execution)
    console.print(_head(tree, console.width))
    for line in _lines(rows(tree), console.width):
        console.print(line)
    console.print()
    for said in summary(execution, place, tuple(hints(standing)), width=console.width):
        say(said, console)


def say(line: Line, console: Console | None = None) -> None:
    """Break sentences between words; leave what may be copied, such as a path, to the terminal."""
    console = console or _console()
    style = _TONES[line.tone]
    if line.tone in ("prose", "bad") and line.text.startswith(MARGIN):
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
    status = f"{tree.status.value}: {tree.restart}" if tree.restart else tree.status.value
    parts = [tree.title, status, tree.execution_id]
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
        line.append(row.note, _NOTES.get(row.status, "dim"))
    line.truncate(width, overflow="ellipsis")
    return line


def _icon(row: Row) -> tuple[str, Style | str]:
    if row.status is None:
        return ("…" if row.left_out else "·"), "dim"
    if row.status is Status.RUNNING:
        return _SPINNER[int(time.monotonic() / _PERIOD) % len(_SPINNER)], "bold cyan"
    if row.asks:
        return "?", "bold yellow"
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
