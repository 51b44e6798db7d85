"""`sleep approval wait_event`: the kinds that park an execution. Refused until it can park."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..call import Call, Kind, Yield
from ..errors import NotRegistered
from ..step import Data, Duration, Expression, Family, Json, Step, Text


class SleepStep(Step):
    """Go on later."""

    type: Literal["sleep"]
    duration: Duration | None = Field(default=None, description="How long.")
    until: Expression | None = Field(default=None, description="A time, RFC 3339.")


class ApprovalStep(Step):
    """Ask a person."""

    type: Literal["approval"]
    message: Text = Field(description="What is asked.")
    answer_schema: dict[str, Json] | None = Field(
        default=None, alias="schema", description="JSON Schema of the answer."
    )
    approvers: list[str] | None = Field(default=None, description="Who may answer.")
    on_timeout: Literal["fail", "continue", "reject", "approve"] = Field(
        default="fail", description="What the end of `timeout` means."
    )
    on_reject: Literal["fail", "continue"] = Field(
        default="fail", description="What a rejection means."
    )


class WaitEventStep(Step):
    """Wait for something outside."""

    type: Literal["wait_event"]
    event: Annotated[str, Field(min_length=1)] = Field(description="The event's name.")
    key: Data = Field(default=None, description="Only an event with this key.")
    on_timeout: Literal["fail", "continue", "reject", "approve"] = Field(
        default="fail", description="What the end of `timeout` means."
    )


async def _refused(call: Call) -> Yield:
    raise NotRegistered(f"a step of kind {call.step.kind!r} cannot run in this version")


SLEEP = Kind(Family.WAITING, SleepStep, _refused)
APPROVAL = Kind(Family.WAITING, ApprovalStep, _refused)
WAIT_EVENT = Kind(Family.WAITING, WaitEventStep, _refused)
