"""One server, asked over HTTP. What went wrong in passing is asked again where that is safe."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from ...graphs.errors import (
    AssayError,
    ConfigurationError,
    InvalidInput,
    ServerFailed,
    ServerUnreachable,
    StoreUnavailable,
)
from .backoff import Backoff
from .frames import Frame, Frames
from .reading import error_of

SILENCE = 45.0
"""Seconds without a byte after which a stream is cut off; a server says something every 15."""

CONNECT = 10.0
"""Seconds until a connection has to stand."""

_PASSING = frozenset({502, 503, 504})
"""Said by a server whose store is away, or by a proxy whose server is."""

ENDS = "server_ends"
"""Said by a server that ends; the next one goes on."""

Params = Mapping[str, Any]


class PassingError(Exception):
    """`error` may be gone the next time. `wait`: as long as the server wants; `sent`: it may
    have done what it was asked."""

    def __init__(self, error: AssayError, *, wait: float | None = None, sent: bool = True) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait
        self.sent = sent


class Server:
    """Raises the errors that the server names, `ServerUnreachable` where none answers."""

    def __init__(self, url: str, key: str | None, *, timeout: float, patience: float) -> None:
        self.url = address(url)
        self._patience = patience
        self._answered = False
        headers = {"User-Agent": f"assay/{version('assay')}", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {_printable(key)}"
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT)),
            limits=httpx.Limits(max_connections=None),
            trust_env=not _here(self.url),  # no proxy leads to this machine
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool | None = None,
        patience: float | None = None,
    ) -> Any:
        """The JSON of the answer. `again`: to do it twice is to do it once; so are reads.

        `patience`: seconds that the answer may take, if not as usual.
        """
        if json is not None:
            content, headers = _json(json), {**(headers or {}), "Content-Type": "application/json"}
        request = self._http.build_request(
            method,
            path,
            params=_given(params),
            content=content,
            headers=headers,
            timeout=self._http.timeout if patience is None else patience,
        )

        async def once() -> Any:
            async with self._sent(request) as response:
                return _read(await response.aread())

        return await self.patiently(once, again=method == "GET" if again is None else again)

    async def patiently(self, once: Any, *, again: bool) -> Any:
        """What `once` returns at last. Raises what is in the way of it for longer."""
        backoff = Backoff(self._patience)
        while True:
            try:
                return await once()
            except PassingError as passing:
                if passing.wait is None and passing.sent and not again:
                    raise _doubtful(passing.error) from passing
                if not await backoff.wait(passing.wait):
                    raise passing.error from passing

    @asynccontextmanager
    async def bytes(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """A file, piece by piece. Raises `PassingError` as well."""
        request = self._http.build_request("GET", path, headers={"Accept": "*/*"})
        async with self._sent(request) as response:
            yield response.aiter_raw(1 << 16)

    async def stream(
        self, path: str, params: Params, *, last: str | None, patience: float | None
    ) -> AsyncGenerator[Frame]:
        """The frames of a stream, from behind `last` on: when it is cut, from where it was cut.

        Ends when the server says that nothing more is to come.
        """
        backoff = Backoff(patience)
        timeout = httpx.Timeout(CONNECT, read=SILENCE)
        while True:
            headers = {"Accept": "text/event-stream"}
            if last is not None:
                headers["Last-Event-ID"] = last
            request = self._http.build_request(
                "GET", path, params=_given(params), headers=headers, timeout=timeout
            )
            try:
                async with self._sent(request) as response:
                    if response.status_code == 204:
                        return
                    backoff.met()
                    frames = Frames()
                    async for chunk in response.aiter_raw():
                        for frame in _fed(frames, chunk):
                            if frame.event == "closed":
                                raise _closed(frame)
                            if frame.id is not None:
                                last = frame.id
                            if frame.data:
                                backoff.reset()
                            yield frame
            except PassingError as passing:
                if not await backoff.wait(passing.wait):
                    raise passing.error from passing
            else:
                if not await backoff.wait():
                    raise ServerUnreachable(f"{self.url} ends the stream as soon as it begins")

    @asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """The answer to a request, its body to be read. Raises `PassingError`, or its error."""
        try:
            response = await self._http.send(request, stream=True)
            try:
                self._answered = True
                if response.status_code >= 300:
                    raise _refusal(response, await response.aread())
                yield response
            finally:
                await response.aclose()
        except _BROKEN as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> Exception:
        """A server that was never there is not waited for: one wants to know at once."""
        unsent = isinstance(error, _UNSENT)
        if isinstance(error, httpx.TimeoutException):
            why = "it did not answer in time"
        else:
            why = str(error).rstrip(".") or type(error).__name__
        said = ServerUnreachable(
            f"no server answers at {self.url} ({why}); is `assay serve` running there? "
            "ASSAY_URL says where it is"
        )
        if unsent and not self._answered:
            return said
        return PassingError(said, sent=not unsent)


_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_BROKEN = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)


def address(url: str) -> str:
    """Without a slash at its end. Raises `ConfigurationError` for what is none of a server."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or port == 0:
        raise ConfigurationError(
            f"{url!r} is no address of a server; give one as http://127.0.0.1:8000 (ASSAY_URL)"
        )
    if parts.username is not None:
        raise ConfigurationError("an address holds no password; the key of a server is ASSAY_KEY")
    return url.rstrip("/")


def _here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _printable(key: str) -> str:
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError("the key of the server holds what no key does; see ASSAY_KEY")
    return key


def _given(params: Params | None) -> dict[str, Any]:
    return {k: v for k, v in (params or {}).items() if v is not None}


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidInput(f"this cannot be sent as JSON: {error}") from error


def _read(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServerFailed("what answers is not JSON; is it a server of Assay?") from error


def _refusal(response: httpx.Response, body: bytes) -> Exception:
    status = response.status_code
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, Mapping):
        data = {"detail": body[:200].decode(errors="replace").strip() or response.reason_phrase}
    told = response.headers.get("retry-after", "")
    wait = int(told) if told.isascii() and told.isdigit() else None
    error = error_of(status, data, wait=wait or 1)
    if status == 429:
        return PassingError(error, wait=wait or 1, sent=False)
    return PassingError(error) if status in _PASSING else error


def _closed(frame: Frame) -> Exception:
    """Why the server ends a stream before its end."""
    data = _read(frame.data.encode()) or {}
    error = error_of(0, data)
    passing = isinstance(error, StoreUnavailable) or data.get("code") == ENDS
    return PassingError(error) if passing else error


def _fed(frames: Frames, chunk: bytes) -> list[Frame]:
    try:
        return list(frames.feed(chunk))
    except ValueError as error:
        raise ServerFailed(f"what answers is no stream of events: {error}") from error


def _doubtful(error: AssayError) -> AssayError:
    """Of what is not to be done twice: nobody knows whether it was done."""
    if isinstance(error, ServerUnreachable):
        return ServerUnreachable(f"{error.message}; it is not known whether it was done")
    return error
