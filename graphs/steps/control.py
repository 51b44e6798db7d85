"""`parallel conditional switch`: steps that hold other steps, which stay visible afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from ..call import Call, Kind, Yield
from ..errors import NotAllowed
from ..expressions import text_of
from ..group import run_all, run_any, run_none
from ..step import Block, Condition, Expression, Family, Step


class ParallelStep(Step):
    """Run steps beside each other."""

    type: Literal["parallel"]
    steps: Block = Field(description="The branches, one step each.")
    wait_for: Literal["all", "any", "none"] = Field(
        default="all", description="all of them, the first to complete, or none."
    )

    def blocks(self) -> Mapping[tuple[str, ...], tuple[Step, ...]]:
        return {("steps",): self.steps}


class ConditionalStep(Step):
    """Take one of two branches."""

    type: Literal["conditional"]
    condition: Condition = Field(description="Chooses `then` when true, `else` when false.")
    then: Block = Field(description="Steps when it is true.")
    else_: Block | None = Field(default=None, alias="else", description="Steps when it is false.")

    def blocks(self) -> Mapping[tuple[str, ...], tuple[Step, ...]]:
        inner: dict[tuple[str, ...], tuple[Step, ...]] = {("then",): self.then}
        if self.else_ is not None:
            inner["else",] = self.else_
        return inner


class SwitchStep(Step):
    """Take the branch that a value names."""

    type: Literal["switch"]
    value: Expression = Field(description="Its text is compared with the names of the cases.")
    cases: Annotated[dict[str, Block], Field(min_length=1)] = Field(description="Steps by value.")
    default: Block | None = Field(default=None, description="Steps when no case matches.")

    def blocks(self) -> Mapping[tuple[str, ...], tuple[Step, ...]]:
        inner: dict[tuple[str, ...], tuple[Step, ...]] = {
            ("cases", name): steps for name, steps in self.cases.items()
        }
        if self.default is not None:
            inner["default",] = self.default
        return inner


async def _parallel(call: Call) -> Yield:
    step: ParallelStep = call.step
    match step.wait_for:
        case "all":
            return await run_all(call)
        case "any":
            return await run_any(call)
        case _:
            return await run_none(call)


async def _conditional(call: Call) -> Yield:
    step: ConditionalStep = call.step
    verdict = await call.decide("condition", lambda: call.value("condition"))
    branch = "then" if verdict else "else"
    return await _take(call, (branch,) if branch in {b[0] for b in step.blocks()} else None, branch)


async def _switch(call: Call) -> Yield:
    step: SwitchStep = call.step
    value = await call.decide("value", lambda: call.value("value"))
    if isinstance(value, list | dict):
        raise NotAllowed("`value` of a switch is a list or a mapping; it must be a single value")
    text = text_of(value)
    if text in step.cases:
        return await _take(call, ("cases", text), text)
    return await _take(call, ("default",) if step.default is not None else None, "default")


async def _take(call: Call, block: tuple[str, ...] | None, branch: str) -> Yield:
    taken = None if block is None else branch
    for other, steps in call.step.blocks().items():
        if other != block:
            call.run.skip(steps, call.frame.within(call), f"branch not taken ({branch})")
    if block is None:
        return Yield(None, {"branch": taken})
    outcome = await call.drive(block)
    return Yield(
        outcome.last,
        {"branch": taken},
        context=outcome.writes,
        exit=outcome.beyond,
        visible=outcome.results,
        failure=outcome.failure,
    )


async def _revive(call: Call) -> bool:
    left = call.step.wait_for == "none"
    if left:
        await run_none(call)
    return bool(left)


PARALLEL = Kind(Family.CONTROL, ParallelStep, _parallel, _revive)
CONDITIONAL = Kind(Family.CONTROL, ConditionalStep, _conditional)
SWITCH = Kind(Family.CONTROL, SwitchStep, _switch)
