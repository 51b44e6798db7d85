"""`sleep approval wait_event`: the kinds that wait for a time, a person, something outside.

What is waited for is a question, durable and without a worker; see `graphs.desk`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ..call import Call, Kind, Yield
from ..errors import LimitReached, Rejected, StepTimeout, Terminal
from ..expressions import text_of
from ..question import Answer, Wait, question_id
from ..step import Data, Duration, Expression, Family, Json, Model, Role, Step, Text
from ..units import format_duration, parse_duration, parse_time

LIMIT = 365 * 24 * 3600.0
"""Seconds; the longest sleep."""

_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d")


def _checked_delay(text: object) -> object:
    """What is fixed is checked when the definition is loaded, a template when it is known."""
    if not (isinstance(text, str) and "{{" in text) and parse_duration(text) > LIMIT:
        raise ValueError(f"{text!r} is too long for a sleep; at most 365d")
    return text


def _as_expression(text: object) -> object:
    """A time may be written plainly; it is the expression that gives it."""
    if isinstance(text, str) and _DATE.match(text):
        parse_time(text)
        return f"'{text}'"
    return text


Delay = Annotated[
    str,
    Role.TEXT,
    BeforeValidator(_checked_delay),
    WithJsonSchema({"type": "string", "examples": ["10s", "2h", "{{ inputs.minutes }}m"]}),
]
Moment = Annotated[Expression, BeforeValidator(_as_expression)]
Names = Annotated[
    list[Annotated[str, Field(min_length=1)]], Role.DATA, Field(min_length=1, max_length=1000)
]


class SleepStep(Step):
    """Go on later."""

    type: Literal["sleep"]
    duration: Delay | None = Field(default=None, description="How long, at most 365d.")
    until: Moment | None = Field(
        default=None, description="A time (RFC 3339), or an expression that gives one."
    )

    @model_validator(mode="after")
    def _one_end(self) -> SleepStep:
        if (self.duration is None) == (self.until is None):
            raise ValueError("a sleep needs exactly one of `duration` and `until`")
        return self


class Escalate(Model):
    """Who may answer as well when the answer takes long."""

    after: Duration = Field(description="How long after it was asked.")
    approvers: Names = Field(description="Who may answer as well from then on.")


class ApprovalStep(Step):
    """Ask a person."""

    type: Literal["approval"]
    message: Text = Field(description="What is asked.")
    answer_schema: dict[str, Json] | None = Field(
        default=None, alias="schema", description="JSON Schema of the answer's value."
    )
    approvers: Names | None = Field(
        default=None, description="Who may answer; absent: everyone who may operate."
    )
    approvals: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="How many people must say yes; a single no rejects."
    )
    escalate: Escalate | None = Field(
        default=None, description="Who may answer as well when it takes long."
    )
    on_timeout: Literal["fail", "continue", "reject", "approve"] = Field(
        default="fail", description="What the end of `timeout` means."
    )
    on_reject: Literal["fail", "continue"] = Field(
        default="fail", description="What a rejection means."
    )


def _no_verdict(value: object) -> object:
    if value in ("approve", "reject"):
        raise ValueError(f"{value!r} is for approvals; an event comes or not: fail or continue")
    return value


class WaitEventStep(Step):
    """Wait for something outside."""

    type: Literal["wait_event"]
    event: Annotated[str, Field(min_length=1)] = Field(description="The event's name.")
    key: Data = Field(default=None, description="Only an event with this key.")
    on_timeout: Annotated[Literal["fail", "continue"], BeforeValidator(_no_verdict)] = Field(
        default="fail", description="What the end of `timeout` means."
    )


async def _sleep(call: Call) -> Yield:
    due = await call.decide("due", lambda: _end(call))
    # Also when it is past: a sleep that was interrupted has a question to be closed.
    await call.ask(Wait.SLEEP, due=due)
    return Yield(_written(due))


def _end(call: Call) -> float:
    """When the sleep ends, seconds since 1970. Raises `Terminal`."""
    field = "until" if call.step.duration is None else "duration"
    given = call.value(field)
    now = time.time()
    try:
        if field == "until":
            end = parse_time(given)
            delay = end - now
        else:
            delay = parse_duration(given)
            end = now + delay
    except ValueError as error:
        raise Terminal(f"`{field}`: {error}") from error
    if delay > LIMIT:
        raise LimitReached(f"`{field}`: {given!r} is more than 365 days away")
    return end


def _written(moment: float) -> str:
    at = datetime.fromtimestamp(moment, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _approval(call: Call) -> Yield:
    step: ApprovalStep = call.step
    approvers, later = _names(call, "approvers"), _names(call, "escalate", "approvers")
    escalate = step.escalate
    answer = await call.ask(
        Wait.APPROVAL,
        message=call.text("message"),
        schema=step.answer_schema,
        due=await _after(call, step.timeout),
        approvers=approvers,
        wanted=step.approvals,
        escalates=await _after(call, escalate.after if escalate else None),
        later=later,
    )
    if answer is not None:
        return _verdict(call, answer, await _agreeing(call, answer))
    few = (
        f"fewer than {step.approvals} people said yes" if step.approvals > 1 else "nobody answered"
    )
    if step.on_timeout == "fail":
        raise _late(step, few)
    late = Answer(approved=step.on_timeout == "approve", comment=f"{few} {_in(step)}")
    if step.on_timeout == "reject":
        return _verdict(call, late, [])
    return _decided(call, late, [], f"`on_timeout: {step.on_timeout}`")


def _names(call: Call, *where: str) -> list[str]:
    names = call.value(*where) or []
    for name in names:
        # A name that turned out empty must not let everybody answer.
        if not isinstance(name, str) or not name:
            field = ".".join(where)
            raise Terminal(f"`{field}`: {text_of(name)!r} is no name of a person")
    return list(names)


async def _agreeing(call: Call, answer: Answer) -> list[str]:
    """Everyone whose vote says what was decided."""
    if call.step.approvals == 1:
        return [answer.by]
    id = question_id(call.run.execution.id, call.path, Wait.APPROVAL)
    votes = (await call.run.services.store.question(id)).votes
    return [vote.by for vote in votes if vote.approved == answer.approved]


def _verdict(call: Call, answer: Answer, by: list[str]) -> Yield:
    if answer.approved or call.step.on_reject == "continue":
        return _decided(call, answer, by)
    if not by:
        raise Rejected(f"{answer.comment}, which counts as a rejection")
    said = f": {answer.comment}" if answer.comment else ""
    raise Rejected(f"{by[0] or 'somebody'} rejected it{said}")


def _decided(call: Call, answer: Answer, by: list[str], reason: str | None = None) -> Yield:
    who: str | list[str] = by if call.step.approvals > 1 else "".join(by)
    outputs = {"approved": answer.approved, "by": who, "comment": answer.comment}
    return Yield(answer.value, outputs, reason=reason)


async def _wait_event(call: Call) -> Yield:
    step: WaitEventStep = call.step
    key = None if step.key is None else await call.decide("key", lambda: event_key(call))
    due = await _after(call, step.timeout)
    answer = await call.ask(Wait.EVENT, event=step.event, key=key, due=due)
    if answer is not None:
        taken: Mapping[str, Any] = answer.value
        return Yield(taken["payload"], {"id": taken["id"], "key": taken["key"]})
    if step.on_timeout == "fail":
        with_key = "" if key is None else f" with key {key!r}"
        raise _late(step, f"no event {step.event!r}{with_key} came")
    return Yield(None, {"id": None, "key": None}, reason="`on_timeout: continue`")


def event_key(call: Call) -> str:
    """The key of an event, as text. Raises `Terminal`: one that is missing must not fit all."""
    value = call.value("key")
    if value is None or value == "" or isinstance(value, list | dict):
        raise Terminal(f"`key` is {text_of(value)!r}; it must be a text or a number")
    return text_of(value)


async def _after(call: Call, delay: float | None) -> float | None:
    """So long after the step first asked, whenever it asks again; seconds since 1970."""
    if delay is None:
        return None
    asked: float = await call.decide("asked", time.time)
    return asked + delay


def _late(step: Step, what: str) -> StepTimeout:
    return StepTimeout(f"{what} {_in(step)}; raise `timeout`, or say `on_timeout`")


def _in(step: Step) -> str:
    assert step.timeout is not None
    return f"within {format_duration(step.timeout)}"


SLEEP = Kind(Family.WAITING, SleepStep, _sleep)
APPROVAL = Kind(Family.WAITING, ApprovalStep, _approval)
WAIT_EVENT = Kind(Family.WAITING, WaitEventStep, _wait_event)
