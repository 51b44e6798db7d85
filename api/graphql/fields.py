"""Fields, subscriptions and values of enums, each with what it means; typed as what they wrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def resolved(description: str) -> Callable[[F], F]:
    """A field, or a mutation, that the function below resolves."""
    return cast("Callable[[F], F]", strawberry.field(description=description))


def followed(description: str) -> Callable[[F], F]:
    """A subscription to what the function below yields."""
    return cast("Callable[[F], F]", strawberry.subscription(description=description))


def value(text: str, description: str) -> str:
    """A value of an enum."""
    return cast("str", strawberry.enum_value(text, description=description))
