"""Whatever breaks on the way: a stream is the journal, and what was begun was begun once."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from tests.api.client.conftest import PATIENCE, Wire, wired
from tests.api.http.conftest import Served, serving

import assay
from assay import Client
from assay.api.client import backoff
from assay.api.client.frames import Frame
from assay.api.http.front import Front
from assay.graphs import errors
from assay.graphs.event import Event

pytestmark = pytest.mark.anyio

MANY = {
    "name": "many",
    "inputs": {"items": {"type": "array", "required": True}},
    "steps": [
        {
            "id": "each",
            "type": "foreach",
            "items": "inputs.items",
            "concurrency": 3,
            "steps": [{"id": "say", "type": "shell", "command": "echo {{ item }} ünïcöde\u2028"}],
        }
    ],
}


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long between two tries."""
    monkeypatch.setattr(backoff, "LONGEST", 0.3)


@pytest.fixture
async def wire(served: Served) -> AsyncIterator[Wire]:
    async with wired(served.url, longest=3000) as one:
        yield one


async def journal(served: Served, id: str) -> list[Event]:
    return [event async for event in served.tenants.app().manager.events(id)]


@pytest.mark.parametrize("seed", range(100 if os.environ.get("ASSAY_LONG") else 4))
async def test_what_is_followed_is_the_journal(served: Served, seed: int) -> None:
    async with (
        wired(served.url, longest=3000, seed=seed) as wire,
        Client(wire.url, key=served.keys["admin"], patience=PATIENCE) as client,
    ):
        await client.register(MANY)
        begun = await client.start("many", {"items": list(range(25))})
        told = [e async for e in client.follow(begun.id, patience=PATIENCE)]
        kept = await journal(served, begun.id)
        assert [e for e in told if e.seq] == kept
        assert len(kept) > 50
        assert wire.cuts > 5
        behind = [e async for e in client.follow(begun.id, after=20, patience=PATIENCE)]
        assert behind == kept[20:]


async def test_all_executions_are_told_once(served: Served, wire: Wire) -> None:
    async with Client(wire.url, key=served.keys["admin"], patience=PATIENCE) as client:
        await client.register(MANY)
        begun = [await client.start("many", {"items": [1, 2, 3]}) for _ in range(4)]
        told: dict[str, list[Event]] = {each.id: [] for each in begun}
        left = set(told)
        async for event, _ in client.events(after="", patience=PATIENCE):
            told[event.execution_id].append(event)
            if event.type == "ExecutionCompleted":
                left.remove(event.execution_id)
            if not left:
                break
    assert wire.cuts > 2
    for id, events in told.items():
        assert events == await journal(served, id)


async def test_from_now_on_is_from_when_one_began_to_listen(served: Served) -> None:
    async with (
        wired(served.url, streams=1200) as wire,
        Client(wire.url, key=served.keys["admin"], patience=PATIENCE) as client,
    ):
        await client.register(MANY)
        await client.run("many", {"items": [0]})
        told: list[Event] = []
        listening = asyncio.Event()
        stream = client._server.stream

        async def heard(*given: Any, **more: Any) -> AsyncGenerator[Frame]:
            async with aclosing(stream(*given, **more)) as frames:
                async for frame in frames:
                    listening.set()
                    yield frame

        client._server.stream = heard  # type: ignore[method-assign]

        async def listen() -> None:
            async for event, _ in client.events(patience=PATIENCE):
                told.append(event)
                if event.type == "ExecutionCompleted":
                    return

        hearing = asyncio.create_task(listen())
        await listening.wait()
        begun = await client.start("many", {"items": [1, 2, 3]})
        await hearing
        assert wire.cuts > 1
        assert told == await journal(served, begun.id)


async def test_what_is_started_begins_once(served: Served, wire: Wire) -> None:
    wire.longest = 2500
    async with Client(wire.url, key=served.keys["admin"], patience=PATIENCE) as client:
        await client.register(MANY)
        begun = await asyncio.gather(
            *(client.start("many", {"items": [number]}) for number in range(20))
        )
        assert wire.cuts > 3
        wire.longest = 0
        found = [e async for e in client.executions()]
    assert len({e.id for e in begun}) == 20
    assert {e.id for e in found} == {e.id for e in begun}
    assert sorted(e.inputs["items"][0] for e in found) == list(range(20))


async def test_what_may_not_be_done_twice_is_not(served: Served, wire: Wire) -> None:
    async with Client(wire.url, key=served.keys["admin"], patience=PATIENCE) as client:
        await client.register(MANY)
        done = await client.wait((await client.start("many", {"items": [1]})).id)
        wire.longest = 1
        async with Client(wire.url, key=served.keys["admin"]) as other:
            with pytest.raises(errors.ServerUnreachable, match="not known whether"):
                await other.fork(done.id, "each")
        wire.longest = 0
        assert len([e async for e in client.executions()]) == 2


async def test_a_server_that_is_not_there_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    async with Client(url, patience=3600) as client:
        with pytest.raises(errors.ServerUnreachable, match=f"{url}.*assay serve.*ASSAY_URL"):
            await client.stats()
        with pytest.raises(errors.ServerUnreachable):
            await anext(client.follow("x", patience=3600))


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with Client(url, timeout=0.2, patience=0.5) as client:
            with pytest.raises(errors.ServerUnreachable, match="in time"):
                await client.stats()


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x", "http://", "http://a:b@c", "http://x:99999", "http://x?y"]
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        Client(url)


async def test_what_is_no_server_of_ours_is_said_to_be_none() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(url) as client:
            with pytest.raises(errors.ServerFailed, match="not JSON"):
                await client.stats()


async def test_who_asks_too_often_waits_and_is_answered(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limits import parse

    front = Front(rate=parse("4/second"))
    async with serving(tmp_path_factory.mktemp("slow"), front=front) as served:
        async with Client(served.url, key=served.keys["admin"]) as client:
            for _ in range(9):
                await client.stats()
        monkeypatch.setattr(backoff, "LONG", 0.0)
        async with Client(served.url, key=served.keys["admin"]) as client:
            with pytest.raises(errors.RateLimited) as raised:
                await asyncio.gather(*(client.stats() for _ in range(9)))
            assert raised.value.wait >= 1


async def test_the_surroundings_say_where_and_who(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", f"{served.url}/")
    monkeypatch.setenv("ASSAY_KEY", served.keys["viewer"])
    async with assay.Client() as client:
        assert client.url == served.url
        assert [w async for w in client.workflows()] == []
        with pytest.raises(errors.NotAuthorized):
            await client.register(MANY)
