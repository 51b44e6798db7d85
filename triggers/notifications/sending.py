"""One attempt to tell somebody: a POST to an address that was looked at, and to no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...graphs.addresses import addresses_of, is_public
from ...graphs.errors import HttpFailed, NotAllowed

if TYPE_CHECKING:
    import ssl

    import httpx

PATIENCE = 10.0
"""Seconds for an attempt, from looking up the name to the end of the answer."""

HEARD = 1000
"""Bytes of an answer that are read."""

_ADDRESSES = 3
"""Addresses of one name that are tried."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; `wait` is after how many seconds it wants to be asked again."""

    status: int
    wait: float | None = None
    text: str = ""

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


class Sender:
    """Posts to public addresses, or with `private` to any. Never through a proxy, and never to
    where an answer says: both could lead inside. No connection stays open."""

    def __init__(
        self,
        *,
        private: bool = False,
        patience: float = PATIENCE,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        """`tls`: whom to believe that they are who they say; True: those whom everybody does."""
        self._private = private
        self._tls = tls
        self._patience = patience
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises `NotAllowed` for an address inside, `HttpFailed` without an answer."""
        import httpx  # slow to import, and most servers tell nobody

        try:
            async with asyncio.timeout(self._patience):
                target = httpx.URL(url)
                return await self._post(target, headers, body)
        except TimeoutError as error:
            raise HttpFailed(f"no answer within {self._patience:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            why = str(error) or type(error).__name__
            raise HttpFailed(f"no answer: {why}") from error

    async def _post(self, target: httpx.URL, headers: Mapping[str, str], body: bytes) -> Answer:
        import httpx

        failed: httpx.ConnectError | None = None
        for address in (await self._permitted(target))[:_ADDRESSES]:
            # To the address itself: the name could lead elsewhere a moment later.
            request = self._open().build_request(
                "POST",
                target.copy_with(host=address),
                headers={**headers, "host": target.netloc.decode("ascii")},
                content=body,
                extensions={"sni_hostname": target.raw_host.decode("ascii")},
            )
            try:
                return await self._ask(request)
            except httpx.ConnectError as error:
                failed = error
        assert failed is not None
        raise failed

    async def _permitted(self, target: httpx.URL) -> list[str]:
        """The addresses of a name; none when any of them is inside."""
        port = target.port or (443 if target.scheme == "https" else 80)
        found = list(await addresses_of(target.raw_host.decode("ascii"), port))
        for address in found:
            if not self._private and not is_public(address):
                raise NotAllowed(
                    f"{target.host} leads to {address}, which is no public address; an operator "
                    "can allow it: ASSAY_NOTIFY_PRIVATE=1"
                )
        return found

    async def _ask(self, request: httpx.Request) -> Answer:
        answer = await self._open().send(request, stream=True)
        try:
            heard = bytearray()
            async for chunk in answer.aiter_raw():
                heard += chunk
                if len(heard) >= HEARD:
                    break
        finally:
            await answer.aclose()
        text = heard[:HEARD].decode(errors="replace")
        return Answer(answer.status_code, _wait(answer.headers.get("retry-after")), text)

    def _open(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            # A connection that is kept would be found again by its address, whatever its name.
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
            self._client = httpx.AsyncClient(
                verify=self._tls,
                limits=limits,
                timeout=None,
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


def _wait(text: str | None) -> float | None:
    """Seconds of `Retry-After`; a date says nothing here."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    return float(text)
