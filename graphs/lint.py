"""What runs and yet is probably not meant so: warnings, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from .binding import BoundField, BoundStep, Fixed, Formula, Tree
from .document import Document
from .errors import Problem
from .fields import Where
from .ports import StepKind
from .program import Program
from .registry import Registry
from .rules import Catalogue, unknown_names
from .step import Family


def lint(
    program: Program, document: Document, kinds: Registry[StepKind], catalogue: Catalogue
) -> Iterator[Problem]:
    """Every warning about a program that is otherwise right."""
    return _Linter(program, document, kinds, catalogue).problems()


class _Linter:
    def __init__(
        self,
        program: Program,
        document: Document,
        kinds: Registry[StepKind],
        catalogue: Catalogue,
    ) -> None:
        self._catalogue = catalogue
        self._program = program
        self._document = document
        self._kinds = kinds

    def problems(self) -> Iterator[Problem]:
        steps = self._program.steps
        if self._family(steps[0]) is Family.ASSERTION and not _says(steps[0], "on_false"):
            yield self._warn(
                steps[0].where,
                f"the assertion {steps[0].id!r} comes first and does not say `on_false`; write "
                "`on_false: stop` if its being false means that there is nothing to do",
            )
        yield from self._unchecked(steps)
        yield from self._unused()
        yield from self._outputs()
        yield from self._softened()
        yield from self._circles()
        yield from self._unreachable(steps)
        for bound in _every(steps):
            yield from self._branches(bound)
            yield from self._never_again(bound)
            for block, inner in bound.blocks.items():
                if (bound.kind, block) != ("parallel", ("steps",)):
                    yield from self._unreachable(inner)
            for way, message in unknown_names(bound.step, self._catalogue):
                yield self._warn((*bound.where, *way), message)

    def _unchecked(self, steps: Sequence[BoundStep]) -> Iterator[Problem]:
        """An agent whose work nobody checks (REQUIREMENTS N8)."""
        everything = list(_every(steps))
        last = max(
            (i for i, b in enumerate(everything) if self._family(b) is Family.ASSERTION),
            default=-1,
        )
        for index, bound in enumerate(everything):
            agentic = self._family(bound) is Family.AGENTIC and bound.kind != "decide"
            if agentic and index > last and not getattr(bound.step, "verify", None):
                yield self._warn(
                    bound.where,
                    f"nothing checks what the agentic step {bound.id!r} did; add an assertion "
                    "after it, or `verify`",
                )

    def _unused(self) -> Iterator[Problem]:
        """A step that computes a value and has no other purpose, which nobody reads."""
        everything = list(_every(self._program.steps))
        read = frozenset[str]().union(*(b.mentions for b in everything))
        named = {id for field in self._program.outputs.values() for id in _ids(field)}
        listed = {n for n, o in self._program.workflow.outputs.items() if o.value is None}
        for bound in everything[:-1]:
            step = bound.step
            pure = bound.kind == "decide" or step.effects == "pure"
            taken = bound.id in read | named or set(step.outputs or ()) & listed
            if pure and not taken:
                yield self._warn(bound.where, f"nobody reads what the step {bound.id!r} gives")

    def _outputs(self) -> Iterator[Problem]:
        """Declared outputs that nothing provides for certain."""
        given = {n for b in _every(self._program.steps) for n in _names(b)}
        for name, output in self._program.workflow.outputs.items():
            if output.value is None and name not in given:
                where: Where = ("outputs", name)
                yield Problem(
                    self._document.name,
                    self._document.position(where, key=True),
                    f"no step declares the output {name!r}; it is null unless a step happens to "
                    "give a value of that name: add `value:`",
                    where,
                    True,
                )

    def _softened(self) -> Iterator[Problem]:
        default = self._program.workflow.error_handling.default
        if default is None or default.strategy != "skip":
            return
        for bound in _every(self._program.steps):
            if self._family(bound) is Family.ASSERTION and bound.step.on_error is None:
                yield self._warn(
                    bound.where,
                    f"the default `skip` lets the execution go on when the assertion {bound.id!r} "
                    "fails; give it `on_error: halt` to make it gate",
                )

    def _circles(self) -> Iterator[Problem]:
        """A trigger that the workflow itself fires, each time that it runs."""
        steps = [b.step for b in _every(self._program.steps) if b.kind == "emit"]
        emitted: list[str] = sorted({getattr(step, "event") for step in steps})  # noqa: B009
        for index, trigger in enumerate(self._program.workflow.triggers):
            heard = [event for event in emitted if trigger.hears(event)]
            if heard and trigger.if_ is None:
                yield self._warn(
                    ("triggers", index),
                    f"the workflow emits {heard[0]!r}, which fires this trigger of its own: it "
                    "would begin itself again and again; give the trigger an `if`",
                )

    def _branches(self, bound: BoundStep) -> Iterator[Problem]:
        condition = bound.fields.get(("condition",) if bound.kind == "conditional" else ("when",))
        if isinstance(condition, Formula) and condition.expression.source.strip() in _CONSTANT:
            value = condition.expression.source.strip()
            place = ("condition",) if bound.kind == "conditional" else ("when",)
            what = "one branch is never taken" if place[0] == "condition" else "it never changes"
            yield self._warn((*bound.where, *place), f"the condition is always {value}: {what}")

    def _never_again(self, bound: BoundStep) -> Iterator[Problem]:
        """What happens once is not tried again, whatever the step itself says."""
        step = bound.step
        if step.effects != "once":
            return
        retried = step.on_error is not None and step.on_error.strategy == "retry"
        if step.retry is not None or retried:
            yield self._warn(
                (*bound.where, "retry" if step.retry is not None else "on_error"),
                f"{bound.id!r} is never tried again, for it says `effects: once`; remove one of "
                "the two",
            )

    def _unreachable(self, steps: Sequence[BoundStep]) -> Iterator[Problem]:
        if any(s.step.needs is not None for s in steps):
            return
        for earlier, later in pairwise(steps):
            if _ends(earlier):
                message = f"{later.id!r} can never run: {earlier.id!r} always ends the list"
                yield self._warn(later.where, message)
                break

    def _family(self, bound: BoundStep) -> Family:
        return self._kinds.get(bound.kind).family

    def _warn(self, where: Where, message: str) -> Problem:
        return Problem(
            self._document.name, self._document.position(where), message, where, warning=True
        )


_CONSTANT = ("true", "false")


def _ends(bound: BoundStep) -> bool:
    condition = bound.fields.get(("condition",))
    return (
        bound.kind == "assert"
        and isinstance(condition, Formula)
        and condition.expression.source.strip() == "false"
        and bound.step.on_error is None
    )


def _says(bound: BoundStep, field: str) -> bool:
    return field in bound.step.model_fields_set


def _names(bound: BoundStep) -> set[str]:
    output: Any = getattr(bound.step, "output", None)
    shaped = output.get("properties", {}) if isinstance(output, dict) else {}
    return {*(bound.step.outputs or ()), *(bound.step.artifacts or ()), *shaped}


def _ids(field: BoundField) -> Iterator[str]:
    if isinstance(field, Formula):
        for reference in field.expression.references:
            root, *rest = reference.path
            yield rest[0] if root == "steps" and rest else root
    elif isinstance(field, Tree):
        entries = field.entries
        for entry in entries.values() if isinstance(entries, Mapping) else entries:
            yield from _ids(entry)
    elif not isinstance(field, Fixed):
        for piece in getattr(field, "pieces", ()):
            if isinstance(piece, Formula):
                yield from _ids(piece)


def _every(steps: Sequence[BoundStep]) -> Iterator[BoundStep]:
    for bound in steps:
        yield bound
        for inner in bound.blocks.values():
            yield from _every(inner)
