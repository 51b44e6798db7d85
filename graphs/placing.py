"""Whether every value in a step can stand where it was put; the rest is refused at load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .binding import BoundField, Filled, Fixed, Tree
from .document import Document
from .errors import Problem
from .expressions import ExpressionProblem, Hole, Template
from .fields import Where
from .step import Step


def misplaced(
    step: Step, where: Where, fields: Mapping[Where, BoundField], document: Document
) -> Iterator[Problem]:
    """Values in a shell command that could become program text, and doubtful ones."""
    if step.kind != "shell":
        return
    from .shell import place  # bash's grammar, for definitions that have commands

    yield from _of_env(where, fields, document)
    if not isinstance(fields.get(("command",)), Filled):
        return
    given: Any = step
    try:
        template = Template.parse(given.command)
    except ExpressionProblem:
        return
    parts: list[str | int] = []
    starts: list[int] = []
    at = holes = 0
    for part in template.parts:
        if isinstance(part, Hole):
            starts.append(part.offset)
            parts.append(holes)
            holes += 1
            at = given.command.index("}}", part.offset + len(part.source)) + 2
        else:
            starts.append(at)
            parts.append(part)
            at += len(part)
    for problem in place(parts).problems:
        offset = starts[problem.part] + (
            problem.offset if isinstance(parts[problem.part], str) else 0
        )
        position = document.position((*where, "command"), offset=offset)
        yield Problem(
            document.name, position, problem.message, (*where, "command"), problem.warning
        )


def _of_env(
    where: Where, fields: Mapping[Where, BoundField], document: Document
) -> Iterator[Problem]:
    """Variables in which bash finds commands, settings or files to run."""
    from .shell.rules import SPECIAL

    env = fields.get(("env",))
    if not isinstance(env, Tree) or not isinstance(env.entries, Mapping):
        return
    for name, bound in env.entries.items():
        if name in SPECIAL and not isinstance(bound, Fixed):
            place = (*where, "env", name)
            message = f"a value in `{name}` would be program text of bash; use another name"
            yield Problem(document.name, document.position(place), message, place)
