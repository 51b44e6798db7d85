"""What changes, told to clients that listen: the list of tools, and executions that they name."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY

from ...graphs.errors import AssayError, ExecutionNotFound, InvalidInput, StoreUnavailable
from ...graphs.listing import every
from .resources import execution_of

if TYPE_CHECKING:
    from ..control import Control
    from .callers import Callers, Context

    Tools = frozenset[tuple[str, str]]
    Tell = Callable[[types.ServerNotification], Awaitable[None]]

LOOK = 5.0
"""Seconds between two looks at the workflows there are: another process may register one."""

RECHECK = 1.0
"""Seconds between looks whether who listens may still ask."""

MOST = 1000
"""Streams of clients since 2026 that are open at once."""

NAMED = 100
"""Executions that one of them names at most."""

_PAUSE = 0.5
"""Seconds in which what is said of one execution is said once."""

_KNOWN = 512

Still = Callable[[], Awaitable[None]]


class Listening:
    """Those who listen to one server, whatever carries it."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._catalog = _Catalog()
        self._open = 0

    async def tools(
        self, control: Control, still: Still, known: Tools | None = None
    ) -> AsyncIterator[None]:
        """Each time that the list of tools has changed for the asker since they knew it, until
        `still` raises."""
        while True:
            with suppress(StoreUnavailable):
                await still()
                now = await self._catalog.tools(control)
                if known is not None and now != known:
                    yield
                known = now
            await anyio.sleep(RECHECK)

    async def stream(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """The stream of a client since 2026: what it asked for, until it goes."""
        if self._open >= MOST:
            raise MCPError(types.INTERNAL_ERROR, f"{MOST} streams are open; try again later")
        self._open += 1
        try:
            await self._stream(context, params.notifications)
        finally:
            self._open -= 1
        raise AssertionError("A stream ends when its client goes, or may listen no longer")

    async def _stream(self, context: Context, asked: types.SubscriptionFilter) -> None:
        control = self._callers.control(context)
        end = await control.events_end()
        uris = await _there(control, asked.resource_subscriptions or ())
        known: Tools | None = None
        if asked.tools_list_changed:
            # Before it is acknowledged: whatever changes from then on is told.
            with suppress(StoreUnavailable):
                known = await self._catalog.tools(control)
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        fault: AssayError | None = None

        async def tell(notification: types.ServerNotification) -> None:
            await context.session.send_notification(notification, context.request_id)

        async def still() -> None:
            await self._callers.still(context)

        async def tools() -> None:
            changed = types.ToolListChangedNotification(params=types.NotificationParams(_meta=meta))
            async for _ in self.tools(control, still, known):
                await tell(changed)

        async def until_fault(work: Callable[[], Awaitable[None]]) -> None:
            nonlocal fault
            try:
                await work()
            except AssayError as error:
                fault = error
                group.cancel_scope.cancel()

        await tell(_acknowledged(asked, uris, meta))
        async with anyio.create_task_group() as group:
            group.start_soon(
                until_fault, tools if asked.tools_list_changed else partial(_while, still)
            )
            if uris:
                group.start_soon(until_fault, partial(_updates, control, end, uris, meta, tell))
        if fault is not None:
            raise fault


async def _while(still: Still) -> None:
    while True:
        with suppress(StoreUnavailable):
            await still()
        await anyio.sleep(RECHECK)


class _Catalog:
    """What workflows there are: one look serves everybody who sees the same ones."""

    def __init__(self) -> None:
        self._looks: OrderedDict[tuple[object, ...], tuple[float, asyncio.Task[Tools]]]
        self._looks = OrderedDict()

    async def tools(self, control: Control) -> Tools:
        """The newest version of each, by name. Raises `StoreUnavailable`."""
        at = (control.asker.tenant, control.asker.principal.scopes)
        until, look = self._looks.get(at, (0.0, None))
        if look is None or until < time.monotonic():
            look = asyncio.ensure_future(_look(control))
            look.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._looks[at] = (time.monotonic() + LOOK, look)
            if len(self._looks) > _KNOWN:
                self._looks.popitem(last=False)
        return await asyncio.shield(look)


async def _look(control: Control) -> Tools:
    newest: dict[str, str] = {}
    async for info in every(control.workflows, limit=100):
        newest.setdefault(info.name, info.digest)
    return frozenset(newest.items())


async def _there(control: Control, asked: list[str] | tuple[()]) -> Mapping[str, list[str]]:
    """The URIs by execution, of those executions that are there for the asker."""
    uris: dict[str, list[str]] = {}
    for uri in dict.fromkeys(asked[:NAMED]):
        with suppress(ExecutionNotFound, InvalidInput):
            id = execution_of(uri)
            if id not in uris:
                await control.events(id)
            uris.setdefault(id, []).append(uri)
    return uris


async def _updates(
    control: Control, end: str, uris: Mapping[str, list[str]], meta: dict[str, Any], tell: Tell
) -> None:
    changed: dict[str, None] = {}
    news = asyncio.Event()

    async def hear() -> None:
        async with aclosing(control.events_of_all(after=end)) as events:
            async for placed in events:
                if placed.event.execution_id in uris:
                    changed.update(dict.fromkeys(uris[placed.event.execution_id]))
                    news.set()

    hearing = asyncio.ensure_future(hear())
    hearing.add_done_callback(lambda _: news.set())
    try:
        while not hearing.done():
            await news.wait()
            news.clear()
            told, changed = changed, {}
            for uri in told:
                params = types.ResourceUpdatedNotificationParams(uri=uri, _meta=meta)
                await tell(types.ResourceUpdatedNotification(params=params))
            await anyio.sleep(_PAUSE)
        await hearing
    finally:
        hearing.cancel()


def _acknowledged(
    asked: types.SubscriptionFilter, uris: Mapping[str, list[str]], meta: dict[str, Any]
) -> types.SubscriptionsAcknowledgedNotification:
    granted = types.SubscriptionFilter(
        tools_list_changed=asked.tools_list_changed or None,
        resource_subscriptions=[uri for each in uris.values() for uri in each] or None,
    )
    return types.SubscriptionsAcknowledgedNotification(
        params=types.SubscriptionsAcknowledgedNotificationParams(notifications=granted, _meta=meta)
    )
