"""GraphQL over HTTP as its specification has it, and subscriptions as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from ...graphs.errors import AssayError, NotAuthenticated, RateLimited, StoreUnavailable
from ..http.asking import desk
from ..http.problems import status_of
from .asking import Asking
from .schema import schema
from .sse import SENT, SSE, EventStream, events
from .telling import encoded, told

RESPONSE = "application/graphql-response+json"
JSON = "application/json"


class Asked(NamedTuple):
    """What the body of a request asks for."""

    query: str
    variables: dict[str, Any] | None
    operation: str | None


class _Unfit(Exception):
    """Not a request of this protocol."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


async def answer(request: Request) -> Response:
    """POST of JSON alone: what a page of another site can send without asking is refused."""
    media = JSON
    try:
        if request.method != "POST":
            raise _Unfit(HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL is asked by POST.")
        media = _media(request.headers.get("accept"))
        asking = await _let_in(request, "sse" if media == SSE else "graphql")
        asked = await _asked(request)
    except _Unfit as unfit:
        headers = {"Allow": "POST"} if unfit.status is HTTPStatus.METHOD_NOT_ALLOWED else {}
        return _refused(unfit.status, "bad_request", str(unfit), media, headers)
    except AssayError as error:
        return _refused(status_of(error), error.code, error.message, media, _headers(error))
    if media == SSE:
        return await _followed(asked, asking)
    return await _executed(asked, asking, media)


async def _followed(asked: Asked, asking: Asking) -> Response:
    """Any operation, each of its results as an event: graphql-sse, distinct connections."""
    results = await schema.stream(
        asked.query,
        variable_values=asked.variables,
        context_value=asking,
        operation_name=asked.operation,
    )
    return EventStream(events(results, asking), headers=SENT)


async def _executed(asked: Asked, asking: Asking, media: str) -> Response:
    try:
        result = await schema.execute(
            asked.query,
            variable_values=asked.variables,
            context_value=asking,
            operation_name=asked.operation,
            allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
        )
    except InvalidOperationTypeError:
        follow = f"Subscriptions are followed with `Accept: {SSE}`, or over a WebSocket."
        return _refused(HTTPStatus.BAD_REQUEST, "invalid_query", follow, media)
    except (CannotGetOperationTypeError, MissingQueryError):
        unnamed = "The document has no such operation, or several and none is named."
        return _request_error(
            [{"message": unnamed, "extensions": {"code": "invalid_query"}}], media
        )
    assert isinstance(result, ExecutionResult)
    errors = [told(error).formatted for error in result.errors or ()]
    if result.data is None and errors and not any(error.get("path") for error in errors):
        return _request_error(errors, media)
    body: dict[str, Any] = {"data": result.data}
    if errors:
        body = {"errors": errors, **body}
    return _json(HTTPStatus.OK, body, media)


def _request_error(errors: list[Any], media: str) -> Response:
    """There is no data. Who asks for plain JSON is told so by a 200: it came from here."""
    codes = {error["extensions"]["code"] for error in errors}
    status = HTTPStatus.BAD_REQUEST
    if codes & {"timeout", StoreUnavailable.code}:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif "internal" in codes:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _json(status if media == RESPONSE else HTTPStatus.OK, {"errors": errors}, media)


def _media(accept: str | None) -> str:
    """The form of the answer; without a wish, plain JSON, which everybody reads."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate((accept or "*/*").split(",")):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value.strip())
            elif key.strip() == "charset" and value.strip("\"' ") not in ("utf-8", "utf8"):
                quality = 0.0
        if quality > 0:
            wanted.append((-quality, place, name))
    for _, _, name in sorted(wanted):
        if name in (RESPONSE, JSON, SSE):
            return name
        if name in ("*/*", "application/*"):
            return JSON
    raise _Unfit(HTTPStatus.NOT_ACCEPTABLE, f"Answers are {RESPONSE}, {JSON} or {SSE}.")


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


async def _let_in(request: Request, surface: str) -> Asking:
    here = desk(request)
    asking = Asking(here, request, surface)
    asking.admit((await here.let_in(request, surface)).asker)
    return asking


async def _asked(request: Request) -> Asked:
    kind, *parameters = (
        each.strip().lower() for each in request.headers.get("content-type", "").split(";")
    )
    charsets = [p.partition("=")[2].strip("\"' ") for p in parameters if p.startswith("charset")]
    if kind != JSON or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise _Unfit(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON}, in UTF-8.")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise _Unfit(HTTPStatus.BAD_REQUEST, f"The body is no JSON: {error}.") from error
    if isinstance(body, list):
        several = "Operations are not taken in batches; `startExecutions` starts many."
        raise _Unfit(HTTPStatus.BAD_REQUEST, several)
    if not isinstance(body, Mapping):
        raise _Unfit(HTTPStatus.BAD_REQUEST, "The body is an object with a `query`.")
    return asked_of(body)


def asked_of(body: Mapping[str, Any]) -> Asked:
    """Raises `_Unfit` for members of other types than the protocol's."""
    query, variables = body.get("query"), body.get("variables")
    name, extensions = body.get("operationName"), body.get("extensions")
    if not isinstance(query, str) or not query:
        raise _Unfit(HTTPStatus.BAD_REQUEST, "`query` is the text of a GraphQL document.")
    for member, value in (("variables", variables), ("extensions", extensions)):
        if value is not None and not isinstance(value, dict):
            raise _Unfit(HTTPStatus.BAD_REQUEST, f"`{member}` is an object, or null.")
    if name is not None and not isinstance(name, str):
        raise _Unfit(HTTPStatus.BAD_REQUEST, "`operationName` is a text, or null.")
    return Asked(query, variables, name or None)


def _headers(error: AssayError) -> dict[str, str]:
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.wait)}
    return {"Retry-After": "1"} if isinstance(error, StoreUnavailable) else {}


def _refused(
    status: int, code: str, message: str, media: str, headers: Mapping[str, str] | None = None
) -> Response:
    errors = [{"message": message, "extensions": {"code": code}}]
    return _json(status, {"errors": errors}, JSON if media == SSE else media, headers)


def _json(status: int, body: Any, media: str, headers: Mapping[str, str] | None = None) -> Response:
    content = encoded(body)
    return Response(content, status, dict(headers or {}), media_type=f"{media}; charset=utf-8")
