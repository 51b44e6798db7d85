"""What a step does about failure: step beats `per_step` beats `default` beats `defaults`."""

from __future__ import annotations

from collections.abc import Iterator

from .binding import Policy
from .document import Document
from .errors import Problem
from .registry import nearest
from .step import Family, OnError, Retry, Step
from .workflow import Workflow

_LEAVES = frozenset({Family.DETERMINISTIC, Family.AGENTIC, Family.ASSERTION})


def policy_of(step: Step, workflow: Workflow, family: Family) -> Policy:
    """Resolve `retry`, `timeout` and `on_error` of one step.

    A control step takes nothing from the defaults but `rollback`: its own failure (a loop
    that met its limit) must not leave undone what a leaf's failure would undo.
    """
    handling, defaults = workflow.error_handling, workflow.defaults
    own = step.on_error or handling.per_step.get(step.id)
    if family not in _LEAVES:
        inherited = handling.default is not None and handling.default.strategy == "rollback"
        strategy = own.strategy if own else ("rollback" if inherited else "halt")
        retry = step.retry or (own.retry() if own and own.strategy == "retry" else None)
        return Policy(retry, step.timeout, "halt" if strategy == "retry" else strategy)
    on_error = own or handling.default or defaults.on_error
    retry = step.retry or _retry(on_error) or defaults.retry
    strategy = "halt" if on_error is None or on_error.strategy == "retry" else on_error.strategy
    timeout = step.timeout if step.timeout is not None else defaults.timeout
    return Policy(retry, timeout, strategy)


def _retry(on_error: OnError | None) -> Retry | None:
    return on_error.retry() if on_error is not None and on_error.strategy == "retry" else None


def policy_problems(workflow: Workflow, document: Document) -> Iterator[Problem]:
    """Names in `per_step` that no step has."""
    known = {step.id for step in every_step(workflow.steps)}
    for id in workflow.error_handling.per_step:
        if id not in known:
            where = ("error_handling", "per_step", id)
            yield Problem(
                document.name,
                document.position(where, key=True),
                f"no step has the id {id!r}{nearest(id, known)}",
                where,
            )


def every_step(steps: tuple[Step, ...]) -> Iterator[Step]:
    """All steps of a list, inner and compensating ones included, in order of the file."""
    for step in steps:
        yield step
        for inner in step.blocks().values():
            yield from every_step(inner)
        yield from every_step(step.rollback or ())
