"""Which fields of a step hold program text, and in which role."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from .step import Model, Role, Step

Where = tuple[str | int, ...]
"""The way to a value inside a step: `("inputs", "url")`, `("verify", "checks", 0)`."""


def program_text(step: Step) -> Iterator[tuple[Where, Role, Any]]:
    """Every field of the step, itself and its nested models, that a `Role` marks.

    Inner lists of steps are left out: `Step.blocks` names them.
    """
    yield from _walk(step, ())


def _walk(model: Model, where: Where) -> Iterator[tuple[Where, Role, Any]]:
    for name, (alias, role) in _roles(type(model)).items():
        value = getattr(model, name)
        if value is None or role is Role.BLOCK:
            continue
        if role is not None:
            yield (*where, alias), role, value
            continue
        if isinstance(value, Model):
            yield from _walk(value, (*where, alias))
        elif isinstance(value, tuple | list):
            for index, item in enumerate(value):
                if isinstance(item, Model):
                    yield from _walk(item, (*where, alias, index))


@cache
def _roles(model: type[Model]) -> dict[str, tuple[str, Role | None]]:
    return {
        name: (info.alias or name, _role(info.annotation, info.metadata))
        for name, info in model.model_fields.items()
    }


def _role(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> Role | None:
    for mark in metadata:
        if isinstance(mark, Role):
            return mark
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return _role(arguments[0], arguments[1:])
    for argument in arguments:
        found = _role(argument)
        if found is not None:
            return found
    return None


def placed_steps(steps: tuple[Step, ...], where: Where) -> Iterator[tuple[Where, Step]]:
    """Every step with its place in the document, inner and compensating ones included."""
    for index, step in enumerate(steps):
        here = (*where, index)
        yield here, step
        for way, inner in step.blocks().items():
            yield from placed_steps(inner, (*here, *way))
        yield from placed_steps(step.rollback or (), (*here, "rollback"))
