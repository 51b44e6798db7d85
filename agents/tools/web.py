"""The tool that fetches a page; under `standard` only from public addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from pydantic import Field

from ...graphs.addresses import addresses_of, is_public
from ...graphs.errors import HttpFailed, LimitReached, NotAllowed
from .reach import Reach, Tool, bounded

if TYPE_CHECKING:
    import httpx

BODY_LIMIT = 1024 * 1024
"""Bytes of an answer that are read."""

_TIMEOUT = 30.0
_REDIRECTS = 5
_ADDRESSES = 4
_TEXT = ("text/", "application/json", "application/xml", "application/yaml")


class HttpGet(Tool):
    """Fetch a text from a web address (http or https) with GET."""

    url: str = Field(min_length=1, max_length=4096, description="The whole address.")

    async def work(self, reach: Reach) -> str:
        import httpx  # slow to import, and most executions fetch nothing

        url = self.url
        # A connection that is kept would be found again by its address, whatever its name.
        limits = httpx.Limits(max_keepalive_connections=0)
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, limits=limits) as client:
                for _ in range(_REDIRECTS + 1):
                    answer = await _asked(client, url, await permit(url, reach))
                    try:
                        if not answer.has_redirect_location:
                            return await _report(answer)
                        url = urljoin(url, answer.headers["location"])
                    finally:
                        await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            why = str(error) or type(error).__name__
            raise HttpFailed(f"GET {url} got no answer: {why}") from error
        raise LimitReached(f"{self.url} was redirected more than {_REDIRECTS} times")


async def permit(url: str, reach: Reach) -> Sequence[str] | None:
    """Refuse what is no web address, and hosts the profile's network does not reach.

    Returns the addresses of the host, each of which it reaches; None: it reaches any.
    """
    import httpx

    target = httpx.URL(url)
    if target.scheme not in ("http", "https") or not target.host:
        raise NotAllowed(f"{url!r} is not a web address; begin with http:// or https://")
    if reach.profile.network == "any":
        return None
    addresses = await addresses_of(target.raw_host.decode("ascii"), target.port)
    for address in addresses:
        if not is_public(address):
            raise NotAllowed(
                f"{target.host} is not a public address; security profile "
                f"{reach.profile.name!r} does not reach it"
            )
    return addresses


async def _asked(
    client: httpx.AsyncClient, url: str, addresses: Sequence[str] | None
) -> httpx.Response:
    """The beginning of the answer, from one of the addresses."""
    import httpx

    if addresses is None:
        return await client.send(client.build_request("GET", url), stream=True)
    target, failed = httpx.URL(url), None
    for address in addresses[:_ADDRESSES]:
        # To the address itself: the name could lead elsewhere a moment later.
        request = client.build_request(
            "GET",
            target.copy_with(host=address),
            headers={"host": target.netloc.decode("ascii")},
            extensions={"sni_hostname": target.raw_host.decode("ascii")},
        )
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError as error:
            failed = error
    raise failed or httpx.ConnectError(f"{target.host} has no address")


async def _report(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "text/plain").lower()
    heading = f"[status {answer.status_code}, {kind}]"
    if not (kind.startswith(_TEXT) or "+json" in kind or "+xml" in kind):
        return f"{heading}\n[not text; left out]"
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > BODY_LIMIT:
            break
    text = body[:BODY_LIMIT].decode(answer.charset_encoding or "utf-8", errors="replace")
    return f"{heading}\n{bounded(text)}"
