"""W2: 1,000 chains of 10 no-op steps at once in one process, every step durable."""

from __future__ import annotations

from sides import ours, peers, reference
from sides.rounds import Profiled, command, timed
from sides.table import Row, Target, show

AT_ONCE = 1000
STEPS = 10 * AT_ONCE
REFERENCE = reference.side(reference.chain(), at_once=AT_ONCE)
PYTHON = ours.side("`python` steps", ours.chain("python"), at_once=AT_ONCE)
NODES = ours.side("`python` steps, a node each", ours.chain("python"), at_once=AT_ONCE, fuse=False)
SET = ours.side("`set` steps", ours.chain("set"), at_once=AT_ONCE)
FEWER = 100
"""How many chains a peer is given at once: some stop working when they get a thousand."""


async def measure(rounds: int) -> None:
    others = peers.sides(FEWER)
    sides = [REFERENCE, PYTHON, SET, NODES, *others]
    steps = [STEPS, STEPS, STEPS, STEPS, *[10 * FEWER for _ in others]]
    goal = Target(12, more=True)
    targets = [None, goal, goal, None, *[None for _ in others]]
    times = await timed(sides, rounds, warm=False)
    rows = [
        Row(side.name, n / t, target)
        for side, n, t, target in zip(sides, steps, times, targets, strict=True)
    ]
    foot = peers.missing()
    if others:
        slower = [r.name for r in rows[4:] if (r.value or 0) < (rows[1].value or 0)]
        foot += [f"Peers get {FEWER} at once. `python` steps are to be above every durable peer:"]
        foot += [f"they are above {len(slower)} of {len(others)}."]
    show(f"W2  1,000 chains of 10 at once: medians of {rounds} rounds", "steps/s", rows, foot)


if __name__ == "__main__":
    command(__doc__, measure, [Profiled(PYTHON, STEPS)])
