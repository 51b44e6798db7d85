"""The tool that fetches a page; under `standard` only from public addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

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
_TEXT = ("text/", "application/json", "application/xml", "application/yaml")


class HttpGet(Tool):
    """Fetch a text from a web address (http or https) with GET."""

    url: str = Field(min_length=1, max_length=4096, description="The whole address.")

    async def work(self, reach: Reach) -> str:
        import httpx  # slow to import, and most executions fetch nothing

        url = self.url
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
                for _ in range(_REDIRECTS + 1):
                    await permit(url, reach)
                    async with client.stream("GET", url) as answer:
                        if not answer.has_redirect_location:
                            return await _report(answer)
                        url = urljoin(url, answer.headers["location"])
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = str(error) or type(error).__name__
            raise HttpFailed(f"GET {url} got no answer: {why}") from error
        raise LimitReached(f"{self.url} was redirected more than {_REDIRECTS} times")


async def permit(url: str, reach: Reach) -> None:
    """Refuse what is no web address, and hosts the profile's network does not reach.

    A name is resolved here and again when it is connected to: this keeps an agent from
    addresses by mistake or by persuasion, it is not a firewall.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotAllowed(f"{url!r} is not a web address; begin with http:// or https://")
    if reach.profile.network == "any":
        return
    for address in await addresses_of(parts.hostname, parts.port):
        if not is_public(address):
            raise NotAllowed(
                f"{parts.hostname} is not a public address; security profile "
                f"{reach.profile.name!r} does not reach it"
            )


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
