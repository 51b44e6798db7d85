"""The query of a request: what its route does not know is refused, not passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError

if TYPE_CHECKING:
    from fastapi.routing import APIRoute
    from starlette.requests import HTTPConnection

_TOLD = 10


def only_known(connection: HTTPConnection) -> None:
    """Raises `RequestValidationError` for a parameter that the route does not have.

    A filter that is misspelt would list everything, and a misspelt `version` delete every one.
    """
    route: APIRoute = connection.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    unknown = [name for name in connection.query_params if name not in known]
    if unknown:
        there = f"there are: {', '.join(known)}" if known else "there are none here"
        message = f"there is no such parameter; {there}"
        raise RequestValidationError(
            [
                {"type": "unknown", "loc": ("query", name[:100]), "msg": message}
                for name in unknown[:_TOLD]
            ]
        )
