"""`python skill set emit`: the small deterministic kinds."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from weakref import WeakKeyDictionary

import orjson
from pydantic import Field

from ..call import Call, Kind, Yield
from ..errors import Retryable, StepError, Terminal
from ..event import EventType
from ..question import Signal, signal_id
from ..step import Data, Family, Identifier, Step
from .waiting import event_key


class PythonStep(Step):
    """Call a registered Python function."""

    type: Literal["python"]
    function: Annotated[str, Field(min_length=1)] = Field(description="Its registered name.")


class SkillStep(Step):
    """Call a skill."""

    type: Literal["skill"]
    skill: Annotated[str, Field(min_length=1)] = Field(description="Its name.")


class SetStep(Step):
    """Change mutable context."""

    type: Literal["set"]
    values: Annotated[dict[Identifier, Data], Field(min_length=1)] = Field(
        description="New values by name; each is declared under `context.mutable`."
    )


class EmitStep(Step):
    """Publish an event."""

    type: Literal["emit"]
    event: Annotated[str, Field(min_length=1)] = Field(description="The event's name.")
    payload: Data = Field(default=None, description="What it says.")
    key: Data = Field(default=None, description="For who waits for it with this key, or with none.")


async def _python(call: Call) -> Yield:
    step: PythonStep = call.step
    return await _apply(call, call.run.services.functions.get(step.function), step.function)


async def _skill(call: Call) -> Yield:
    step: SkillStep = call.step
    return await _apply(call, call.run.services.skills.get(step.skill), step.skill)


async def _apply(call: Call, function: Callable[..., Any], name: str) -> Yield:
    """Call it with the step's inputs; a sync function runs in a thread."""
    inputs = call.value("inputs")
    arguments = inputs if isinstance(inputs, dict) else {}
    positional = inputs if isinstance(inputs, list) else []
    try:
        signature, awaited = _called(function)
        signature.bind(*positional, **arguments)
    except TypeError as error:
        raise Terminal(f"{name!r} cannot take these inputs: {error}") from error
    token = _CURRENT.set(call)
    try:
        if awaited:
            value = await function(*positional, **arguments)
        else:
            value = await asyncio.to_thread(function, *positional, **arguments)
        if inspect.isawaitable(value):
            value = await value
    except StepError:
        raise
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _cancelled():
            raise
        raise Retryable(f"{name!r} raised {type(error).__name__}: {error}") from error
    finally:
        _CURRENT.reset(token)
    value = as_json(value, name)
    return Yield(value, dict(value) if isinstance(value, Mapping) else {})


Called = tuple[inspect.Signature, bool]
"""How a function is called: with what, and whether it is async."""


def _called(function: Callable[..., Any]) -> Called:
    """Kept as long as the function: to work it out takes longer than many a step."""
    try:
        known = _CALLED.get(function)
        if known is None:
            known = _CALLED[function] = inspect.signature(function), _is_async(function)
    except TypeError:  # what cannot be referred to weakly, or hashed
        return inspect.signature(function), _is_async(function)
    return known


_CALLED: WeakKeyDictionary[Callable[..., Any], Called] = WeakKeyDictionary()


def _cancelled() -> bool:
    """Whether it is we who are cancelled, and not something that the function awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_async(function: Callable[..., Any]) -> bool:
    """Also of an object that is called through an async `__call__`."""
    call = getattr(function, "__call__", None)  # noqa: B004 - the method, not callability
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


_CURRENT: contextvars.ContextVar[Call] = contextvars.ContextVar("current_call")


def current_call() -> Call:
    """The call in which a skill runs: its workspace, environment and events."""
    return _CURRENT.get()


def as_json(value: Any, name: str) -> Any:
    """What a function or graph returned, as JSON; raises `Terminal`."""
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError as error:
        raise Terminal(f"{name!r} returned what JSON cannot hold: {error}") from error


async def _set(call: Call) -> Yield:
    values = call.value("values")
    return Yield(values, values, context=values)


async def _emit(call: Call) -> Yield:
    step: EmitStep = call.step
    execution = call.run.execution
    # Emitted once more after a crash, it is still the same event.
    id = signal_id(execution.id, call.path)
    payload = call.value("payload")
    key = None if step.key is None else event_key(call)
    told = {"id": id, "event": step.event, "payload": payload}
    if key is not None:
        told["key"] = key
    call.run.journal.note(EventType.EMITTED, call.path, **told)
    call.run.journal.send(Signal(id, step.event, key, payload, time.time(), execution.id))
    return Yield(id, {"id": id})


PYTHON = Kind(Family.DETERMINISTIC, PythonStep, _python)
SKILL = Kind(Family.DETERMINISTIC, SkillStep, _skill)
SET = Kind(Family.DETERMINISTIC, SetStep, _set)
EMIT = Kind(Family.DETERMINISTIC, EmitStep, _emit)
