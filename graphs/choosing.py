"""Which of several models is asked first: the cheapest that is probably good enough.

Pure: what is picked follows from the verdicts, the prices and the seed alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .verdicts import Verdict

FLOOR = 0.8
"""The share of answers that should be good, where a step does not say."""

HALF_LIFE = 100
"""A model's verdicts weigh half as much once so many newer ones of it are known."""

PRIOR = 5.0
"""Verdicts' worth of belief, before there are any, that a model is just good enough."""

DOUBT = 0.2
"""A model is passed over when it is less probable than this that it is good enough."""

LEAST, MOST = 0.02, 0.1
"""The share of picks that try cheaper models than the best known: it falls as it gets surer that
none of them is good enough."""

EAGER = 0.5
"""That share, for a model that is certainly good enough; `MOST` bounds it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a model: verdicts by weight, and how many they are."""

    model: str
    passed: float
    failed: float
    seen: int

    @property
    def rate(self) -> float:
        """The share of good answers, recent ones weighing more; of none seen, 0."""
        return self.passed / (self.passed + self.failed) if self.seen else 0.0

    def good_enough(self, floor: float) -> float:
        """How probable it is that it gives good answers at least that often."""
        good, bad = self.passed + PRIOR * floor, self.failed + PRIOR * (1 - floor)
        return 1 - beta_below(floor, good, bad)

    def __str__(self) -> str:
        if not self.seen:
            return f"{self.model}: no verdicts yet"
        word = "verdict" if self.seen == 1 else "verdicts"
        return f"{self.model}: {self.rate:.0%} good of {self.seen} {word}"


@dataclass(frozen=True, slots=True)
class Pick:
    """The models in the order in which they are asked, and why the first of them is first."""

    order: Sequence[str]
    why: str
    trial: bool = False


def standing(model: str, verdicts: Sequence[Verdict]) -> Standing:
    """`verdicts` are those of a step and a prompt, of any model, newest first."""
    own = [v.passed for v in verdicts if v.model == model]
    weights = [0.5 ** (age / HALF_LIFE) for age in range(len(own))]
    passed = sum(w for w, good in zip(weights, own, strict=True) if good)
    return Standing(model, passed, sum(weights) - passed, len(own))


def pick(
    models: Sequence[str],
    prices: Mapping[str, float | None],
    verdicts: Sequence[Verdict],
    *,
    floor: float = FLOOR,
    seed: str = "",
) -> Pick:
    """The order in which to ask the models.

    Cheaper ones come first; where the price of one is not known, they are taken to be written
    in the order of their prices. Without any verdict the order is the author's.
    """
    models = list(dict.fromkeys(models))
    if not any(v.model in models for v in verdicts):
        return Pick(models, f"{models[0]} is the first named, and nothing is known of any yet")
    priced = {m: p for m in models if (p := prices.get(m)) is not None}
    by_price = sorted(models, key=lambda m: priced[m]) if len(priced) == len(models) else models
    known = [standing(model, verdicts) for model in by_price]
    best = _best(known, floor)
    shown = "; ".join(str(each) for each in known)
    chance, cheaper = _chance(seed), known[: known.index(best)]
    for other in cheaper:
        share = min(MOST, max(LEAST, EAGER * other.good_enough(floor))) / len(cheaper)
        if chance < share:
            why = f"{other.model} is tried once more: {best.model} is the best known, and dearer"
            return Pick(_first(other, by_price), f"{why} ({shown})", trial=True)
        chance -= share
    if not best.seen:
        why = f"{best.model} is the cheapest that has not been found wanting"
    elif (probably := best.good_enough(floor)) >= DOUBT:
        why = (
            f"{best.model} is the cheapest that may be good enough: that it is good at least "
            f"{floor:.0%} of the time is {probably:.0%} probable"
        )
    else:
        why = f"none is probably good {floor:.0%} of the time, and {best.model} is the best"
    return Pick(_first(best, by_price), f"{why} ({shown})")


def _best(by_price: Sequence[Standing], floor: float) -> Standing:
    for each in by_price:
        if each.good_enough(floor) >= DOUBT:
            return each
    return max(by_price, key=lambda s: s.rate)


def _first(one: Standing, by_price: Sequence[str]) -> list[str]:
    return [one.model, *(m for m in by_price if m != one.model)]


def _chance(seed: str) -> float:
    """Between 0 and 1, the same for the same seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) / 2**64


def beta_below(x: float, a: float, b: float) -> float:
    """The probability that a Beta(a, b) variable is below x: the incomplete beta function, by
    its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    sum = d
    for m in range(1, 200):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + factor * d) or tiny)
            c = (1 + factor / c) or tiny
            sum *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return min(1.0, front * sum / a)
