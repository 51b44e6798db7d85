"""`assert`: what must be true before the next step may start."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..call import Call, Kind, Yield
from ..errors import AssertionFailed
from ..execution import Exit
from ..step import Condition, Family, Identifier, Model, Step, Text
from .judging import asserted


class Repair(Model):
    """Send the work back to an agentic step, with the message as feedback."""

    step: Identifier | None = Field(
        default=None, description="The step; absent: the nearest agentic one before, in this list."
    )
    attempts: Annotated[int, Field(ge=2, le=50)] = Field(
        default=3, description="How often the step runs in total."
    )


def _written_as_true(value: object) -> object:
    return {} if value is True else value


class AssertStep(Step):
    """Check a condition."""

    type: Literal["assert"]
    condition: Condition = Field(description="What must be true.")
    message: Text | None = Field(default=None, description="Says what is wrong when it is not.")
    on_false: Literal["fail", "stop", "skip", "repair"] = Field(
        default="fail",
        description="fail the step; stop: the workflow completes; skip the rest of the list; "
        "repair: an agentic step tries again.",
    )
    repair: Annotated[
        Repair | None,
        BeforeValidator(_written_as_true, json_schema_input_type=Literal[True] | Repair | None),
    ] = Field(default=None, description="With `on_false: repair`: which step, and how often.")


async def _work(call: Call) -> Yield:
    step: AssertStep = call.step
    verdict = await call.decide("condition", lambda: call.value("condition"))
    if step.on_false in ("fail", "repair"):  # the others steer, and blame nobody
        asserted(call, passed=bool(verdict))
    if verdict:
        return Yield(True)
    message = call.text("message") or f"`{step.condition}` is false"
    match step.on_false:
        case "stop":
            return Yield(False, exit=Exit.STOP, reason=message)
        case "skip":
            return Yield(False, exit=Exit.SKIP, reason=message)
    raise AssertionFailed(message)


KIND = Kind(Family.ASSERTION, AssertStep, _work)
