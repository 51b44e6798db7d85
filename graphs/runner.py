"""One step, run to its result: looked up, conditioned, attempted, kept, recorded.

Nothing but cancellation is ever raised: how a step ended is its result.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .binding import BoundStep
from .call import Call, InnerFailure, Yield
from .errors import AssayError, AssertionFailed, Retryable, StepError, StepTimeout
from .event import EventType
from .execution import Failure, Status, StepResult, timestamp
from .files import Files, keep_files
from .rollback import Undo
from .step import Retry
from .stepcache import cache_key, restored

if TYPE_CHECKING:
    from .engine import Frame
    from .scope import Scope


@dataclass(frozen=True, slots=True)
class Ran:
    """A step's result, and the states of the steps inside it that stay visible."""

    result: StepResult
    visible: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


async def run_step(
    bound: BoundStep, path: str, scope: Scope, frame: Frame, feedback: Sequence[str] = ()
) -> Ran:
    """Run the step at the path, or return the result that the journal already has."""
    journal = frame.run.journal
    if (done := journal.result(path)) is not None:
        _remember_undo(bound, done, frame, scope)
        return Ran(done, _remembered(bound, done, frame))
    started = timestamp()
    token = Files.enter(frame.run, path)
    try:
        if not _wanted(bound, path, scope, frame):
            return Ran(await journal.record(_skipped(bound, path, started)))
        journal.note(EventType.STEP_STARTED, path, step=bound.id, kind=bound.kind)
        result, visible = await _attempts(bound, path, scope, frame, feedback)
    except asyncio.CancelledError:
        if journal.result(path) is None:
            journal.add(_ended(bound, path, started, Status.CANCELLED))
        raise
    except Exception as error:
        result, visible = _settled(bound, path, _failure(error, path), 0), {}
    finally:
        Files.leave(token)
    recorded = journal.add(replace(result, started_at=started))
    # Before the wait for the store, during which the step may be cancelled as a loser.
    _remember_undo(bound, recorded, frame, scope)
    await journal.flush()
    return Ran(recorded, visible)


def _remember_undo(bound: BoundStep, result: StepResult, frame: Frame, scope: Scope) -> None:
    if bound.step.rollback and result.status is Status.COMPLETED:
        frame.run.undos.append(Undo(bound, result, frame, scope))


def _wanted(bound: BoundStep, path: str, scope: Scope, frame: Frame) -> bool:
    condition = bound.fields.get(("when",))
    if condition is None:
        return True
    return bool(frame.run.journal.decide(path, "when", lambda: condition.render(scope)))


def _skipped(bound: BoundStep, path: str, started: str) -> StepResult:
    result = _ended(bound, path, started, Status.SKIPPED)
    return replace(result, attempts=0, reason=f"`when` is false: {bound.step.when}")


def _ended(bound: BoundStep, path: str, started: str, status: Status) -> StepResult:
    now = timestamp()
    return StepResult(path, bound.id, bound.kind, status, started_at=started, completed_at=now)


async def _attempts(
    bound: BoundStep, path: str, scope: Scope, frame: Frame, feedback: Sequence[str]
) -> tuple[StepResult, Mapping[str, Mapping[str, Any]]]:
    key = cache_key(bound, scope)
    if key is not None and (kept := await frame.run.services.store.cached(key)) is not None:
        result = await restored(kept, bound, path, key, frame.run)
        if result is not None:
            return result, {}
    retry = bound.policy.retry or Retry(attempts=1)
    attempt = 0
    while True:
        attempt += 1
        call = Call(bound, path, attempt, scope, frame, feedback)
        try:
            yielded = await _attempt(call)
            result = await _completed(call, yielded, key)
            return result, yielded.visible
        except Exception as error:
            failure, again = _judge(error, call, retry)
            written = error.context if isinstance(error, StepError) else {}
            inner = error.yielded if isinstance(error, InnerFailure) else Yield(context=written)
            if not again or attempt >= retry.total:
                result = _settled(bound, path, failure, attempt)
                return replace(result, context=inner.context), inner.visible
        delay = pause(retry, attempt)
        frame.run.journal.note(
            EventType.STEP_RETRYING,
            path,
            step=bound.id,
            attempt=attempt + 1,
            of=retry.total,
            delay=delay,
            error=failure.to_dict(),
        )
        await asyncio.sleep(delay)


async def _attempt(call: Call) -> Yield:
    kind = call.run.services.kinds.get(call.step.kind)
    limit = call.bound.policy.timeout
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
    if yielded.failure is not None:
        raise InnerFailure(yielded)
    return yielded


def _judge(error: Exception, call: Call, retry: Retry) -> tuple[Failure, bool]:
    """What the failure is called, and whether another attempt may help."""
    if isinstance(error, InnerFailure):
        failure, again = error.failure, True
    else:
        failure = _failure(error, call.path)
        again = isinstance(error, Retryable) or not isinstance(error, AssayError)
    return failure, again and (not retry.retry_on or failure.code in retry.retry_on)


def _failure(error: Exception, path: str) -> Failure:
    if isinstance(error, AssayError):
        return Failure(error.code, error.message, path)
    return Failure("unexpected", f"{type(error).__name__}: {error}", path)


def pause(retry: Retry, attempt: int) -> float:
    """Seconds to wait after the attempt of that number (the first is 1)."""
    match retry.backoff:
        case "fixed":
            factor = 1
        case "linear":
            factor = attempt
        case _:
            factor = 2 ** min(attempt - 1, 62)
    delay = min(retry.delay * factor, retry.max_delay)
    # Shortening, never lengthening, keeps `max_delay` a promise.
    return delay * random.uniform(0.5, 1.0) if retry.jitter else delay


def _settled(bound: BoundStep, path: str, failure: Failure, attempts: int) -> StepResult:
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
        completed_at=timestamp(),
        reason="`on_error: skip`" if soft else None,
    )


async def _completed(call: Call, yielded: Yield, key: str | None) -> StepResult:
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
        await call.run.services.store.cache(key, result, ttl=ttl)
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
