"""Which names an expression may use where it stands, and what to say when it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from .expressions import Reference
from .registry import nearest
from .scope import SCOPE_NAMES
from .step import Step
from .workflow import Workflow

ROOTS = frozenset({"inputs", "context", "env", "steps"})


@dataclass(frozen=True, slots=True)
class View:
    """What is visible at one place: ids of steps that have run before, and local names."""

    ids: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()

    def plus(self, ids: Iterable[str] = (), local: Iterable[str] = ()) -> View:
        return replace(self, ids=self.ids | set(ids), local=self.local | set(local))


def hoisted(step: Step) -> tuple[str, ...]:
    """The ids inside a step that stay visible after it, in order of the file."""
    if step.local or getattr(step, "wait_for", None) == "none":
        return ()
    inner = [child for steps in step.blocks().values() for child in steps]
    return tuple(i for child in inner for i in (child.id, *hoisted(child)))


class Names:
    """Checks references of one document; `declarable` says whether a bare id can be used."""

    def __init__(self, workflow: Workflow, declarable: Callable[[str], bool]) -> None:
        self._workflow = workflow
        self._declarable = declarable
        self._steps: dict[str, Step] = {}
        self._repeated: dict[str, str] = {}
        self._detached: dict[str, str] = {}
        for step in workflow.steps:
            self._collect(step)

    @cached_property
    def _bare(self) -> dict[str, bool]:
        return {i: i not in SCOPE_NAMES and self._declarable(i) for i in self._steps}

    @property
    def bare(self) -> frozenset[str]:
        """Ids that expressions may use without `steps.`."""
        return frozenset(i for i, usable in self._bare.items() if usable)

    @property
    def reserved(self) -> frozenset[str]:
        """Ids that expressions can only read through `steps`."""
        return frozenset(i for i, usable in self._bare.items() if not usable)

    def outputs(self, id: str) -> frozenset[str]:
        """What a bare `step.output` may refer to, of the step of that id."""
        return reference_outputs(self._steps[id])

    def _collect(self, step: Step) -> None:
        self._steps.setdefault(step.id, step)
        for child in step.rollback or ():
            self._collect(child)
        for steps in step.blocks().values():
            for child in steps:
                self._collect(child)
                for id in (child.id, *hoisted(child)):
                    if step.local:
                        self._repeated.setdefault(id, step.id)
                    elif getattr(step, "wait_for", None) == "none":
                        self._detached.setdefault(id, step.id)

    def step_of(self, reference: Reference) -> str | None:
        """The id that a reference reads, if it reads a step."""
        root, *rest = reference.path
        if root == "steps":
            return rest[0] if rest and rest[0] in self._steps else None
        return root if self._bare.get(root, False) else None

    def problem(self, reference: Reference, view: View) -> str | None:
        """What is wrong with the reference where it stands; None when it is right."""
        root, *rest = reference.path
        match root:
            case "inputs":
                return self._member("input", rest, self._workflow.inputs)
            case "context":
                known = {**self._workflow.context.readonly, **self._workflow.context.mutable}
                return self._member("context value", rest, known)
            case "env":
                if len(rest) != 1:
                    return "name the variable: `env.NAME`"
                return None
            case "steps":
                if not rest:
                    return "name the step: `steps.id` or `steps['any-id']`"
                return self._step(rest[0], view)
        if root in view.local:
            return None
        if root in SCOPE_NAMES:
            return self._not_here(root)
        if root in self._steps and not self._bare[root]:
            return (
                f"`{root}` is a name of the expression language; read the step as `steps['{root}']`"
            )
        return self._step(root, view)

    def _not_here(self, root: str) -> str:
        if root in self._steps:
            return f"`{root}` is one of Assay's own names; read the step as `steps.{root}`"
        homes = {
            "item": "inside a `foreach`",
            "index": "inside a `foreach`",
            "iteration": "inside a `loop`",
            "output": "in `verify` and in `rollback` steps",
            "error": "in `rollback` steps",
        }
        return f"`{root}` exists only {homes[root]}"

    def _member(self, noun: str, rest: list[str], known: Mapping[str, object]) -> str | None:
        if not rest or rest[0] in known:
            return None
        return f"no {noun} is called {rest[0]!r}{nearest(rest[0], known)}"

    def _step(self, id: str, view: View) -> str | None:
        if id in view.ids:
            return None
        if id not in self._steps:
            hyphenated = sorted(i for i in self._steps if i.startswith(f"{id}-"))
            if hyphenated:
                return f"{id!r} is not known; a name with `-` reads `steps['{hyphenated[0]}']`"
            known = [*view.ids, *view.local, *ROOTS]
            return f"{id!r} is not known{nearest(id, known)}"
        if id in self._repeated:
            return (
                f"step {id!r} is visible only within an iteration of {self._repeated[id]!r}; "
                f"use `steps['{self._repeated[id]}'].output`"
            )
        if id in self._detached:
            return (
                f"step {id!r} belongs to {self._detached[id]!r}, which nobody waits for "
                "(`wait_for: none`); it cannot be read"
            )
        return f"step {id!r} has not run before this one; move it up, or `needs` it"


def reference_outputs(step: Step) -> frozenset[str]:
    """The outputs a step declares by name: what a bare `step.output` may refer to."""
    names = set(step.outputs or ()) | set(step.artifacts or ())
    return frozenset({*names, "output", *_BUILT_IN.get(step.kind, ())})


_BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "shell": ("stdout", "stderr", "exit_code"),
    "http": ("code", "headers", "body"),
    "decide": ("option", "confidence", "reason"),
    "parallel": ("winner",),
    "conditional": ("branch",),
    "switch": ("branch",),
    "loop": ("iterations",),
    "approval": ("approved", "by", "comment"),
    "wait_event": ("id", "key"),
}
