"""Requests to a platform's server, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from ...graphs.errors import PlatformRefused, PlatformUnavailable

TIMEOUT = 10.0
"""Seconds that a platform has to answer."""

SAID = 300
"""Characters of a refusal that are told."""


class Caller:
    """Calls one platform, which its messages name; addresses are not told, they may be secret."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Mapping[str, Any]:
        """The JSON mapping that is answered; empty for anything else.

        Raises `PlatformUnavailable` when nobody answers, or with 429 or 5xx, and
        `PlatformRefused` for any other status that is not 2xx.
        """
        try:
            response = await self._client.post(url, content=body, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = type(error).__name__
            raise PlatformUnavailable(f"{self._platform} cannot be reached: {why}") from None
        status, said = response.status_code, response.text[:SAID]
        if status == 429 or status >= 500:
            wait = _seconds(response)
            raise PlatformUnavailable(f"{self._platform} answered {status}: {said}", wait)
        if not 200 <= status < 300:
            raise PlatformRefused(f"{self._platform} answered {status}: {said}")
        return _mapping(response)

    async def close(self) -> None:
        await self._client.aclose()


def _seconds(response: httpx.Response) -> float:
    """How long to wait, as the header says, or as Telegram does."""
    told = _mapping(response).get("parameters") or {}
    for text in (response.headers.get("retry-after"), told.get("retry_after")):
        try:
            return min(600.0, max(0.0, float(text or "")))
        except (TypeError, ValueError):
            continue
    return 0


def _mapping(response: httpx.Response) -> Mapping[str, Any]:
    try:
        answered = response.json()
    except ValueError:
        return {}
    return answered if isinstance(answered, Mapping) else {}
