"""Each close code comes in its cases and in no other; before it, why."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.http.conftest import issued, serving
from websockets import InvalidStatus, Origin

from assay.api.http.front import Front
from assay.api.keys import hashed
from assay.api.socket import connection

from .conftest import ASKS, Client, raw, run, talking

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.http.conftest import Served

pytestmark = pytest.mark.anyio

NO_MESSAGES: list[Any] = [
    "",
    "{",
    "null",
    "7",
    '"hello"',
    "[]",
    "{}",
    '{"type": 7}',
    '{"type": "nothing"}',
    '{"type": "welcome"}',
    '{"type": "hello", "key": 7}',
    '{"type": "hello", "keys": "x"}',
    '{"type": "subscribe", "execution": "x"}',
    '{"type": "subscribe", "id": "", "execution": "x"}',
    '{"type": "subscribe", "id": "s"}',
    '{"type": "subscribe", "id": "s", "execution": "x", "events": {}}',
    '{"type": "subscribe", "id": "s", "execution": "x", "after": 1.5}',
    '{"type": "subscribe", "id": "s", "execution": "x", "after": true}',
    '{"type": "subscribe", "id": "s", "execution": "x", "more": 1}',
    '{"type": "subscribe", "id": "s", "events": {"workflow": 7}}',
    '{"type": "subscribe", "id": "s", "events": {}, "after": 3}',
    '{"type": "unsubscribe"}',
    '{"type": "command", "id": "c"}',
    '{"type": "command", "id": "c", "command": "get_stats", "arguments": []}',
    '{"type": "say", "id": "m", "workflow": "w"}',
    '{"type": "say", "id": "m", "workflow": "w", "message": "x", "history": [{"role": "x"}]}',
    '{"type": "ping", "id": "\\ud800"}',
    '{"type": "ping", "more": NaN}',
    '{"type": "ping", "more": ' + "[" * 10_000 + "]" * 10_000 + "}",
    b'{"type": "ping"}',
    b"\x00\xff",
]

MESSAGES: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "pong"},
    {"type": "subscribe", "id": "s", "execution": "x"},
    {"type": "unsubscribe", "id": "s"},
    {"type": "command", "id": "c", "command": "get_stats"},
    {"type": "say", "id": "m", "workflow": "w", "message": "hello"},
]


@pytest.mark.parametrize("known", [False, True])
async def test_what_is_no_message_closes_with_4400(served: Served, known: bool) -> None:
    for wrong in NO_MESSAGES:
        async with talking(served) if known else raw(served) as client:
            await client.socket.send(wrong)
            code, closing = await client.closed()
            assert (code, closing and closing["code"]) == (4400, "bad_message"), wrong
            assert closing is not None
            assert closing["message"].startswith("This is no message of the protocol: ")


async def test_whatever_comes_before_hello_closes_with_4401(served: Served) -> None:
    for message in MESSAGES:
        async with raw(served) as client:
            await client.socket.send(json.dumps(message))
            code, closing = await client.closed()
            assert (code, closing and closing["code"]) == (4401, "hello_first"), message


@pytest.mark.parametrize("key", [None, "", "x", "assay_abcdefgh_" + "x" * 43])
async def test_who_is_not_let_in_is_closed_with_4401(served: Served, key: str | None) -> None:
    async with raw(served) as client:
        await client.send("hello", **({} if key is None else {"key": key}))
        code, closing = await client.closed()
        assert (code, closing and closing["code"]) == (4401, "not_authenticated")


async def test_the_key_may_come_with_the_handshake(served: Served) -> None:
    for headers in (
        {"Authorization": f"Bearer {served.keys['viewer']}"},
        {"X-API-Key": served.keys["viewer"]},
    ):
        async with raw(served, headers) as client:
            await client.send("hello")
            welcome = await client.read()
    assert welcome.pop("principal").items() >= {"role": "viewer", "scopes": []}.items()
    assert welcome == {"type": "welcome", "protocol": 1, "tenant": "", "heartbeat": 15.0}


async def test_without_keys_nobody_needs_one(open_server: Served) -> None:
    async with raw(open_server) as client:
        await client.send("hello")
        assert (await client.read())["principal"]["name"] == "local"


async def test_a_revoked_key_closes_with_4403_within_five_seconds(served: Served) -> None:
    id = await run(served, ASKS)
    secret = await issued(served.tenants, "", "viewer")
    async with raw(served) as client:
        await client.send("hello", key=secret)
        await client.send("subscribe", id="one", execution=id)
        await client.send("subscribe", id="all", events={}, after="")
        seen: dict[str, str] = {}
        while seen.get("one") != "5" or "all" not in seen:
            frame = await client.read("event")
            seen[frame["id"]] = frame["cursor"]
        await _revoke(served, secret)
        async with asyncio.timeout(60):
            code, closing = await client.closed()
    assert closing is not None
    assert (code, closing["code"]) == (4403, "not_authenticated")
    assert closing["cursors"] == {"one": "5", "all": closing["cursors"]["all"]}


async def test_a_revoked_key_gives_no_more_commands(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before anybody has looked again."""
    monkeypatch.setattr("assay.api.listening.LOOK", 3600)
    monkeypatch.setattr("assay.api.identity.FRESH", 0)
    secret = await issued(served.tenants, "", "viewer")
    async with raw(served) as client:
        await client.send("hello", key=secret)
        await client.read("welcome")
        await _revoke(served, secret)
        await client.send("command", id="c", command="get_stats")
        code, closing = await client.closed()
    assert (code, closing and closing["code"]) == (4403, "not_authenticated")


async def test_no_hello_closes_with_4408(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    async with raw(served) as client:
        code, closing = await client.closed()
    assert (code, closing and closing["code"]) == (4408, "too_late")


async def test_an_id_in_use_closes_with_4409(served: Served) -> None:
    id = await run(served, ASKS)
    for message in MESSAGES[2:]:
        if message["type"] == "unsubscribe":
            continue
        async with talking(served) as client:
            await client.send("subscribe", id=message["id"], execution=id)
            await client.read("subscribed")
            await client.socket.send(json.dumps(message))
            code, closing = await client.closed()
            assert closing is not None
            assert (code, closing["code"]) == (4409, "id_in_use"), message
            assert message["id"] in closing["cursors"]


async def test_an_id_is_free_when_what_it_named_is_over(served: Served) -> None:
    id = await run(served, ASKS)
    async with talking(served) as client:
        for _ in range(3):
            await client.send("subscribe", id="x", execution=id)
            await client.read("subscribed")
            await client.send("unsubscribe", id="x")
            await client.send("unsubscribe", id="x")
            await client.read("ended")
            assert (await client.ask("get_stats", under="x"))["type"] == "result"
            assert (await client.ask("get_nothing", under="x"))["type"] == "error"


async def test_a_second_hello_closes_with_4429(served: Served) -> None:
    async with talking(served) as client:
        await client.send("hello", key=served.keys["admin"])
        code, closing = await client.closed()
    assert (code, closing and closing["code"]) == (4429, "too_many")


async def test_too_many_subscriptions_close_with_4429(served: Served) -> None:
    id = await run(served, ASKS)
    async with talking(served) as client:
        for number in range(connection.STREAMS):
            await client.send("subscribe", id=f"{number}", execution=id, after=4)
        assert (await client.ask("get_stats"))["type"] == "result"
        await client.send("subscribe", id="one more", execution=id)
        code, closing = await client.closed()
    assert closing is not None
    assert (code, closing["code"]) == (4429, "too_many")
    assert len(closing["cursors"]) == connection.STREAMS


async def test_a_message_too_large_closes_with_1009(served: Served) -> None:
    frame = '{"type": "ping", "more": "' + "x" * (1 << 20) + '"}'
    async with talking(served) as client:
        await client.socket.send(frame[: 1 << 20].ljust(1 << 20)[:-2] + '"}')
        assert (await client.read())["type"] == "pong"
        await client.socket.send(frame)
        assert await client.closed() == (1009, None)


async def test_the_end_of_the_server_closes_with_1001(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        id = await run(served, ASKS)
        connecting = raw(served)
        client: Client = await connecting.__aenter__()
        await client.send("hello", key=served.keys["admin"])
        await client.send("subscribe", id="s", execution=id)
        while (await client.read("event"))["cursor"] != "5":
            pass
        silent = raw(served)
        other: Client = await silent.__aenter__()
    code, closing = await client.closed()
    assert closing is not None
    assert (code, closing["code"], closing["cursors"]) == (1001, "server_ends", {"s": "5"})
    code, closing = await other.closed()
    assert (code, closing and closing["code"]) == (1001, "server_ends")
    await connecting.__aexit__(None, None, None)
    await silent.__aexit__(None, None, None)


async def _revoke(served: Served, secret: str) -> None:
    store = served.tenants.app().manager.store
    principal = await store.principal(key_hash=hashed(secret))
    assert principal is not None
    await store.delete_principal(principal.id)


async def test_a_page_of_another_site_is_let_in_when_it_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, front=Front(origins=("https://app.example",))) as served:
        async with raw(served, origin=Origin("https://app.example")) as client:
            await client.send("hello", key=served.keys["viewer"])
            assert (await client.read())["type"] == "welcome"
        with pytest.raises(InvalidStatus) as refused:
            async with raw(served, origin=Origin("https://other.example")):
                pass
    assert refused.value.response.status_code == 403


async def test_what_is_sent_after_the_close_is_not_done(served: Served) -> None:
    async with talking(served) as client:
        await client.socket.send("nonsense")
        await client.send(
            "command", id="c", command="create_key", arguments={"name": "x", "role": "admin"}
        )
        assert (await client.closed())[0] == 4400
    page = await served.tenants.app().manager.store.principals()
    assert "x" not in [each.name for each in page.items]
