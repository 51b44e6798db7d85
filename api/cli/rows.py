"""A tree as rows to show: what there is much of is counted, and what matters stays in sight."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...graphs.execution import Status
from ...graphs.question import Wait
from .node import Node
from .text import duration, first_line, one_line, seconds_between, spent
from .tree import Tree
from .waits import beside

MANY = 12
"""More children than this are counted instead of listed."""

_LISTED = 3
"""How many of those that failed, and of those that run, are listed all the same."""

_ORDER = (
    Status.COMPLETED,
    Status.RUNNING,
    Status.WAITING,
    Status.FAILED,
    Status.SKIPPED,
    Status.CANCELLED,
    Status.COMPENSATED,
)
_AT_WORK = frozenset({Status.RUNNING, Status.WAITING})
_REST = frozenset({Status.WAITING, Status.PAUSED})
_PERSON = frozenset({Wait.APPROVAL, Wait.ONCE})


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `status` None has not begun. `tail` are lines that the step said last.

    A row that is `left_out` stands for those that have no room; one that `asks` waits for a
    person.
    """

    depth: int
    label: str
    kind: str
    status: Status | None
    time: str = ""
    note: str = ""
    current: bool = False
    tail: Sequence[str] = ()
    left_out: bool = False
    asks: bool = False


def rows(tree: Tree) -> list[Row]:
    """Every row of the tree."""
    found = [row for root in tree.roots.values() for row in _rows(root, 0, tree.current)]
    if tree.adrift:
        return [_cut_off(row) for row in found]
    return [_at_rest(row) for row in found] if tree.status in _REST else found


def window(found: Sequence[Row], height: int) -> list[Row]:
    """At most `height` lines of them, around the current row, counting what is left out."""
    lines = [1 + len(row.tail) for row in found]
    if sum(lines) <= height:
        return list(found)
    running = [i for i, row in enumerate(found) if row.status in _AT_WORK]
    focus = next((i for i, row in enumerate(found) if row.current), running[-1] if running else 0)
    first = last = focus
    used = lines[focus] + 2
    while True:
        grown = False
        for candidate in (last + 1, first - 1):
            if 0 <= candidate < len(found) and used + lines[candidate] <= height:
                first, last = min(first, candidate), max(last, candidate)
                used += lines[candidate]
                grown = True
        if not grown:
            break
    above, below = found[:first], found[last + 1 :]
    return [
        *([_left_out(above, "above")] if above else []),
        *found[first : last + 1],
        *([_left_out(below, "below")] if below else []),
    ]


def _rows(node: Node, depth: int, current: Node | None) -> Iterator[Row]:
    children = _ordered(node.children.values())
    standing = node.standing
    if standing is not None and standing.terminal:
        # What has not begun by now never will.
        children = [c for c in children if c.standing is not None]
    many = len(children) > MANY
    note = _note(node)
    if many:
        note = "; ".join(filter(None, (counts(children), note)))
    is_current = node is current
    yield Row(
        depth,
        node.label,
        node.kind,
        standing,
        _time(node),
        note,
        is_current,
        tuple(node.tail.lines) if is_current else (),
        asks=node.wait is not None and standing is Status.WAITING and node.wait.kind in _PERSON,
    )
    if not node.kind and standing in (Status.COMPLETED, Status.SKIPPED):
        return
    for child in _notable(children) if many else children:
        yield from _rows(child, depth + 1, current)


def _cut_off(row: Row) -> Row:
    """The row when nothing runs: what seems to was interrupted."""
    if row.status is not Status.RUNNING:
        return row
    note = "; ".join(filter(None, ("interrupted", row.note)))
    return replace(row, status=None, time="", note=note, current=False, tail=())


def _at_rest(row: Row) -> Row:
    """The row when everything waits: what has been answered goes on when the execution does."""
    return replace(row, status=Status.WAITING) if row.status is Status.RUNNING else row


def _ordered(children: Iterable[Node]) -> list[Node]:
    """In order of the file, and iterations in order of their index."""
    found = list(children)
    if any(c.label.startswith("[") for c in found):
        found.sort(key=lambda c: int(c.label[1:-1]) if c.label[1:-1].isdigit() else -1)
    return found


def _notable(children: Sequence[Node]) -> list[Node]:
    failed = [c for c in children if c.standing is Status.FAILED][:_LISTED]
    running = [c for c in children if c.standing in _AT_WORK][-_LISTED:]
    return [c for c in children if c in failed or c in running]


def counts(children: Sequence[Node]) -> str:
    """`87 completed, 3 running, 2 failed`."""
    found = Counter(child.standing for child in children)
    said = [f"{found[status]} {status}" for status in _ORDER if found[status]]
    if found[None]:
        said.append(f"{found[None]} to come")
    return ", ".join(said)


def _time(node: Node) -> str:
    if node.status is Status.SKIPPED and not node.error:
        return ""
    if node.kind:
        return duration(seconds_between(node.started_at, node.ended_at))
    # What undid a step inside, later, is not of its time.
    inside = [n for n in node.every() if n.started_at and "/" not in n.path[len(node.path) :]]
    if not inside:
        return ""
    start = min(str(n.started_at) for n in inside)
    ends = [n.ended_at for n in inside]
    end = None if None in ends else max(str(e) for e in ends)
    return duration(seconds_between(start, end))


def _note(node: Node) -> str:
    """What is to be said beside a step: attempts, errors, reasons, cost."""
    said = []
    if node.wait is not None and node.status is Status.RUNNING:
        said.append(beside(node.wait))
    elif node.status is Status.RUNNING and node.attempt > 1:
        wait = node.retries_at - time.time()
        soon = f" in {duration(wait)}" if wait > 0 else ""
        said.append(f"attempt {node.attempt} of {node.of}{soon}")
    elif node.status is not None and node.attempt > 1:
        said.append(f"{node.attempt} attempts")
    if node.cached:
        said.append("cached")
    if node.answer and not node.error:
        said.append(one_line(node.answer))
    if node.reason:
        said.append(one_line(node.reason))
    if node.error:
        said.append(first_line(node.error))
    if cost := spent(node.cost):
        said.append(cost)
    return "; ".join(said)


def _left_out(hidden: Sequence[Row], where: str) -> Row:
    found = Counter(row.status for row in hidden)
    said = [f"{found[status]} {status}" for status in _ORDER if found[status]]
    if found[None]:
        said.append(f"{found[None]} to come")
    return Row(0, f"{len(hidden)} {where}", "", None, note=", ".join(said), left_out=True)
