"""Bodies of requests: none too large, too slow or nested too deep comes any further."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from .problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEEPEST = 64
"""Levels of JSON, as many as a definition may have."""

# A text that is not closed reaches to the end: looking again at each quote in it would take
# time by the square of its length.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


class Bodies:
    """Reads the body whole before anything else sees the request, within its bounds."""

    def __init__(self, app: ASGIApp, *, largest: int, patience: float) -> None:
        self._app = app
        self._largest = largest
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        length, chunked = headers.get(b"content-length"), b"transfer-encoding" in headers
        if scope["type"] != "http" or (length is None and not chunked):
            await self._app(scope, receive, send)
            return
        if length is not None and chunked:
            # Whoever stands between may have believed the other one.
            both = "A body has a Content-Length or a Transfer-Encoding, not both."
            await problem(400, "unreadable", both, _CLOSE)(scope, receive, send)
            return
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            packed = "Send the body as it is, without a Content-Encoding."
            await problem(415, "encoded", packed, _CLOSE)(scope, receive, send)
            return
        # uvicorn has refused a length that is no number.
        body: bytes | None = None
        if length is None or int(length) <= self._largest:
            try:
                async with asyncio.timeout(self._patience):
                    body = await self._body(receive)
            except TimeoutError:
                slow = f"The body did not arrive within {self._patience:g} s."
                await problem(408, "too_slow", slow, _CLOSE)(scope, receive, send)
                return
            except _GoneError:
                return
        if body is None:
            large = f"A body has {self._largest:,} bytes at most (ASSAY_MAX_BODY)."
            await problem(413, "too_large", large, _CLOSE)(scope, receive, send)
        elif b"json" in headers.get(b"content-type", b"") and too_deep(body):
            deep = f"JSON may be nested {DEEPEST} levels deep at most."
            await problem(400, "too_deep", deep)(scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, None as soon as it is too large. Raises `_GoneError`."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _GoneError
            body += message.get("body", b"")
            if len(body) > self._largest:
                return None
            if not message.get("more_body"):
                return bytes(body)


_CLOSE = {"Connection": "close"}


class _GoneError(Exception):
    """Whoever asked has hung up."""


def too_deep(text: bytes, most: int = DEEPEST) -> bool:
    """Whether JSON is nested deeper, in time and memory that do not grow with the depth."""
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            if depth > most:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _again(body: bytes, receive: Receive) -> Receive:
    """Tells the body that was read, then whatever comes after it."""
    told = False

    async def tell() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return tell
