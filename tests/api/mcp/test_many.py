"""Many calls at once, and a server that ends while they go on and is started again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from mcp import MCPError

from assay.api.access import Role
from assay.api.identity import Identity
from assay.api.serving import served as serve
from assay.api.surfaces import application
from assay.graphs.execution import Status

from ..http.conftest import Served
from .conftest import GREET_TOOL, Connect, over_http, told
from .raw import ACCEPT, HELLO, speaking

pytestmark = pytest.mark.anyio

CLIENTS, CALLS = 5, 10


async def test_fifty_calls_at_once_each_get_their_own_answer(connect: Connect) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect()) for _ in range(CLIENTS)]
        async with asyncio.timeout(120):
            results = await asyncio.gather(
                *(
                    client.call_tool(GREET_TOOL, {"name": f"{number} of {which}"})
                    for which, client in enumerate(clients)
                    for number in range(CALLS)
                )
            )

    greeted = [told(result)["outputs"]["greeting"] for result in results]
    assert greeted == [f"Hello, {n} of {c}" for c in range(CLIENTS) for n in range(CALLS)]
    assert len({told(result)["execution_id"] for result in results}) == CLIENTS * CALLS


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_call_that_the_server_did_not_survive_left_an_execution_that_did(
    registered: Served, mode: str
) -> None:
    manager = registered.tenants.app().manager
    begun = manager.follow()
    key = registered.keys[Role.OPERATOR]
    async with AsyncExitStack() as first:
        url = await first.enter_async_context(
            serve(application(registered.tenants, Identity(registered.tenants)), "127.0.0.1:0")
        )
        try:
            async with over_http(url, key, mode=mode, read_timeout_seconds=30) as client:
                calling = asyncio.ensure_future(client.call_tool("slow", {}))
                id = (await anext(begun)).execution_id
                await first.aclose()
                with pytest.raises(MCPError):
                    await calling
        except* Exception:  # a client that is cut off may also say so when it ends
            pass
    async with over_http(registered.url, key, mode=mode) as client:
        stands = told(await client.call_tool("assay_status", {"execution_id": id}))

    assert not Status(stands["status"]).terminal


async def test_who_names_a_session_of_a_server_that_ended_begins_another(
    registered: Served,
) -> None:
    tenants = registered.tenants
    async with (
        serve(application(tenants, Identity(tenants)), "127.0.0.1:0") as url,
        registered.client(Role.OPERATOR) as client,
    ):
        async with speaking(client, "old") as raw:
            assert (await raw.ask("ping")).status_code == 200
            client.base_url = url
            assert (await raw.ask("ping")).status_code == 404
        async with speaking(client, "old") as raw:
            assert (await raw.ask("ping")).status_code == 200


async def test_one_askers_sessions_take_no_room_from_others(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one ends the oldest of the same asker."""
    monkeypatch.setattr("assay.api.mcp.sessions.OWN", 2)
    async with (
        registered.client(Role.OPERATOR) as client,
        registered.client(Role.VIEWER) as other,
        speaking(other, "old") as theirs,
        speaking(client, "old") as oldest,
        speaking(client, "old") as ended,
    ):
        await client.delete("/mcp", headers={**ACCEPT, "Mcp-Session-Id": ended.session or ""})
        async with speaking(client, "old") as third, speaking(client, "old") as fourth:
            stand = [(await raw.ask("ping")).status_code for raw in (oldest, ended, third, fourth)]
            assert stand == [404, 404, 200, 200]
            assert (await theirs.ask("ping")).status_code == 200


async def test_more_sessions_than_there_is_room_for_are_refused(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.api.mcp.door.SESSIONS", 3)
    async with registered.client(Role.OPERATOR) as client:
        answers = [await client.post("/mcp", json=HELLO, headers=ACCEPT) for _ in range(4)]
        ended = await client.delete(
            "/mcp", headers={**ACCEPT, "Mcp-Session-Id": answers[0].headers["mcp-session-id"]}
        )
        again = await client.post("/mcp", json=HELLO, headers=ACCEPT)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
    assert (ended.status_code, again.status_code) == (200, 200)
