"""W1: a chain of 10 no-op steps, each durable before the next begins, one run at a time."""

from __future__ import annotations

from sides import ours, peers, reference
from sides.rounds import Profiled, command, stored, timed
from sides.table import Row, Target, show

RUNS = 20
WEIGHED = 50
REFERENCE = reference.side(reference.chain())
PYTHON = ours.side("`python` steps", ours.chain("python"))
NODES = ours.side("`python` steps, a node each", ours.chain("python"), fuse=False)
SET = ours.side("`set` steps", ours.chain("set"))


async def measure(rounds: int) -> None:
    others = peers.sides()
    sides = [REFERENCE, PYTHON, SET, NODES, *others]
    targets = [None, Target(0.30), Target(0.30), None, *[None for _ in others]]
    times = await timed(sides, rounds, RUNS)
    show(
        f"W1  A chain of 10: medians of {rounds} rounds of {RUNS} runs",
        "ms a run",
        [Row(s.name, t * 1000, goal) for s, t, goal in zip(sides, times, targets, strict=True)],
        peers.missing(),
    )
    rows = [Row(side.name, await stored(side, WEIGHED)) for side in sides]
    show("W1  What it leaves on the disk", "bytes a run", rows)


if __name__ == "__main__":
    command(__doc__, measure, [Profiled(PYTHON, 10), Profiled(SET, 10), Profiled(NODES, 10)])
