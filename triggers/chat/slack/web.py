"""Calls of Slack's Web API over the SDK's client, with its refusals as errors of ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from ....graphs.errors import AssayError, PlatformRefused, PlatformUnavailable

Answer: TypeAlias = Mapping[str, Any]

sdk_log = logging.getLogger("assay.chat.slack")
"""The SDK's own: it writes down what people say, and a page for each lost connection."""
sdk_log.setLevel(logging.CRITICAL)

PATIENCE = 15.0
"""Seconds that a call may take."""

_PASSING = ("fatal_error", "internal_error", "request_timeout", "service_unavailable")
_HINTS = {
    "account_inactive": "the app was removed from the workspace; install it again",
    "channel_not_found": "invite the bot to the channel",
    "invalid_auth": "look at ASSAY_SLACK_BOT_TOKEN and ASSAY_SLACK_APP_TOKEN",
    "is_archived": "the channel is archived",
    "missing_scope": "give the app the scopes of the manifest in docs/triggers.md",
    "not_allowed_token_type": "ASSAY_SLACK_BOT_TOKEN begins with xoxb-, the app token with xapp-",
    "not_authed": "set ASSAY_SLACK_BOT_TOKEN",
    "not_in_channel": "invite the bot to the channel",
    "token_revoked": "install the app again, and set its new token",
}


class Web:
    """One workspace's Web API. No method is called before the time that Slack asked to wait
    for has passed. `url` stands in for Slack's own."""

    def __init__(
        self, token: str, url: str | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._until: dict[str, float] = {}
        self.client = AsyncWebClient(token=token, logger=sdk_log, retry_handlers=[])
        if url:
            self.client.base_url, self.client.proxy = url.rstrip("/") + "/", None

    async def call(self, method: str, **given: Any) -> Answer:
        """What the method answers. Raises `PlatformUnavailable` and `PlatformRefused`."""
        sent = {name: value for name, value in given.items() if value is not None}
        return await self._ask(method, lambda client: client.api_call(method, json=sent))

    async def read(self, method: str, **given: str | int | bool) -> Answer:
        """The same for methods that only read: those take no JSON."""
        return await self._ask(
            method, lambda client: client.api_call(method, http_verb="GET", params=given)
        )

    async def socket(self, app_token: str) -> str:
        """Where a connection of Socket Mode goes; Slack makes an address for each."""
        method = "apps.connections.open"
        answer = await self._ask(method, lambda it: it.apps_connections_open(app_token=app_token))
        return str(answer.get("url"))

    async def _ask(
        self, method: str, ask: Callable[[AsyncWebClient], Awaitable[AsyncSlackResponse]]
    ) -> Answer:
        wait = self._until.get(method, 0) - self._now()
        if wait > 0:
            raise PlatformUnavailable(f"Slack asks for patience with {method}", wait)
        try:
            answer = await ask(self._session())
        except SlackApiError as error:
            raise self._failure(method, error) from error
        except (aiohttp.ClientError, SlackClientError, OSError, ValueError) as error:
            told = str(error) or type(error).__name__
            raise PlatformUnavailable(f"Slack does not answer {method}: {told}") from error
        return answer.data if isinstance(answer.data, dict) else {}

    async def close(self) -> None:
        if self.client.session is not None:
            await self.client.session.close()

    def _session(self) -> AsyncWebClient:
        """The client with connections that are kept, which the SDK does not do by itself."""
        if self.client.session is None or self.client.session.closed:
            timeout = aiohttp.ClientTimeout(total=PATIENCE)
            self.client.session = aiohttp.ClientSession(timeout=timeout)
        return self.client

    def _failure(self, method: str, error: SlackApiError) -> AssayError:
        answer: Any = error.response
        said = answer.data if isinstance(getattr(answer, "data", None), dict) else {}
        status = int(getattr(answer, "status_code", 0) or getattr(answer, "status", 500))
        code = str(said.get("error") or f"status {status}")
        if status == 429 or code in ("ratelimited", "rate_limited"):
            wait = _seconds(answer.headers.get("Retry-After"))
            self._until[method] = self._now() + wait
            return PlatformUnavailable(f"Slack asks for patience with {method}", wait)
        if status >= 500 or code in _PASSING or not said:
            return PlatformUnavailable(f"Slack does not answer {method}: {code}")
        hint = f"; {_HINTS[code]}" if code in _HINTS else ""
        return Refused(f"Slack refused {method}: {code}{hint}", code)


class Refused(PlatformRefused):
    """With Slack's own word for it, `why`."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


def _seconds(text: str | None) -> float:
    return max(float(text), 1.0) if text and text.isascii() and text.isdigit() else 1.0
