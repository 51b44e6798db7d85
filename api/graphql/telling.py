"""What somebody is told of an error: all of what they can act on, nothing of what is inside."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSyntaxError
from graphql.validation.validate import ValidationAbortedError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from ...graphs.errors import AssayError, InvalidSpec
from ..http.problems import found
from .limits import SECONDS

LONGEST = 1000
"""Characters of what is said of a document."""

_log = logging.getLogger("assay.graphql")


class Told(MaskErrors):
    """Every error of a result as it is told."""

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        return told(error)


def told(error: GraphQLError) -> GraphQLError:
    """The error with a stable `extensions.code`; what is not expected says only that it was."""
    cause = _cause(error)
    if isinstance(cause, GraphQLError):
        code = {"code": _code(cause), **(error.extensions or {})}
        return _error(error, _short(error.message), code)
    if isinstance(cause, InvalidSpec):
        problems = [found(each) for each in cause.problems]
        return _error(error, cause.message, {"code": cause.code, "problems": problems})
    if isinstance(cause, AssayError):
        return _error(error, cause.message, {"code": cause.code})
    if isinstance(cause, TimeoutError):
        took = f"It took longer than {SECONDS:g} s; a change may have been made, or not."
        return _error(error, took, {"code": "timeout"})
    if isinstance(cause, RecursionError):
        return _error(error, "The document is nested too deep.", {"code": "too_much"})
    if isinstance(cause, MissingQueryError | CannotGetOperationTypeError):
        named = "The document has no such operation, or several and none is named."
        return _error(error, named, {"code": "invalid_query"})
    if isinstance(cause, InvalidOperationTypeError):
        wrong = f"A {cause.operation_type.value} cannot be asked for in this way."
        return _error(error, wrong, {"code": "invalid_query"})
    inside = "Something unexpected happened; the server's log says what."
    return _error(error, inside, {"code": "internal"})


def _short(message: str) -> str:
    """It may repeat what was asked, however long that is."""
    return message if len(message) <= LONGEST else f"{message[:LONGEST]}…"


def _code(error: GraphQLError) -> str:
    if isinstance(error, ValidationAbortedError) or "Parsing aborted" in error.message:
        return "too_much"
    return "syntax" if isinstance(error, GraphQLSyntaxError) else "invalid_query"


def log(error: GraphQLError) -> None:
    """What nobody expected, for whoever runs the server."""
    if told(error).extensions == {"code": "internal"}:
        at = ".".join(map(str, error.path or ()))
        _log.error("resolving %s failed", at or "an operation", exc_info=error.original_error)


def encoded(body: Any) -> bytes:
    """An answer as JSON."""
    return orjson.dumps(body, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _cause(error: GraphQLError) -> BaseException:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _error(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
