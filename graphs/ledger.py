"""What the agents of an execution have spent and are about to, against what they may."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .execution import Cost

if TYPE_CHECKING:
    from .journal import Journal
    from .workflow import Budget

MODEL = "model["
"""How the decision begins that keeps one answer of a model, behind its attempt and round."""

GRANT = "budget["
"""How the execution's decision begins that it may spend its budget once more."""

OUTPUT = 4096
"""Tokens that a model may answer where there is a bound, as far as it has room for them."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; `cached` for those that the server had read before."""

    input: float
    output: float
    cached: float | None = None

    @property
    def usual(self) -> float:
        """For a million tokens, of which three of four go in."""
        return (3 * self.input + self.output) / 4

    def of(self, cost: Cost, cached: int = 0) -> float:
        """What so many tokens cost; `cached` of those that went in had been read before."""
        again = self.input if self.cached is None else self.cached
        fresh = cost.input_tokens - cached
        return (fresh * self.input + cached * again + cost.output_tokens * self.output) / 1e6


@dataclass(frozen=True, slots=True)
class Bound:
    """What may be spent: tokens, in and out together, and US dollars. None: as much as wanted."""

    tokens: int | None = None
    usd: float | None = None

    def __bool__(self) -> bool:
        return self.tokens is not None or self.usd is not None

    def times(self, count: int) -> Bound:
        return Bound(
            None if self.tokens is None else self.tokens * count,
            None if self.usd is None else self.usd * count,
        )

    def __str__(self) -> str:
        parts = []
        if self.tokens is not None:
            parts.append(f"{self.tokens} tokens")
        if self.usd is not None:
            parts.append(f"{self.usd:g} USD")
        return " and ".join(parts)


class Ledger:
    """Reserves what a call may cost at most before it is made, and books what it did cost.

    So calls that run at once cannot spend the same room twice. What an execution has spent is
    in its journal: a resume goes on with the same sum.
    """

    def __init__(self, budget: Budget | None, journal: Journal) -> None:
        self.bound = Bound() if budget is None else Bound(budget.tokens, budget.usd)
        self.granted = 1
        """How many times the budget may be spent: once, and once more for each consent."""
        self._spent: dict[str, Cost] = {}
        self._reserved: dict[object, tuple[str, Cost]] = {}
        self._freed = asyncio.Event()
        for (path, name), value in journal.decisions.items():
            if MODEL in name and isinstance(value, Mapping):
                self.book(path, Cost(**value["cost"]))
            elif not path and name.startswith(GRANT):
                self.granted += 1
        for path, result in journal.results.items():
            if result.cost is not None and path not in self._spent:
                self.book(path, result.cost)

    def booked(self, path: str) -> Cost | None:
        """What the step at the path has spent, in all of its attempts; None: it never did."""
        return self._spent.get(path)

    def of(self, path: str) -> Cost:
        return self.booked(path) or Cost()

    @property
    def spent(self) -> Cost:
        return sum(self._spent.values(), Cost())

    @property
    def whole(self) -> Bound:
        """What the execution may spend by now."""
        return self.bound.times(self.granted)

    def book(self, path: str, cost: Cost, holder: object = None) -> None:
        """Add what was spent, in place of what was reserved."""
        self._spent[path] = self._spent.get(path, Cost()) + cost
        self.release(holder)

    def room(self, bound: Bound, asked: int, price: Price | None, path: str | None = None) -> int:
        """Tokens that may be answered to so many asked, within a bound of the step at the path,
        or of the whole execution; less than 1: it is spent."""
        used, held = self._used(path)
        rooms: list[float] = [OUTPUT]
        if bound.tokens is not None:
            taken = sum(c.input_tokens + c.output_tokens for c in (used, held))
            rooms.append(bound.tokens - taken - asked)
        if bound.usd is not None and price is not None:
            left = bound.usd - (used.usd or 0) - (held.usd or 0) - asked * price.input / 1e6
            rooms.append(left / price.output * 1e6 if price.output else math.copysign(OUTPUT, left))
        return math.floor(min(rooms))

    def reserve(self, holder: object, path: str, most: Cost) -> None:
        self._reserved[holder] = (path, most)

    def release(self, holder: object) -> None:
        self._reserved.pop(holder, None)
        self._freed.set()
        self._freed = asyncio.Event()

    async def freed(self) -> bool:
        """Wait until a reservation ends; False when there is none: it is spent."""
        if self._reserved:
            await self._freed.wait()
            return True
        return False

    def _used(self, path: str | None) -> tuple[Cost, Cost]:
        held = [most for at, most in self._reserved.values() if path in (None, at)]
        return self.spent if path is None else self.of(path), sum(held, Cost())
