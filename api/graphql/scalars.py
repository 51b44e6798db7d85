"""Values that GraphQL has no word for."""

from __future__ import annotations

from typing import Any, NewType

import orjson
import strawberry
from graphql import GraphQLError, ValueNode, value_from_ast_untyped
from strawberry.schema.config import StrawberryConfig

from ...graphs.units import format_moment

Json = NewType("Json", object)
Time = NewType("Time", str)


def _same(value: Any) -> Any:
    return value


def _literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """What a document writes out. Raises `GraphQLError` for numbers that JSON cannot carry."""
    value = value_from_ast_untyped(node, variables)
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise GraphQLError(f"This is not JSON that can be kept: {error}.", node) from error
    return value


def config() -> StrawberryConfig:
    return StrawberryConfig(
        scalar_map={
            Json: strawberry.scalar(
                name="JSON",
                description="Any JSON value.",
                specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
                serialize=_same,
                parse_value=_same,
                parse_literal=_literal,
            ),
            Time: strawberry.scalar(
                name="DateTime",
                description="A time in UTC, as RFC 3339 writes it, with microseconds.",
                specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
                serialize=_same,
                parse_value=_same,
            ),
        }
    )


def time(text: str | None) -> Time | None:
    """Nothing is kept as an empty text."""
    return Time(text) if text else None


def moment(seconds: float | None) -> Time | None:
    """Of seconds since 1970."""
    return None if seconds is None else Time(format_moment(seconds))
