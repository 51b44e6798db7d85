"""Three synthetic models, one of them the cheapest that is good enough: how soon and how surely
it is picked, what becomes of that when their rates change, and what learning costs.

No model and no clock: the same seeds print the same table.
"""

from __future__ import annotations

import argparse
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, quantiles

from assay.graphs.choosing import pick
from assay.graphs.verdicts import REMEMBERED, Source, Verdict

FLOOR = 0.8
PRICES = {"first": 10.0, "second": 3.0, "third": 1.0}
RATES = {"first": 0.9, "second": 0.85, "third": 0.6}
FALLEN = {**RATES, "second": 0.6}
SWAPPED = {"first": 0.9, "second": 0.6, "third": 0.85}
LEARNS = 300
"""Picks after which what is picked is counted."""

Phase = tuple[int, Mapping[str, float]]
Policy = Callable[[Sequence[Verdict], str], str]


@dataclass(frozen=True, slots=True)
class Picked:
    """One pick: whether its answer was good, and what it cost."""

    model: str
    good: bool
    usd: float


def learned(verdicts: Sequence[Verdict], seed: str) -> str:
    """What Assay picks."""
    return pick(list(PRICES), PRICES, verdicts, floor=FLOOR, seed=seed).order[0]


def play(phases: Sequence[Phase], seed: int, policy: Policy = learned) -> list[Picked]:
    """Picks one after another; each answer is judged before the next pick."""
    chance = random.Random(seed)
    verdicts: deque[Verdict] = deque(maxlen=REMEMBERED)
    picked: list[Picked] = []
    for length, rates in phases:
        for _ in range(length):
            model = policy(list(verdicts), f"{seed}/{len(picked)}")
            good = chance.random() < rates[model]
            verdicts.appendleft(
                Verdict("", "w", "s", model, "p", good, Source.VERIFY, "x", "s", "")
            )
            picked.append(Picked(model, good, PRICES[model]))
    return picked


def share(picks: Sequence[Picked], model: str) -> float:
    return sum(p.model == model for p in picks) / len(picks)


def shares(phases: Sequence[Phase], seeds: int, model: str) -> list[float]:
    """Of the picks of the last phase, from `LEARNS` on, how many are the model's; by seed."""
    tail = phases[-1][0] - LEARNS
    return [share(play(phases, seed)[-tail:], model) for seed in range(seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--picks", type=int, default=600, help="of one phase, more than 300")
    given = parser.parse_args()
    n, seeds = given.picks, given.seeds
    print(f"{seeds} seeds, {n} picks a phase; floor {FLOOR:.0%}; prices {PRICES}\n")
    print(f"{'share of picks, after ' + str(LEARNS):52}{'mean':>8}{'10 %':>8}{'lowest':>8}")
    for what, phases, model in (
        ("second, rates .9 .85 .6", [(n, RATES)], "second"),
        ("first, after second fell to .6", [(n, RATES), (n, FALLEN)], "first"),
        ("second, after it came back", [(n, RATES), (n, FALLEN), (n, RATES)], "second"),
        ("third, after it and second changed places", [(n, RATES), (n, SWAPPED)], "third"),
        ("second, after they changed back", [(n, RATES), (n, SWAPPED), (n, RATES)], "second"),
    ):
        found = shares(phases, seeds, model)
        print(f"{what:52}{mean(found):8.0%}{quantiles(found, n=10)[0]:8.0%}{min(found):8.0%}")
    print(f"\n{'one phase from the first pick on':52}{'good':>8}{'cost':>8}{'regret':>8}")
    policies: dict[str, Policy] = {
        "learned": learned,
        "always the cheapest that is good enough (unknowable)": lambda _, __: "second",
        "always the best": lambda _, __: "first",
        "always the cheapest": lambda _, __: "third",
        "any": lambda _, seed: random.Random(seed).choice(list(PRICES)),
    }
    for what, policy in policies.items():
        all = [p for seed in range(seeds) for p in play([(n, RATES)], seed, policy)]
        good, cost = mean(p.good for p in all), mean(p.usd for p in all)
        print(f"{what:52}{good:8.1%}{cost:8.2f}{regret(all):8.2f}")
    print(f"\nregret: what a pick costs beyond {PRICES['second']:g}; one of a model that is")
    print("not good enough costs the price of the best on top.")


def regret(picks: Sequence[Picked]) -> float:
    """By pick. A model below the floor costs as if the best had to be asked after it."""
    right = PRICES["second"]
    paid = (p.usd + (PRICES["first"] if RATES[p.model] < FLOOR else 0) for p in picks)
    return mean(max(each - right, 0.0) for each in paid)


if __name__ == "__main__":
    main()
