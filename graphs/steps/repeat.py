"""`loop foreach`: steps that run a list again and again; its ids live within an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..call import Call, Kind, Yield
from ..crew import Work
from ..errors import LimitReached, StepError, Terminal
from ..execution import Exit, Failure
from ..group import exit_of, failure_of, settle, writes
from ..step import Block, Condition, Expression, Family, Step
from ..strands import Gate

if TYPE_CHECKING:
    from ..run import Outcome

CONCURRENCY = 10
"""How many items of a `foreach` run at once unless it says otherwise."""

ITEMS_LIMIT = 100_000


class LoopStep(Step):
    """Repeat steps while, or until, a condition holds."""

    local: ClassVar[frozenset[str]] = frozenset({"iteration"})

    type: Literal["loop"]
    while_: Condition | None = Field(
        default=None, alias="while", description="Tested before each iteration."
    )
    until: Condition | None = Field(default=None, description="Tested after each iteration.")
    steps: Block = Field(description="The body.")
    max_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="The loop fails when it has run so often and is not done."
    )

    def blocks(self) -> Mapping[tuple[str, ...], tuple[Step, ...]]:
        return {("steps",): self.steps}

    @model_validator(mode="after")
    def _one_condition(self) -> LoopStep:
        if (self.while_ is None) == (self.until is None):
            raise ValueError("a loop needs exactly one of `while` and `until`")
        return self


class ForeachStep(Step):
    """Run steps once for each item of a list."""

    local: ClassVar[frozenset[str]] = frozenset({"item", "index"})

    type: Literal["foreach"]
    items: Expression = Field(description="The list.")
    steps: Block = Field(description="The body; it sees `item` and `index`.")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=CONCURRENCY, description="How many items at once."
    )

    def blocks(self) -> Mapping[tuple[str, ...], tuple[Step, ...]]:
        return {("steps",): self.steps}


async def _loop(call: Call) -> Yield:
    written: dict[str, Any] = {}
    try:
        return await _iterate(call, written)
    except StepError as error:
        error.context = written
        raise


async def _iterate(call: Call, written: dict[str, Any]) -> Yield:
    """Run the iterations, gathering in `written` the mutable context they set."""
    step: LoopStep = call.step
    outer = call.scope
    last: Any = None
    body: Mapping[str, Any] = {}
    done = 0
    while True:
        if step.while_ is not None:
            now = outer.extended(results=body, context=written, local={"iteration": done})
            if not await _test(call, "while", done, now):
                break
        if done == step.max_iterations:
            raise LimitReached(
                f"the loop ran {done} times, its `max_iterations`, and is not done; "
                "raise the limit or mend the condition"
            )
        outcome = await call.drive(
            ("steps",),
            label=f"[{done}]",
            local={"iteration": done},
            context={**outer.context, **written},
        )
        written |= outcome.writes
        last, body = outcome.last, outcome.results
        if outcome.failure is not None or outcome.beyond is not None:
            return _looped(last, done + 1, written, outcome.beyond, outcome.failure)
        done += 1
        if step.until is not None:
            now = outer.extended(results=body, context=written, local={"iteration": done - 1})
            if await _test(call, "until", done - 1, now):
                break
    return _looped(last, done, written, None, None)


async def _test(call: Call, name: str, iteration: int, scope: Any) -> bool:
    field = call.bound.fields[(name,)]
    return bool(await call.decide(f"{name}[{iteration}]", lambda: field.render(scope)))


def _looped(
    last: Any,
    iterations: int,
    written: Mapping[str, Any],
    exit: Exit | None,
    failure: Failure | None,
) -> Yield:
    return Yield(last, {"iterations": iterations}, context=written, exit=exit, failure=failure)


async def _foreach(call: Call) -> Yield:
    step: ForeachStep = call.step
    items = await call.decide("items", lambda: call.value("items"))
    if not isinstance(items, list):
        raise Terminal(f"`items` is {_noun(items)}, not a list")
    if len(items) > ITEMS_LIMIT:
        raise LimitReached(f"`items` has {len(items)} entries; a foreach takes {ITEMS_LIMIT}")

    def one(index: int, item: Any) -> Work[Outcome]:
        return lambda strand: call.drive(
            ("steps",),
            label=f"[{index}]",
            local={"item": item, "index": index},
            strand=strand,
        )

    work = [one(index, item) for index, item in enumerate(items)]
    # An item that waits for an answer leaves its place to the next.
    outcomes = await settle(call, work, Gate(step.concurrency))
    return Yield(
        [outcome.last for outcome in outcomes],
        context=writes(outcomes),
        exit=exit_of(outcomes),
        failure=failure_of(outcomes),
    )


def _noun(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", str: "text", dict: "a mapping"}
    return names.get(type(value), "a number")


LOOP = Kind(Family.CONTROL, LoopStep, _loop)
FOREACH = Kind(Family.CONTROL, ForeachStep, _foreach)
