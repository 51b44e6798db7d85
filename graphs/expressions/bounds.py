"""What an expression may cost. CEL always ends, but not always soon, nor in little memory.

Shapes that multiply data are refused when the source is read; the size of the data is weighed
against the shape before each evaluation. One unit of weight is a value, or 16 characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from math import isqrt, prod

import orjson

from ..errors import ExpressionError
from .ast import Constant
from .engine import Value
from .reading import Loop, Reading

SOURCE = 8_192  # characters
LOOPS = 3
HEAVY_CALLS = 16
DATA = 250_000  # weight of all that one evaluation reads
WORK = 20_000_000  # comparisons in loops
BUILT = 500_000  # weight of what loops may write out
APPENDED = 4_000_000  # CEL copies the list for each element that map and filter append
SEARCHED = 8_000  # weight where regular expressions or unknown texts are searched for
RESULT = 200_000  # weight of what one function may give
DEPTH = 200  # of nested lists and maps; CEL recurses over them in C++
ITERATIONS = 10_000  # CEL's own limit, for all loops of an evaluation together


def refusals(reading: Reading, heavy: Set[str], numbers: Set[str]) -> Iterator[tuple[int, str]]:
    """Shapes that are refused, as (offset, message). `heavy` names the functions that do or
    make much more than their arguments show, `numbers` the names declared as numbers."""
    if len(reading.loops) > LOOPS:
        yield (
            reading.loops[LOOPS].offset,
            f"an expression may hold {LOOPS} of all, exists, exists_one, map and filter, "
            f"not {len(reading.loops)}; split it over two steps",
        )
    for loop in reading.loops:
        if loop.nested and loop.over_state:
            yield (
                loop.offset,
                "a loop inside a loop may only go over the outer loop's own element; "
                "compute the inner list in a step before",
            )
    for offset, paths in reading.sums:
        if any(".".join(path) in numbers for path in paths):
            continue
        yield (
            offset,
            "`+` inside all, exists, map or filter must be between numbers; "
            "wrap a number in double(...), and join text with join(list, separator) outside",
        )
    calls = [
        (call.function, at, looped) for call, at, looped in reading.calls if call.function in heavy
    ]
    for name, at, looped in calls:
        if looped:
            yield at, f"`{name}` cannot be called inside all, exists, map or filter"
    if len(calls) > HEAVY_CALLS:
        yield calls[HEAVY_CALLS][1], f"more than {HEAVY_CALLS} calls of {calls[0][0]} and its like"


@dataclass(frozen=True, slots=True)
class Budget:
    """How an expression's shape multiplies its data."""

    elements: int
    searches: bool
    loops: bool = False
    loop_elements: int = 0
    nested: bool = False
    builds: bool = False
    copies: int = 1
    uses: int = 0
    outer_uses: int = 0
    joins: bool = False
    makes_lists: bool = False
    longest: int | None = None

    @classmethod
    def of(cls, reading: Reading, makers: Set[str]) -> Budget:
        """`makers` names the functions that may give lists longer than their arguments."""
        loops, searches = reading.loops, any(_searches(reading))
        if not loops:
            return cls(reading.elements, searches)
        return cls(
            reading.elements,
            searches,
            loops=True,
            loop_elements=sum(loop.elements for loop in loops),
            nested=any(loop.nested for loop in loops),
            builds=any(loop.builds for loop in loops),
            copies=prod(loop.copies for loop in loops),
            uses=sum(loop.uses for loop in loops),
            outer_uses=sum(loop.outer_uses for loop in loops),
            joins=reading.joins,
            makes_lists=any(call.function in makers for call, _, _ in reading.calls),
            longest=_longest_allowed(loops),
        )

    def check(self, weight: int, loop_weight: int, longest: int) -> None:
        """Refuse to evaluate over data of this weight, of which loops repeat `loop_weight`,
        and whose lists have at most `longest` elements. Raises `ExpressionError`.
        """
        total = weight + self.elements
        if total > DATA:
            raise _too_much("reads", total, DATA)
        if self.searches and total > SEARCHED:
            raise _too_much("searches", total, SEARCHED)
        if not self.loops:
            return
        longest = max(longest, self.elements)
        self.check_length(longest)
        unknown = self.nested or self.makes_lists
        turns = ITERATIONS if unknown else min(ITERATIONS, longest)
        repeated = (loop_weight + self.loop_elements) * turns
        work = repeated + self.uses * total + self.outer_uses * total * turns
        limit = SEARCHED if self.searches else WORK
        if work > limit:
            raise _too_much("compares", work, limit)
        if self.builds and repeated + self.copies * total > BUILT:
            raise _too_much("builds", repeated + self.copies * total, BUILT)

    def check_length(self, length: int) -> None:
        """Refuse a list that is too long for the loops. Raises `ExpressionError`."""
        if self.longest is not None and length > self.longest:
            raise ExpressionError(
                f"its map and filter go over at most {self.longest:,} elements here, "
                f"not {length:,}; filter the list in a step before"
            )


def _longest_allowed(loops: Sequence[Loop]) -> int | None:
    appending = sum(loop.appends for loop in loops)
    if not appending:
        return None
    if any(loop.nested for loop in loops):
        return APPENDED // (appending * ITERATIONS)
    return isqrt(APPENDED // appending)


def longest(value: Value) -> int:
    """The number of elements of the longest list or map in a value."""
    if not isinstance(value, (list, dict)):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    nested = [longest(part) for part in parts if isinstance(part, (list, dict))]
    return max(len(value), *nested) if nested else len(value)


def weigh_quickly(value: Value) -> int:
    """At least the weight of a value, found without looking at each part of a large one.

    Raises `ExpressionError` as `weigh` does.
    """
    if not isinstance(value, (list, dict)):
        return weigh(value)
    try:
        text = orjson.dumps(value, option=_STRICT)
    except (TypeError, RecursionError):
        return weigh(value)  # which says what is wrong
    if text.count(b"[") + text.count(b"{") > DEPTH or b"\\u0000" in text:
        return weigh(value)
    return len(text)


_STRICT = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def weigh(value: Value, depth: int = 0) -> int:
    """The weight of a value that is to enter the engine.

    Raises `ExpressionError` for what the engine would cut, crash on or misread.
    """
    if isinstance(value, str):
        return _weigh_text(value)
    if value is None or isinstance(value, float):
        return 1
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ExpressionError("an integer is larger than 64 bits")
        return 1
    if depth == DEPTH:
        raise ExpressionError(f"a value is nested deeper than {DEPTH} levels")
    if isinstance(value, list):
        return 1 + sum([weigh(item, depth + 1) for item in value])
    if isinstance(value, dict):
        keys = _weigh_text("".join(value)) + len(value)
        return keys + sum([weigh(item, depth + 1) for item in value.values()])
    raise ExpressionError(f"a value of type {type(value).__name__} is not JSON")


def _weigh_text(text: str) -> int:
    if "\0" in text:
        raise ExpressionError("a text holds a NUL character, which expressions cannot read")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ExpressionError("a text holds half a surrogate pair, not a character") from None
    return 1 + (len(text) >> 4)


def _searches(reading: Reading) -> Iterator[bool]:
    for call, _, _ in reading.calls:
        if call.function == "matches":
            yield True
        elif call.function == "contains":
            yield not all(isinstance(argument, Constant) for argument in call.arguments)


def _too_much(verb: str, weight: int, limit: int) -> ExpressionError:
    return ExpressionError(
        f"it {verb} too much at once ({weight:,} units, the limit is {limit:,}); "
        "name the part that matters, or compute it in a step"
    )
