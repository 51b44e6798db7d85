"""Streams over SSE: they resume where they were cut, and end when they are over or not allowed."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from tests.api.http.conftest import Served, issued, serving

from assay.api.http import sse
from assay.api.identity import FRESH
from assay.api.listening import LOOK
from assay.graphs.execution import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

LOUD = {"name": "loud", "steps": [{"id": "say", "type": "shell", "command": "echo one"}]}
ASKS = {"name": "asks", "steps": [{"id": "ask", "type": "approval", "message": "Go on?"}]}


class Frame(NamedTuple):
    id: str | None
    event: str | None
    data: Any
    comment: str | None


async def frames(answer: httpx.Response) -> AsyncIterator[Frame]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Frame(fields.get("id"), fields.get("event"), data, fields.get(""))
            fields = {}


@asynccontextmanager
async def listening(
    served: Served, path: str, role: str = "viewer", last: str | None = None
) -> AsyncIterator[AsyncIterator[Frame]]:
    headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
    async with (
        asyncio.timeout(60),
        served.client(role) as http,
        http.stream("GET", path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield frames(answer)


async def run(served: Served, definition: dict[str, Any]) -> str:
    app = served.tenants.app()
    return (await app.start(definition)).id


async def test_an_execution_is_told_to_its_end(served: Served) -> None:
    id = await run(served, LOUD)
    async with listening(served, f"/v1/executions/{id}/events") as told:
        every = [frame async for frame in told if frame.event]
    kept = [f for f in every if f.id is not None]
    assert [f.id for f in kept] == [str(f.data["seq"]) for f in kept] == ["1", "2", "3", "4", "5"]
    assert every[-1].event == "ExecutionCompleted"
    assert all(f.data["seq"] == 0 for f in every if f.id is None)


async def test_it_goes_on_after_the_last_event_that_was_seen(served: Served) -> None:
    id = await run(served, LOUD)
    await served.tenants.app().wait(id)
    path = f"/v1/executions/{id}/events"
    async with listening(served, path, last="3") as told:
        assert [frame.id async for frame in told if frame.event] == ["4", "5"]
    async with listening(served, f"{path}?after=4") as told:
        assert [frame.id async for frame in told if frame.event] == ["5"]
    async with served.client() as http:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "5"}
        assert (await http.get(path, headers=headers)).status_code == 204
        headers["Last-Event-ID"] = "x"
        assert (await http.get(path, headers=headers)).status_code == 422


async def test_all_executions_are_one_stream_that_goes_on_from_any_cursor(served: Served) -> None:
    ids = [await run(served, LOUD) for _ in range(2)]
    every = []
    async with listening(served, "/v1/events?after=") as told:
        async for frame in told:
            if frame.event:
                every.append(frame)
            if sum(f.event == "ExecutionCompleted" for f in every) == 2:
                break
    for id in ids:
        assert [f.data["seq"] for f in every if f.data["execution_id"] == id] == [1, 2, 3, 4, 5]
    async with listening(served, "/v1/events", last=every[3].id) as told:
        rest = [await anext(told) for _ in range(len(every) - 3)]
    assert [f.data for f in rest if f.event] == [f.data for f in every[4:]]


async def test_only_what_is_asked_for_is_told(served: Served) -> None:
    await run(served, LOUD)
    async with listening(
        served, "/v1/events?after=&workflow=l*&type=StepCompleted&type=ExecutionCompleted"
    ) as told:
        found = [frame.event for frame in [await anext(told) for _ in range(3)] if frame.event]
    assert found == ["StepCompleted", "ExecutionCompleted"]
    async with served.client() as http:
        wrong = await http.get("/v1/events?type=x", headers={"Accept": "text/event-stream"})
        assert wrong.status_code == 422
        assert (await http.get("/v1/events", headers={"Accept": "text/html"})).status_code == 406


async def test_nobody_hears_of_what_is_not_there_for_them(served: Served) -> None:
    id = await run(served, LOUD)
    scoped = await issued(served.tenants, "", "viewer", "other-*")
    served.keys["scoped"] = scoped  # type: ignore[index]
    headers = {"Accept": "text/event-stream"}
    for role in ("scoped", "other admin"):
        async with served.client(role) as http:
            answer = await http.get(f"/v1/executions/{id}/events", headers=headers)
            assert answer.status_code == 404
    mine = await run(served, {**LOUD, "name": "other-one"})
    async with listening(served, "/v1/events?after=", "scoped") as told:
        heard = [await anext(told) for _ in range(6)]
    assert {f.data["execution_id"] for f in heard if f.event} == {mine}
    async with served.client(None) as http:
        assert (await http.get("/v1/events", headers=headers)).status_code == 401


@pytest.mark.parametrize("all", [False, True])
async def test_a_revoked_key_ends_a_stream_within_five_seconds(served: Served, all: bool) -> None:
    id = await run(served, ASKS)
    secret = await issued(served.tenants, "", "viewer")
    served.keys["brief"] = secret  # type: ignore[index]
    path = "/v1/events?after=" if all else f"/v1/executions/{id}/events"
    async with listening(served, path, "brief") as told:
        assert (await anext(told)).comment == "here"
        assert (await anext(told)).event == "ExecutionQueued"
        await _revoke(served, secret)
        async with asyncio.timeout(60):
            rest = [frame async for frame in told]
    assert LOOK + FRESH < 5
    assert rest[-1].event == "closed"
    assert rest[-1].data["code"] == "not_authenticated"
    assert rest[-1].data["cursor"] == rest[-2].id


async def test_a_quiet_stream_says_that_it_is_there_and_how_far_it_has_come(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.1)
    id = await run(served, ASKS)
    async with listening(served, f"/v1/executions/{id}/events") as told:
        async for frame in told:
            if frame.comment == "quiet":
                break
    async with listening(served, "/v1/events?after=&workflow=none") as told:
        began = await anext(told)
        async for frame in told:
            if frame.id is not None:
                break
    assert frame.event is None
    assert frame.id != began.id
    await served.tenants.app().manager.stop(id)
    async with listening(served, f"/v1/events?workflow=asks&after={frame.id}") as told:
        async for frame in told:
            if frame.event == "ExecutionCancelled":
                break


async def test_who_is_cut_off_before_the_first_event_comes_back_to_where_it_began(
    served: Served,
) -> None:
    await served.tenants.app().wait(await run(served, LOUD))
    async with listening(served, "/v1/events") as told:
        began = (await anext(told)).id
    id = await run(served, ASKS)  # while nobody was there
    async with listening(served, "/v1/events", last=began) as told:
        frame = [await anext(told) for _ in range(2)][-1]
    assert (frame.data["execution_id"], frame.data["seq"]) == (id, 1)


@pytest.mark.parametrize("cursor", ["x", "1|a", "7\n"])
async def test_what_is_no_cursor_is_refused(served: Served, cursor: str) -> None:
    async with served.client() as http:
        headers = {"Accept": "text/event-stream"}
        answer = await http.get("/v1/events", params={"after": cursor}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_nobody_waits_behind_an_event_that_has_not_been(served: Served) -> None:
    """They would be told nothing, not even the end."""
    manager = served.tenants.app().manager
    id = (await manager.start(ASKS)).id
    await manager.wait(id, until=(Status.WAITING,))
    last = [event.seq async for event in manager.events(id)][-1]
    place, stream = f"/v1/executions/{id}/events", {"Accept": "text/event-stream"}
    async with served.client("viewer") as http:
        by_query = await http.get(place, params={"after": last + 1}, headers=stream)
        by_header = await http.get(place, headers={**stream, "Last-Event-ID": "999"})
    for answer in (by_query, by_header):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert "go on after the last one that came" in answer.json()["detail"]
    async with listening(served, place, last=str(last)) as told:
        assert (await anext(told)).id == str(last)


async def test_the_end_of_the_server_is_told_with_the_cursor(tmp_path: Path) -> None:
    async with AsyncExitStack() as left:
        async with serving(tmp_path) as served:
            id = await run(served, ASKS)
            streams = [
                await left.enter_async_context(listening(served, path))
                for path in (f"/v1/executions/{id}/events", "/v1/events?after=")
            ]
            last = []
            for told in streams:
                while (frame := await anext(told)).event != "ExecutionWaiting":
                    pass
                last.append(frame.id)
        for told, cursor in zip(streams, last, strict=True):
            (closed,) = [frame async for frame in told if frame.event]
            assert closed.event == "closed"
            assert (closed.data["code"], closed.data["cursor"]) == ("server_ends", cursor)


async def test_streams_that_are_left_leave_nothing_behind(served: Served) -> None:
    id = await run(served, ASKS)

    def left() -> int:
        return sum("Feed._read" in repr(t) or "_gone" in repr(t) for t in asyncio.all_tasks())

    for path in ("/v1/events?after=", f"/v1/executions/{id}/events"):
        async with listening(served, path) as told:
            await anext(told)
            assert left()
    async with asyncio.timeout(60):
        while left():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _revoke(served: Served, secret: str) -> None:
    from assay.api.keys import hashed

    store = served.tenants.app().manager.store
    principal = await store.principal(key_hash=hashed(secret))
    assert principal is not None
    await store.delete_principal(principal.id)
