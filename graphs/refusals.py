"""What the language has and this version does not do yet: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from .document import Document
from .errors import Problem
from .fields import Where
from .step import Step
from .workflow import Workflow

_WORKFLOW = {
    "triggers": "starting a workflow by cron, webhook, event or chat",
}


def refusals(workflow: Workflow, document: Document) -> Iterator[Problem]:
    """One problem for every use of something that this version cannot do."""

    def refuse(where: Where, what: str, why: str) -> Problem:
        message = f"{what} is not available in this version ({why}); remove it"
        return Problem(document.name, document.position(where, key=True), message, where)

    for field, why in _WORKFLOW.items():
        if getattr(workflow, field) is not None:
            yield refuse((field,), f"`{field}`", why)


def placed_steps(steps: tuple[Step, ...], where: Where) -> Iterator[tuple[Where, Step]]:
    """Every step with its place in the document, inner and compensating ones included."""
    for index, step in enumerate(steps):
        here = (*where, index)
        yield here, step
        for way, inner in step.blocks().items():
            yield from placed_steps(inner, (*here, *way))
        yield from placed_steps(step.rollback or (), (*here, "rollback"))
