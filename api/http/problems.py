"""Errors over HTTP, as RFC 9457 has them: a status, a stable code, and what to do."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from ...graphs import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[type[errors.AssayError], HTTPStatus] = {
    errors.InvalidSpec: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotAuthorized: HTTPStatus.FORBIDDEN,
    errors.WorkflowNotFound: HTTPStatus.NOT_FOUND,
    errors.ExecutionNotFound: HTTPStatus.NOT_FOUND,
    errors.QuestionNotFound: HTTPStatus.NOT_FOUND,
    errors.ArtifactNotFound: HTTPStatus.NOT_FOUND,
    errors.TriggerNotFound: HTTPStatus.NOT_FOUND,
    errors.FiringNotFound: HTTPStatus.NOT_FOUND,
    errors.WorkflowConflict: HTTPStatus.CONFLICT,
    errors.QuestionClosed: HTTPStatus.CONFLICT,
    errors.NotPossible: HTTPStatus.CONFLICT,
    errors.ConcurrencyLimit: HTTPStatus.CONFLICT,
    errors.ConfigurationError: HTTPStatus.CONFLICT,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""By the nearest class; any other error of ours is a fault of the server."""

_log = logging.getLogger("assay.http")


def status_of(error: errors.AssayError) -> HTTPStatus:
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


_RENAMED = {
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


def title(status: int) -> str:
    """As RFC 9110 has it; Python before 3.13 has older ones of some."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase


def problem(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    body = {
        "type": f"urn:assay:{code}",
        "title": title(status),
        "status": int(status),
        "code": code,
        "detail": detail,
        **more,
    }
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def of_error(error: errors.AssayError) -> Response:
    """What somebody is told of an error of ours."""
    status = status_of(error)
    headers, more = {}, {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    if isinstance(error, errors.RateLimited):
        headers["Retry-After"] = str(error.wait)
    if isinstance(error, errors.InvalidSpec):
        more["problems"] = list_of(error.problems)
    return problem(status, error.code, error.message, headers, **more)


MOST = 500
"""As many things as anybody is told to be wrong in one definition."""


def list_of(problems: Sequence[errors.Problem]) -> list[dict[str, Any]]:
    """As `found` has each; the last one says how many more there are."""
    told = [found(each) for each in problems[:MOST]]
    if (left := len(problems) - MOST) > 0:
        told.append({"at": "", "message": f"and {left:,} more"})
    return told


def found(each: errors.Problem) -> dict[str, Any]:
    """One thing wrong in a definition; `at` is the way to it, `line` and `column` from 1."""
    return {
        "at": ".".join(map(str, each.path)),
        "message": each.message,
        "line": each.position.line,
        "column": each.position.column,
        "warning": each.warning,
    }


_SHOWN = 200
"""As many characters of a path as anybody is told."""


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    """One thing wrong in a request, as pydantic and FastAPI say it."""
    if error["type"] == "json_invalid":
        why = f"this is no JSON: {error['ctx']['error']}, at character {error['loc'][-1]}"
        return {"at": "body", "message": why}
    return {"at": ".".join(map(str, error["loc"])), "message": error["msg"]}


def answer_with_problems(app: FastAPI) -> None:
    """Every error of the application is answered as a problem; none shows what is inside."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.AssayError)
        return of_error(error)

    async def unfit(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [_fault(each) for each in error.errors()]
        detail = "; ".join(f"{each['at']}: {each['message']}" for each in faults)
        return problem(422, "invalid_request", detail, problems=faults)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        status, detail, path = error.status_code, error.detail, request.url.path[:_SHOWN]
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(app, request))
            detail = f"{path!r} does not take {request.method}; it takes {headers['Allow']}."
        elif status == HTTPStatus.NOT_FOUND:
            detail = f"There is nothing at {path!r}; /v1/openapi.json lists what there is."
        return problem(status, title(status).lower().replace(" ", "_"), detail, headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(
            500, "internal", "Something unexpected happened; the server's log says what."
        )

    app.add_exception_handler(errors.AssayError, ours)
    app.add_exception_handler(RequestValidationError, unfit)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, unexpected)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """The methods of every route at that path; Starlette tells those of the first alone."""
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in app.routes
        )
    ]
