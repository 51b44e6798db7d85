"""What changes is told to who listens: the tools there are, the executions they named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp import MCPError
from mcp.client.subscriptions import SubscriptionLost
from mcp.server.subscriptions import ResourceUpdated, ToolsListChanged

from assay.api.access import Role
from assay.api.app import open_app
from assay.graphs.execution import Status

from ..http.conftest import Served, issued
from .conftest import SLOW, Connect, over_http, over_stdio, register, told
from .test_door import ACCEPT, HELLO

pytestmark = pytest.mark.anyio

NEW = {"name": "new", "steps": [{"id": "a", "type": "emit", "event": "e"}]}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.api.mcp.listening.LOOK", 0.05)
    monkeypatch.setattr("assay.api.mcp.listening.RECHECK", 0.05)


class Heard:
    """What a client of before 2026 is told on the stream that it keeps open."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed.set()


async def test_each_generation_says_that_the_list_of_tools_changes(connect: Connect) -> None:
    async with connect() as client:
        said = client.server_capabilities

    assert said.tools is not None
    assert said.tools.list_changed
    assert said.resources is not None
    assert not said.resources.list_changed


async def test_who_is_from_before_2026_hears_of_a_new_tool(registered: Served) -> None:
    heard = Heard()
    key = registered.keys[Role.OPERATOR]
    async with over_http(registered.url, key, mode="legacy", message_handler=heard) as client:
        await client.list_tools()
        await _again_until(heard.changed, registered.tenants.app().register)
        names = [tool.name for tool in (await client.list_tools()).tools]

    assert "new" in names


async def test_who_is_from_2026_on_hears_of_tools_that_come_and_go(registered: Served) -> None:
    manager = registered.tenants.app().manager
    async with (
        over_http(registered.url, registered.keys[Role.OPERATOR]) as client,
        client.listen(tools_list_changed=True, resources_list_changed=True) as changes,
    ):
        assert changes.honored.tools_list_changed
        assert not changes.honored.resources_list_changed
        for change in (manager.register(NEW), manager.store.delete_workflow("new")):
            await change
            async with asyncio.timeout(60):
                assert await anext(changes) == ToolsListChanged()


async def test_of_tools_that_no_scope_covers_nothing_is_told(registered: Served) -> None:
    key = await issued(registered.tenants, "", Role.OPERATOR, "mine-*")
    async with (
        over_http(registered.url, key) as client,
        client.listen(tools_list_changed=True) as changes,
    ):
        heard = asyncio.ensure_future(anext(changes))
        await registered.tenants.app().register(NEW)
        await asyncio.sleep(0.5)
        assert not heard.done()
        await registered.tenants.app().register({**NEW, "name": "mine-1"})
        async with asyncio.timeout(60):
            assert await heard == ToolsListChanged()


async def test_over_stdio_each_generation_hears_what_another_process_registers(
    tmp_path: Path,
) -> None:
    await register(tmp_path, SLOW)
    heard = Heard()
    async with (
        over_stdio(tmp_path, mode="legacy", message_handler=heard) as old,
        over_stdio(tmp_path) as young,
        young.listen(tools_list_changed=True) as changes,
    ):
        await old.list_tools()
        await register(tmp_path, NEW)
        async with asyncio.timeout(60):
            assert await anext(changes) == ToolsListChanged()
        await _again_until(heard.changed, partial(register, tmp_path))


async def test_an_execution_that_was_named_is_told_of_when_something_happens(
    registered: Served,
) -> None:
    manager = registered.tenants.app().manager
    mine, other = await manager.start("slow"), await manager.start("slow")
    for execution in (mine, other):
        await manager.wait(execution.id, until=(Status.WAITING,))
    uris = [f"assay://executions/{mine.id}", f"assay://executions/{mine.id}/events"]
    async with (
        over_http(registered.url, registered.keys[Role.VIEWER]) as client,
        client.listen(resource_subscriptions=[*uris, "assay://executions/none", "x:y"]) as changes,
    ):
        assert changes.honored.resource_subscriptions == uris
        await manager.stop(other.id)
        await manager.stop(mine.id)
        async with asyncio.timeout(60):
            first, second = await anext(changes), await anext(changes)

    assert {first, second} == {ResourceUpdated(uri=uri) for uri in uris}


async def test_executions_of_others_cannot_be_listened_to(registered: Served) -> None:
    foreign = await registered.tenants.app().manager.start("slow")
    scoped = await issued(registered.tenants, "", Role.OPERATOR, "greet.*")
    for key in (scoped, registered.keys[f"other {Role.ADMIN}"]):
        async with (
            over_http(registered.url, key) as client,
            client.listen(resource_subscriptions=[f"assay://executions/{foreign.id}"]) as changes,
        ):
            assert not changes.honored.resource_subscriptions


async def test_a_key_that_is_revoked_ends_what_is_listened_to(registered: Served) -> None:
    """Both kinds of streams, and with the times of a real server within five seconds."""
    key = registered.keys[Role.OPERATOR]
    store = registered.tenants.app().manager.store
    async with (
        httpx.AsyncClient(
            base_url=registered.url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as raw,
        over_http(registered.url, key) as client,
        client.listen(tools_list_changed=True) as changes,
    ):
        begun = await raw.post("/mcp", json=HELLO, headers=ACCEPT)
        session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], **ACCEPT}
        async with raw.stream("GET", "/mcp", headers=session) as standing:
            assert standing.status_code == 200
            for principal in (await store.principals()).items:
                if principal.role == Role.OPERATOR:
                    await store.delete_principal(principal.id)
            async with asyncio.timeout(60):
                async for _ in standing.aiter_raw():
                    pass
                with pytest.raises((SubscriptionLost, MCPError)):
                    await anext(changes)
        refused = await raw.post("/mcp", json=HELLO, headers=ACCEPT)

    assert refused.status_code == 401


async def _again_until(
    heard: asyncio.Event, register: Callable[[dict[str, Any]], Awaitable[object]]
) -> None:
    """Versions of one workflow: the stream may open a moment after the client is there."""
    async with asyncio.timeout(60):
        for version in range(2, 1000):
            await register({**NEW, "version": str(version)})
            try:
                async with asyncio.timeout(1):
                    await heard.wait()
                return
            except TimeoutError:
                continue


async def test_a_server_that_ends_keeps_no_stream_open(tmp_path: Path) -> None:
    """And leaves no task behind that anybody would wait for."""
    from ..http.conftest import serving

    before = asyncio.all_tasks()
    async with serving(tmp_path) as one:
        key = one.keys[Role.OPERATOR]
        await one.tenants.app().register(SLOW)
        manager = one.tenants.app().manager
        begun = manager.follow()
        async with over_http(one.url, key) as young, over_http(one.url, key, mode="legacy") as old:
            calls = [asyncio.ensure_future(c.call_tool("slow", {})) for c in (young, old)]
            ids = {(await anext(begun)).execution_id}
            async with young.listen(tools_list_changed=True):
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
            stands = told(await old.call_tool("assay_status", {"execution_id": ids.pop()}))
            assert not Status(stands["status"]).terminal
    left = [task for task in asyncio.all_tasks() - before if "_shutdown_watcher" not in str(task)]
    async with asyncio.timeout(60):  # that one is sse_starlette's, one for each event loop
        await asyncio.gather(*left, return_exceptions=True)


async def test_what_was_registered_is_there_for_a_server_that_was_started_again(
    tmp_path: Path,
) -> None:
    async with open_app(home=tmp_path / ".assay", workspace=tmp_path) as app:
        await app.register(NEW)
    async with over_stdio(tmp_path) as client:
        assert "new" in [tool.name for tool in (await client.list_tools()).tools]
