"""Socket Mode: what people say comes over a connection that we open, where no server is needed.

The SDK's client opens it, and again when Slack asks for that or it breaks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from ....graphs.errors import PlatformUnavailable
from .web import Web, sdk_log

_log = logging.getLogger("assay.chat")

PATIENCE = 20.0
"""Seconds without a connection after which it is begun from the start."""

Dispatch = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]


class Socket:
    """One connection to Slack; every envelope is answered when `dispatch` has returned.

    `pulse`: seconds between two looks at the connection.
    """

    def __init__(self, web: Web, app_token: str, dispatch: Dispatch, pulse: float) -> None:
        self._web, self._app_token, self._dispatch = web, app_token, dispatch
        self._pulse = pulse
        self._taking: set[asyncio.Task[object]] = set()

    async def serve(self) -> None:
        """Until cancelled. Raises `PlatformUnavailable` when there is no connection for long,
        `PlatformRefused` for a token that Slack does not take."""
        url = await self._web.socket(self._app_token)
        client = SocketModeClient(
            self._app_token, sdk_log, self._web.client, ping_interval=self._pulse
        )
        client.proxy = self._web.client.proxy
        client.wss_uri = url
        client.socket_mode_request_listeners.append(self._take)
        try:
            async with asyncio.timeout(PATIENCE):
                await client.connect()  # type: ignore[no-untyped-call]
            await self._watch(client)
        except TimeoutError:
            raise PlatformUnavailable("Slack's socket does not open") from None
        finally:
            if self._taking:
                await asyncio.wait(self._taking, timeout=5)
            await client.close()  # type: ignore[no-untyped-call]

    async def _watch(self, client: SocketModeClient) -> None:
        seen = time.monotonic()
        while time.monotonic() - seen < PATIENCE:
            await asyncio.sleep(self._pulse)
            if await client.is_connected():
                seen = time.monotonic()
        raise PlatformUnavailable("the connection to Slack's socket is lost")

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._taking.add(task)
        try:
            began = time.time()
            taken = AsyncBoltRequest(
                mode="socket_mode", body=request.payload, headers=build_headers(request)
            )
            await send_async_response(client, request, await self._dispatch(taken), began)
        except Exception as error:
            # Without an answer Slack sends it again.
            _log.warning("an envelope of Slack was not taken: %s", error)
        finally:
            self._taking.discard(task)
