"""`http`: one request; values are encoded for the place they stand in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote, urlsplit

import orjson
from pydantic import Field

from ..binding import Part
from ..call import Call, Kind, Yield
from ..errors import HttpFailed, Terminal
from ..expressions import text_of
from ..step import Data, Family, Role, Step

if TYPE_CHECKING:
    import httpx

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that are read."""

DEFAULT_TIMEOUT = 30.0
"""Seconds for an attempt that has no `timeout` of its own."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class HttpStep(Step):
    """Make an HTTP request."""

    type: Literal["http"]
    method: Method = Field(default="GET", description="The method.")
    url: Annotated[str, Role.URL, Field(min_length=1)] = Field(
        description="The address; values are percent-encoded as part of the path or the query."
    )
    headers: dict[str, Data] | None = Field(default=None, description="Header fields.")
    query: dict[str, Data] | None = Field(default=None, description="Added to the address.")
    body: Data = Field(
        default=None, description="Text is sent as it stands, anything else as JSON."
    )
    parse: Literal["json", "text"] | None = Field(
        default=None, description="How the body is read; absent: JSON when the answer says so."
    )
    expect_status: Annotated[int, Field(ge=100, le=599)] | list[int] | None = Field(
        default=None, description="The statuses that are right; absent: 200 to 299."
    )


async def _work(call: Call) -> Yield:
    step: HttpStep = call.step
    url = address(call.parts("url"))
    headers = {k: header(k, v) for k, v in (call.revealed("headers") or {}).items()}
    query = _query(call.value("query") or {})
    content, kind = _content(call.revealed("body"))
    if kind is not None and not any(k.lower() == "content-type" for k in headers):
        headers["content-type"] = kind
    if not any(k.lower() == "idempotency-key" for k in headers):
        headers["idempotency-key"] = call.idempotency_key
    answer = await fetch(
        step.method, url, headers=headers, query=query, content=content, limit=step.timeout
    )
    return _yield(step, url, answer)


async def fetch(
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    query: list[tuple[str, str]] | None = None,
    content: bytes | None = None,
    limit: float | None = None,
) -> httpx.Response:
    """One request, its body read up to `BODY_LIMIT`; raises `HttpFailed` without an answer.

    Proxies and certificate authorities are taken from the environment, as curl does.
    """
    import httpx  # a quarter of a second, which only executions should pay

    if _scheme(url) not in ("http", "https"):
        raise Terminal(f"the address {url!r} does not begin with http:// or https://")
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    try:
        target = httpx.URL(url).copy_merge_params(httpx.QueryParams(tuple(query or ())))
        async with (
            httpx.AsyncClient(timeout=limit or DEFAULT_TIMEOUT, follow_redirects=True) as client,
            client.stream(method, target, headers=fields, content=content) as answer,
        ):
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise Terminal(
                        f"the answer of {url} is larger than {BODY_LIMIT // 1024 // 1024} MiB"
                    )
    except httpx.InvalidURL as error:
        raise Terminal(f"the address {url!r} is not valid: {error}") from error
    except (httpx.HTTPError, OSError) as error:
        why = str(error) or type(error).__name__
        raise HttpFailed(f"{method} {url} got no answer: {why}") from error
    return httpx.Response(answer.status_code, headers=_plain(answer.headers), content=bytes(body))


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError as error:
        raise Terminal(f"the address {url!r} is not valid: {error}") from error


def _plain(headers: httpx.Headers) -> list[tuple[str, str]]:
    """The header fields that still hold once the body has been decoded."""
    gone = ("content-encoding", "content-length", "transfer-encoding")
    return [(k, v) for k, v in headers.multi_items() if k.lower() not in gone]


def address(parts: Sequence[Part]) -> str:
    """A URL in which every value is percent-encoded; a value that begins it is the base.

    Raises `Terminal` for a value that would lead to another host or folder.
    """
    url = ""
    filled = False
    for literal, value in parts:
        if literal is not None:
            url += literal
        elif not url:
            url += text_of(value)
        else:
            if "://" not in url or not re.search(r"://[^/?#]*[/?#]", url):
                _check_host(url, value)
            url += quote(text_of(value), safe="")
            filled = True
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    if filled and any(unquote(segment) in (".", "..") for segment in path.split("/")):
        raise Terminal(f"the address {url!r} climbs with a segment of dots, which no value may be")
    return url


def _check_host(url: str, value: Any) -> None:
    """In the host part a value may only be letters, digits, dots, hyphens and a port."""
    text = text_of(value)
    if not text or not all(c.isalnum() or c in "-._" for c in text):
        raise Terminal(f"the value {text!r} cannot stand in the host of {url!r}")


def header(name: str, value: Any) -> str:
    """A header's value; line breaks in it would make another header. Raises `Terminal`."""
    if not _HEADER.fullmatch(name):
        raise Terminal(f"{name!r} is no name of a header; use letters, digits and -")
    text = text_of(value)
    if any(c in text for c in "\r\n\0"):
        raise Terminal(f"the value of header {name!r} has a line break in it")
    return text


def _query(given: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, text_of(v)) for v in values]
    return pairs


def _content(body: Any) -> tuple[bytes | None, str | None]:
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return orjson.dumps(body), "application/json"


def _yield(step: HttpStep, url: str, answer: httpx.Response) -> Yield:
    wanted = step.expect_status
    right = (
        200 <= answer.status_code < 300
        if wanted is None
        else answer.status_code in (wanted if isinstance(wanted, list) else [wanted])
    )
    if not right:
        quoted = answer.text.strip()[:200]
        raise HttpFailed(
            f"{step.method} {url} answered {answer.status_code}"
            f"{f' where {wanted} was expected' if wanted else ''}{f': {quoted}' if quoted else ''}"
        )
    body = read_body(answer, step.parse)
    headers = {k.lower(): v for k, v in answer.headers.items()}
    return Yield(body, {"code": answer.status_code, "headers": headers, "body": body})


def read_body(answer: httpx.Response, parse: str | None) -> Any:
    """The body as JSON or text; `parse` None decides by the content type."""
    declared = "json" in answer.headers.get("content-type", "")
    if parse == "text" or (parse is None and not declared):
        return answer.text
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError as error:
        if parse is None:
            return answer.text
        raise Terminal(f"the body is not JSON ({error}), as `parse: json` wants") from error


KIND = Kind(Family.DETERMINISTIC, HttpStep, _work)
