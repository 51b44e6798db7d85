"""One step, run to its result: looked up, conditioned, attempted, kept, recorded.

Nothing but cancellation is ever raised: how a step ended is its result.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .backoff import grown
from .binding import BoundStep
from .call import Call, InnerFailure, Yield
from .errors import AssayError, AssertionFailed, Retryable, StepError, StepTimeout
from .event import EventType
from .execution import Failure, Status, StepResult, timestamp
from .files import Files, between_attempts, copy_of, keep_files, with_files
from .panic import is_panic
from .question import Question, Wait
from .revival import over, revive
from .rollback import UNDO, undo
from .step import Family, Retry
from .stepcache import cache_key, keep, look_up, restored
from .stored import ArtifactInfo
from .strands import Panicked

if TYPE_CHECKING:
    from .engine import Frame
    from .scope import Scope


PARK_AFTER = 10.0
"""Seconds; a longer wait for the next attempt is parked."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A step's result, and the states of the steps inside it that stay visible."""

    result: StepResult
    visible: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


async def run_step(
    bound: BoundStep, path: str, scope: Scope, frame: Frame, feedback: Sequence[str] = ()
) -> Ran:
    """Run the step at the path, or return the result that the journal already has."""
    run, journal = frame.run, frame.run.journal
    begun = journal.history.begun.get(path)
    if (done := journal.result(path)) is None and over.get():
        if begun is None:
            return Ran(_not_reached(bound, path))
        # It was cut off, and the process ended before anybody could say so.
        done = journal.add(_ended(bound, path, begun.at, Status.CANCELLED))
    if done is not None:
        if done.attempts > 0 and not done.cached:
            # A step that was cancelled does not say how often it was tried.
            known = None if done.status is Status.CANCELLED else done.attempts
            await revive(bound, path, known, scope, frame)
        return Ran(done, _remembered(bound, done, frame))
    await run.crossing(frame.strand)
    # Whatever this step stands on is durable before it begins.
    await journal.flush()
    started = timestamp() if begun is None else begun.at
    token = Files.enter(run, path)
    copy = copy_of(bound, run)
    try:
        if not _wanted(bound, path, scope, frame):
            return Ran(journal.add(_skipped(bound, path, started)))
        if copy is not None:
            await copy.begin(path)
        result, visible = await _attempts(bound, path, scope, frame, feedback, started)
        if copy is not None:
            fail = partial(_failed, bound, path, result.attempts, started)
            result = await with_files(result, copy, fail)
    except asyncio.CancelledError:
        if not run.leaving and journal.result(path) is None:
            journal.add(_ended(bound, path, started, Status.CANCELLED))
        raise
    except Exception as error:
        result, visible = _failed(bound, path, 0, started, error), {}
    finally:
        Files.leave(token)
        if copy is not None:
            copy.end(path)
    _add(bound, result, scope.extended(results=visible), frame)
    journal.hurry()
    return Ran(journal.results[path], visible)


def _add(bound: BoundStep, result: StepResult, scope: Scope, frame: Frame) -> None:
    """Into the journal, with what a rollback will need, before anything can intervene.

    `scope` is what the step saw, and the steps inside it.
    """
    journal = frame.run.journal
    try:
        if bound.step.rollback and result.status is Status.COMPLETED:
            journal.decide(result.path, UNDO, lambda: undo(bound, frame, scope))
        journal.add(result)
    except TypeError as error:
        message = f"what the step gave cannot be kept as JSON: {error}"
        failure = Failure("unexpected", message, result.path)
        journal.add(_settled(bound, result.path, failure, result.attempts, result.started_at))
        return
    for name, kept in result.artifacts.items():
        journal.keep(
            ArtifactInfo(
                frame.run.execution.id,
                result.path,
                name,
                kept["path"],
                kept["sha256"],
                kept["size"],
                result.completed_at,
            )
        )


def _wanted(bound: BoundStep, path: str, scope: Scope, frame: Frame) -> bool:
    condition = bound.fields.get(("when",))
    if condition is None:
        return True
    return bool(frame.run.journal.decide(path, "when", lambda: condition.render(scope)))


def _skipped(bound: BoundStep, path: str, started: str) -> StepResult:
    result = _ended(bound, path, started, Status.SKIPPED)
    return replace(result, attempts=0, reason=f"`when` is false: {bound.step.when}")


def _not_reached(bound: BoundStep, path: str) -> StepResult:
    """Ends its list, in an attempt that had come no further. It is in no journal."""
    result = _ended(bound, path, "", Status.FAILED)
    return replace(result, error=Failure("cancelled", "the attempt was cut off here", path))


def _ended(bound: BoundStep, path: str, started: str, status: Status) -> StepResult:
    now = timestamp()
    return StepResult(path, bound.id, bound.kind, status, started_at=started, completed_at=now)


async def _attempts(
    bound: BoundStep,
    path: str,
    scope: Scope,
    frame: Frame,
    feedback: Sequence[str],
    started: str,
) -> tuple[StepResult, Mapping[str, Mapping[str, Any]]]:
    key = cache_key(bound, scope, frame.run.ceiling)
    if key is not None and (kept := await look_up(key, frame.run)) is not None:
        result = await restored(kept, bound, path, key, frame.run)
        if result is not None:
            return replace(result, started_at=started), {}
    journal = frame.run.journal
    family = frame.run.services.kinds.get(bound.kind).family
    retry = _ONE_ATTEMPT
    if bound.policy.retry is not None and bound.step.effects != "once":
        retry = bound.policy.retry
    attempt = 0
    if (tried := journal.tried(path)) is not None:
        attempt = tried.attempts
        await revive(bound, path, attempt, scope, frame)
        await _until(tried.next_at, path, frame)
    if bound.step.effects == "once":
        if path in journal.history.intents:
            found = await _found_out(Call(bound, path, 1, scope, frame), key, started)
            if found is not None:
                return found, {}
        journal.intend(path)
    # A step that holds others, or waits, goes on where it was; any other begins anew.
    begun = path in journal.history.begun
    if family not in _GO_ON or not begun:
        journal.started(path, bound.id, bound.kind, None if begun or attempt else started)
    if bound.step.effects == "once":
        await journal.flush()
    while True:
        attempt += 1
        call = Call(bound, path, attempt, scope, frame, feedback)
        try:
            yielded = await _attempt(call, family)
            return await _completed(call, yielded, key, started), yielded.visible
        except Exception as error:
            if is_panic(error):
                frame.run.leave()  # what is cancelled now goes on after the restart
                raise Panicked(error, path) from error
            failure, again = _judge(error, call, retry)
            written = error.context if isinstance(error, StepError) else {}
            inner = error.yielded if isinstance(error, InnerFailure) else Yield(context=written)
            if not again or attempt >= retry.total:
                result = _settled(bound, path, failure, attempt, started, inner.context)
                return replace(result, cost=frame.run.ledger.booked(path)), inner.visible
        delay = pause(retry, attempt)
        next_at = time.time() + delay
        note = partial(journal.note, EventType.STEP_RETRYING, path, attempt=attempt + 1)
        note = partial(note, of=retry.total, delay=delay, next_at=next_at, error=failure.to_dict())
        await between_attempts(bound, path, note, frame.run)
        await _until(next_at, path, frame)


_ONE_ATTEMPT = Retry(attempts=1)
_GO_ON = frozenset({Family.CONTROL, Family.WAITING})


async def _until(moment: float, path: str, frame: Frame) -> None:
    """Wait for the next attempt; a long wait is parked and survives the process."""
    delay = moment - time.time()
    if delay > PARK_AFTER or frame.run.desk.due(path, Wait.RETRY) is not None:
        question = Question("", "", path, Wait.RETRY, due=moment)
        await frame.run.desk.ask(question, frame.strand)
    elif delay > 0:
        await asyncio.sleep(delay)


async def _found_out(call: Call, key: str | None, started: str) -> StepResult | None:
    """A crash came between the intent of an effect and its result: somebody says what became
    of it. None: run the step (once more).
    """
    path, asked = call.path, 0
    while call.run.journal.decided(path, f"{ASKED}[{asked}]") is not None:
        asked += 1
    answer = await call.ask(
        Wait.ONCE,
        round=asked,
        message=f"Step {path!r} was cut off while it ran, and its effect must not happen "
        "twice. Has it happened?",
        choices=OUTCOMES,
        schema=OUTCOME_SCHEMA,
    )
    assert answer is not None
    # Pinned: another crash while it is repeated must ask again.
    said = await call.decide(f"{ASKED}[{asked}]", lambda: answer.value)
    match said["outcome"]:
        case "happened":
            output = said.get("output")
            named = output if isinstance(output, dict) else {}
            reason = "somebody said that it has happened"
            return await _completed(call, Yield(output, named, reason=reason), key, started)
        case "repeat":
            return None
    why = f": {answer.comment}" if answer.comment else ""
    failure = Failure("effect_unknown", f"the step was cut off and not repeated{why}", path)
    return _settled(call.bound, path, failure, 1, started)


ASKED = "once"
"""The decision that says what became of an effect."""

OUTCOMES = {
    "happened": "it has: go on, with the answer's `output` as the step's",
    "repeat": "it has not: run the step",
    "fail": "fail the step",
}

OUTCOME_SCHEMA = {
    "type": "object",
    "properties": {"outcome": {"enum": list(OUTCOMES)}, "output": {}},
    "required": ["outcome"],
    "additionalProperties": False,
}


async def _attempt(call: Call, family: Family) -> Yield:
    kind = call.run.services.kinds.get(call.step.kind)
    # For a step that waits, `timeout` is the deadline of its question.
    limit = None if family is Family.WAITING else call.bound.policy.timeout
    if limit is None:
        return _inside(await kind.run(call), call)
    try:
        async with asyncio.timeout(limit) as clock:
            yielded = await kind.run(call)
    except TimeoutError as error:
        if not clock.expired():
            raise Retryable(f"{type(error).__name__}: {error}") from error
        raise StepTimeout(
            f"the attempt took longer than its timeout of {limit:g} s; raise `timeout` "
            "or make the step faster"
        ) from error
    return _inside(yielded, call)


def _inside(yielded: Yield, call: Call) -> Yield:
    """What was yielded, without secrets; raises the failure of a step inside as this step's."""
    if yielded.failure is not None:
        raise InnerFailure(yielded)
    return call.run.services.secrets.veiled(yielded)


def _judge(error: Exception, call: Call, retry: Retry) -> tuple[Failure, bool]:
    """What the failure is called, and whether another attempt may help."""
    if isinstance(error, InnerFailure):
        failure, again = error.failure, True
    else:
        failure = _failure(error, call.path)
        failure = replace(failure, message=call.run.services.secrets.masked(failure.message))
        again = isinstance(error, Retryable) or not isinstance(error, AssayError)
    return failure, again and (not retry.retry_on or failure.code in retry.retry_on)


def _failure(error: Exception, path: str) -> Failure:
    if isinstance(error, AssayError):
        return Failure(error.code, error.message, path)
    return Failure("unexpected", f"{type(error).__name__}: {error}", path)


def _failed(
    bound: BoundStep, path: str, attempts: int, started: str, error: Exception
) -> StepResult:
    return _settled(bound, path, _failure(error, path), attempts, started)


def pause(retry: Retry, attempt: int) -> float:
    """Seconds to wait after the attempt of that number (the first is 1)."""
    delay = grown(retry.delay, retry.backoff, attempt, retry.max_delay)
    # Shortening, never lengthening, keeps `max_delay` a promise.
    return delay * random.uniform(0.5, 1.0) if retry.jitter else delay


def _settled(
    bound: BoundStep,
    path: str,
    failure: Failure,
    attempts: int,
    started: str,
    context: Mapping[str, Any] = MappingProxyType({}),
) -> StepResult:
    """A failed step after its last attempt: `on_error` says what that means."""
    repaired = bound.policy.repairing and failure.code == AssertionFailed.code
    soft = bound.policy.strategy == "skip" and not repaired
    if bound.policy.strategy == "rollback":
        failure = replace(failure, rollback=True)
    return StepResult(
        path,
        bound.id,
        bound.kind,
        Status.SKIPPED if soft else Status.FAILED,
        error=replace(failure, rollback=False) if soft else failure,
        attempts=attempts,
        started_at=started,
        completed_at=timestamp(),
        context=context,
        reason="`on_error: skip`" if soft else None,
    )


async def _completed(call: Call, yielded: Yield, key: str | None, started: str) -> StepResult:
    bound = call.bound
    outputs, artifacts = await keep_files(call, yielded)
    result = StepResult(
        call.path,
        bound.id,
        bound.kind,
        Status.COMPLETED,
        yielded.output,
        outputs,
        artifacts,
        attempts=call.attempt,
        started_at=started,
        completed_at=timestamp(),
        cost=yielded.cost,
        cache_key=key,
        context=yielded.context,
        exit=yielded.exit,
        reason=yielded.reason,
    )
    if key is not None:
        cache = bound.step.cache
        ttl = None if cache is None or isinstance(cache, bool) else cache.ttl
        await keep(key, result, ttl, call.run)
    return result


def _remembered(
    bound: BoundStep, result: StepResult, frame: Frame
) -> Mapping[str, Mapping[str, Any]]:
    """The visible steps inside a step that the journal already has, each at its latest."""
    if not bound.hoisted:
        return {}
    again = f"#{result.attempts}" if result.attempts > 1 else ""
    prefix = f"{result.path}{again}."
    found: dict[str, StepResult] = {}
    for inner in frame.run.journal.results.values():
        if inner.step in bound.hoisted and inner.path.startswith(prefix):
            latest = found.get(inner.step)
            if latest is None or latest.seq < inner.seq:
                found[inner.step] = inner
    return {id: inner.state() for id, inner in found.items()}
