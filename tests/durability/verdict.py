"""What must be true of an execution whatever killed it, and however often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from assay.graphs.event import EventType
from assay.graphs.execution import Status, StepResult
from assay.graphs.question import QuestionStatus

from .existence import Left

ENDS = {
    EventType.STEP_COMPLETED,
    EventType.STEP_FAILED,
    EventType.STEP_SKIPPED,
    EventType.STEP_CANCELLED,
}
LAST = {
    EventType.EXECUTION_COMPLETED,
    EventType.EXECUTION_FAILED,
    EventType.EXECUTION_CANCELLED,
}
ONCE_AT_MOST = {
    EventType.EXECUTION_STARTED: False,
    EventType.STEP_COMPENSATED: False,
    EventType.QUESTION_ASKED: True,
    EventType.QUESTION_ANSWERED: True,
}
"""Events of which a place sees one at most; where True, a question does, not a path."""

NOTED = {"python", "shell", "http"}
"""Kinds whose every effect is in the ledger."""

OWN = {"emit", "sleep"}
"""Kinds whose output is a new id, or a time."""


def broken(left: Left, kills: int, once: Collection[str] = ()) -> list[str]:
    """Every promise that is broken, whichever workflow it was. `once` are the paths of steps
    with `effects: once`."""
    return [
        *_of_the_log(left),
        *_of_effects(left, kills, once),
        *(
            f"question {q.path} is still open"
            for q in left.questions
            if q.status is QuestionStatus.OPEN
        ),
        *([f"still held by {left.holder}"] if left.holder else []),
        *([f"the database is damaged: {left.sound}"] if left.sound != "ok" else []),
    ]


def differences(left: Left, unkilled: Left, racy: Collection[str] = ()) -> list[str]:
    """Everything in which an execution is not what it is when nobody kills it.

    Whether the steps at `racy` paths begin at all is left to chance; how they end is not.
    """
    ours, theirs = left.execution, unkilled.execution
    found = [
        f"{what}: {got!r} instead of {wanted!r}"
        for what, got, wanted in [
            ("status", ours.status, theirs.status),
            ("outputs", ours.outputs, theirs.outputs),
            ("artifacts", ours.artifacts, theirs.artifacts),
            ("error", ours.error, theirs.error),
        ]
        if got != wanted
    ]
    results, expected = left.history.results, unkilled.history.results
    for path in [*expected, *(path for path in results if path not in expected)]:
        got_step = _shown(results.get(path), tried=path not in racy)
        wanted_step = _shown(expected.get(path), tried=path not in racy)
        if got_step != wanted_step:
            found.append(f"{path}: {got_step} instead of {wanted_step}")
    return found


def _shown(result: StepResult | None, *, tried: bool) -> object:
    if result is None:
        return None
    value = () if result.kind in OWN else (result.output, dict(result.outputs))
    error = None if result.error is None else result.error.message
    attempts = (result.attempts,) if tried else ()
    return (result.status.value, *attempts, *value, result.artifacts, error)


def _of_the_log(left: Left) -> Iterator[str]:
    numbers = [event.seq for event in left.events]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the log is numbered {numbers}"
    ended = Counter(event.path for event in left.events if event.type in ENDS)
    yield from (f"{path} ended {n} times" for path, n in ended.items() if n != 1)
    if ended.keys() != left.history.results.keys():
        yield f"ended: {ended.keys() ^ left.history.results.keys()}"
    for type, by_question in ONCE_AT_MOST.items():
        told = [e for e in left.events if e.type is type]
        counted = Counter(str(e.data["question"]) if by_question else e.path for e in told)
        yield from (f"{type} of {what!r} {n} times" for what, n in counted.items() if n != 1)
    last = [event.type for event in left.events if event.type in LAST]
    if len(last) != 1 or left.events[-1].type not in LAST:
        yield f"the log ends with {left.events[-1]}; ends in it: {last}"
    emitted: dict[str, set[str]] = {}
    for event in left.events:
        if event.type is EventType.EMITTED:
            emitted.setdefault(event.path, set()).add(event.data["id"])
    yield from (f"{path} emitted {ids}" for path, ids in emitted.items() if len(ids) != 1)


def _of_effects(left: Left, kills: int, once: Collection[str]) -> Iterator[str]:
    account = left.account
    yield from (f"ran again although its result was durable: {line}" for line in account.again)
    for (path, attempt), n in account.begun.items():
        allowed = 1 + (account.repeats[path] if path in once else kills)
        if n > allowed:
            yield f"{path}: attempt {attempt} began {n} times; killed {kills} times"
    for (path, attempt), n in account.ended.items():
        if path in once and n > 1:
            yield f"{path}: happened {n} times in attempt {attempt}"
    begun = {path for path, _ in account.begun}
    for path, result in left.history.results.items():
        ran = result.kind in NOTED and result.status is Status.COMPLETED
        if ran and path not in begun:
            yield f"{path} never ran"
