"""Program text of a field, compiled; whatever is wrong with it is kept with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from .binding import BoundField, Filled, Fixed, Formula, Reference, Tree
from .document import Document
from .errors import Problem
from .expressions import (
    Environment,
    ExpressionEngine,
    ExpressionProblem,
    Hole,
    Template,
    unwrap_condition,
)
from .expressions import Reference as Mention
from .fields import Where
from .names import View
from .step import Role


class Vocabulary(Protocol):
    """The names that expressions of a document may use."""

    @property
    def reserved(self) -> Collection[str]:
        """Ids of steps that expressions can only read through `steps`."""

    def step_of(self, reference: Mention) -> str | None:
        """The id that a reference reads, if it reads a step."""

    def outputs(self, id: str) -> Collection[str]:
        """What a bare `step.output` may refer to, of that step."""

    def problem(self, reference: Mention, view: View) -> str | None:
        """What is wrong with the reference where it stands; None when it is right."""


class Found:
    """What the expressions of one place turn out to use."""

    def __init__(self) -> None:
        self.steps: set[str] = set()
        self.env: set[str] = set()
        self.functions: set[str] = set()


class FieldBinder:
    """Compiles the fields of one document; `problems` are those met so far."""

    def __init__(
        self,
        document: Document,
        engine: Callable[[], ExpressionEngine],
        names: Vocabulary,
        environment: Callable[[], Environment],
    ) -> None:
        self._document = document
        self._engine = engine
        self._names = names
        self._environment = environment
        self.problems: list[Problem] = []

    def field(self, role: Role, value: Any, where: Where, view: View, found: Found) -> BoundField:
        match role:
            case Role.CONDITION:
                return self.formula(value, where, view, found, condition=True)
            case Role.EXPRESSION:
                return self.formula(value, where, view, found, condition=False)
            case Role.INPUTS:
                return self._inputs(value, where, view, found)
            case _:
                return self.data(value, where, view, found)

    def _inputs(self, value: Any, where: Where, view: View, found: Found) -> BoundField:
        """Like data; a bare `step.output` on the first level is a reference."""
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        bound: dict[Any, BoundField] = {}
        for key, entry in entries:
            path = self._bare(entry, view)
            if path is not None:
                found.steps.add(path[1])
                bound[key] = Reference(path)
            else:
                bound[key] = self.data(entry, (*where, key), view, found)
        return Tree(bound if isinstance(value, dict) else list(bound.values()))

    def _bare(self, entry: Any, view: View) -> tuple[str, ...] | None:
        if not isinstance(entry, str) or entry.count(".") != 1:
            return None
        id, member = entry.split(".")
        if id not in view.ids:
            return None
        return ("steps", id, member) if member in self._names.outputs(id) else None

    def data(self, value: Any, where: Where, view: View, found: Found) -> BoundField:
        if isinstance(value, str):
            return self.template(value, where, view, found)
        entries: Any
        if isinstance(value, Mapping):
            entries = {k: self.data(v, (*where, k), view, found) for k, v in value.items()}
        elif isinstance(value, list | tuple):
            entries = [self.data(v, (*where, i), view, found) for i, v in enumerate(value)]
        else:
            return Fixed(value)
        inner = entries.values() if isinstance(entries, dict) else entries
        if all(isinstance(entry, Fixed) for entry in inner):
            return Fixed(value)
        return Tree(entries)

    def template(self, text: str, where: Where, view: View, found: Found) -> BoundField:
        if "{{" not in text:
            return Fixed(text)
        try:
            template = Template.parse(text)
        except ExpressionProblem as problem:
            self.problem(where, problem.message, problem.offset)
            return Fixed(text)
        pieces: list[str | Formula] = []
        for part in template.parts:
            if isinstance(part, Hole):
                bound = self.formula(part.source, where, view, found, offset=part.offset)
                pieces.append(bound if isinstance(bound, Formula) else "")
            else:
                pieces.append(part)
        return Filled(tuple(pieces))

    def formula(
        self,
        source: str,
        where: Where,
        view: View,
        found: Found,
        *,
        condition: bool = False,
        offset: int = 0,
    ) -> BoundField:
        """Check the names first: they give better messages than the type-checker does."""
        place = ".".join(str(p) for p in where if not isinstance(p, int)) or "value"
        try:
            plain = unwrap_condition(source)
            references = self._engine().references(plain)
        except ExpressionProblem as problem:
            self.problem(where, self._hint(problem.message, source), offset + problem.offset)
            return Fixed(None)
        wrong = False
        for reference in references:
            message = self._names.problem(reference, view)
            if message is not None:
                wrong = True
                self.problem(where, message, offset + reference.offset)
            step = self._names.step_of(reference)
            if step is not None and step not in view.local:
                found.steps.add(step)
            if reference.path[0] == "env" and len(reference.path) == 2:
                found.env.add(reference.path[1])
        if wrong:
            return Fixed(None)
        try:
            compiled = self._environment().compile(plain, condition=condition)
        except ExpressionProblem as problem:
            self.problem(where, self._hint(problem.message, plain), offset + problem.offset)
            return Fixed(None)
        found.functions |= compiled.functions
        return Formula(compiled, str(where[-1]) if isinstance(where[-1], str) else place, condition)

    def _hint(self, message: str, source: str) -> str:
        """A step may be called what the expression language takes for something else."""
        for id in sorted(self._names.reserved):
            form = f"steps['{id}']"
            bare = re.search(rf"(?<![\w.'\"-]){re.escape(id)}(?![\w-])", source)
            if bare and form not in message:
                return f"{message}; a step called {id!r} is read as `{form}`"
        return message

    def problem(self, where: Where, message: str, offset: int | None = None) -> None:
        position = self._document.position(where, offset=offset)
        self.problems.append(Problem(self._document.name, position, message, where))
