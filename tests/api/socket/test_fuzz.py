"""Whatever comes over a WebSocket: the right code or an error, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.api.http.gate import Gate

from .wire import BINARY, CLOSE, GRAPHQL, OURS, PING, TEXT, Door, frame, request, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response
    from starlette.types import Scope
    from tests.api.http.conftest import Served

pytestmark = pytest.mark.anyio

DOORS = pytest.mark.parametrize("door", [OURS, GRAPHQL], ids=lambda door: door.path)

often = settings(
    max_examples=1000 if os.environ.get("ASSAY_LONG") else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LARGE = "x" * (1 << 20)

WRONG: dict[str, tuple[list[bytes], int]] = {
    "binary": ([frame(b"{}", BINARY)], 4400),
    "a binary fragment": ([frame(b"{", BINARY, fin=False), frame(b"}", 0)], 4400),
    "no JSON": ([frame("{")], 4400),
    "nothing": ([frame("")], 4400),
    "fragments of what is none": ([frame("[1", fin=False), frame("]", 0)], 4400),
    "nested deep": ([frame("[" * 10_000 + "]" * 10_000)], 4400),
    "nested deeper": ([frame("[" * 500_000)], 4400),
    "objects nested deep": ([frame('{"a":' * 10_000 + "1" + "}" * 10_000)], 4400),
    "no UTF-8": ([frame(b'{"type": "ping\xff"}')], 1007),
    "no UTF-8 in fragments": ([frame(b'{"\xe2\x82', fin=False), frame(b"}", 0)], 1007),
    "half a character": ([frame(b"\xed\xa0\x80")], 1007),
    "too large": ([frame(LARGE + "x")], 1009),
    "says it is huge": ([frame("x", length=1 << 62)], 1009),
    "too large in fragments": (
        [frame(LARGE[: 1 << 19], fin=False), frame(LARGE[: 1 << 19], 0, fin=False), frame("x", 0)],
        1009,
    ),
    "not masked": ([frame("{}", masked=False)], 1002),
    "compressed": ([frame("{}", reserved=4)], 1002),
    "a reserved bit": ([frame("{}", reserved=1)], 1002),
    "an unknown opcode": ([frame("{}", 3)], 1002),
    "an unknown control": ([frame("", 11)], 1002),
    "a large ping": ([frame("x" * 126, PING)], 1002),
    "a ping in fragments": ([frame("x", PING, fin=False)], 1002),
    "a fragment of nothing": ([frame("x", 0)], 1002),
    "a text within a text": ([frame("{", fin=False), frame("}")], 1002),
    "a close of one byte": ([frame(b"\x03", CLOSE)], 1002),
    "a close that may not be": ([frame(b"\x03\xed", CLOSE)], 1002),
    "a close whose reason is no text": ([frame(b"\x03\xe8\xff", CLOSE)], 1007),
}


@pytest.fixture(autouse=True)
async def nothing_is_left(served: Served, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No task, no connection, and no fault in the log of the server."""
    caplog.set_level(logging.WARNING)
    before = len(asyncio.all_tasks())
    yield
    async with asyncio.timeout(60):
        while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    gc.collect()
    await asyncio.sleep(0)
    assert [each.getMessage() for each in caplog.records] == []


@DOORS
@pytest.mark.parametrize("known", [False, True], ids=["before", "after"])
async def test_what_is_wrong_has_its_code(served: Served, door: Door, known: bool) -> None:
    """Before the client has said who it is, and after."""
    for name, (frames, code) in WRONG.items():
        async with wired(served.url, door) as wire:
            if known:
                await wire.send(door.opening(served.keys["admin"]))
            await wire.send(*frames)
            assert await wire.close_code() == code, name


@DOORS
async def test_nothing_is_unpacked(served: Served, door: Door) -> None:
    """So that no small frame becomes a large one."""
    async with wired(served.url, door, offer="permessage-deflate") as wire:
        assert b"permessage-deflate" not in wire.answer.lower()


@DOORS
@often
@given(pieces=st.lists(st.binary(max_size=300), max_size=5), known=st.booleans())
async def test_any_bytes(served: Served, door: Door, pieces: list[bytes], known: bool) -> None:
    async with wired(served.url, door) as wire:
        if known:
            await wire.send(door.opening(served.keys["viewer"]))
        await wire.send(*pieces, frame(b"\x03\xe8", CLOSE))
    async with wired(served.url, door) as wire:
        await wire.send(door.opening(served.keys["viewer"]), frame('{"type": "ping"}'))
        assert await wire.until("pong") is None, "the server goes on"


FRAMES = st.builds(
    frame,
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)),
    st.sampled_from([0, TEXT, BINARY, CLOSE, PING, 10, 3, 11, 15]),
    fin=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 4, 7]),
    masked=st.sampled_from([True, True, True, False]),
    length=st.one_of(st.none(), st.none(), st.sampled_from([0, 125, 126, 70_000, 1 << 40])),
)


@DOORS
@often
@given(frames=st.lists(FRAMES, min_size=1, max_size=6), known=st.booleans())
async def test_any_frames(served: Served, door: Door, frames: list[bytes], known: bool) -> None:
    async with wired(served.url, door) as wire:
        if known:
            await wire.send(door.opening(served.keys["viewer"]))
        await wire.send(*frames)
        wire.end()  # what was begun may say that it is longer
        code = await wire.close_code()
        echoed = code is not None and (code < 1004 or 1006 < code < 1015 or 2999 < code < 5000)
        assert code in (None, 1005) or echoed


NAMES = st.sampled_from(
    [
        *("type", "id", "key", "execution", "events", "after", "workflow", "types", "command"),
        *("arguments", "message", "session", "history", "inputs", "payload", "query", "variables"),
        *("operationName", "extensions", "limit"),
    ]
)
WORDS = st.sampled_from(
    [
        *("hello", "subscribe", "unsubscribe", "command", "say", "ping", "pong", "welcome"),
        *("connection_init", "complete", "next", "get_stats", "list_executions", "get_execution"),
        *("1", "", "*", "{ stats { running } }", "subscription { events { cursor } }", "\x00"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=12,
)
MESSAGES = st.one_of(
    VALUES,
    st.fixed_dictionaries({"type": WORDS}, optional={"id": WORDS}).flatmap(
        lambda some: st.dictionaries(NAMES, VALUES, max_size=5).map(lambda more: {**more, **some})
    ),
)


@DOORS
@often
@given(messages=st.lists(MESSAGES, min_size=1, max_size=8), known=st.booleans())
async def test_any_messages(served: Served, door: Door, messages: list[Any], known: bool) -> None:
    """It stays, or closes with a code of the protocol; what it says is of the protocol, too."""
    async with wired(served.url, door) as wire:
        if known:
            await wire.send(door.opening(served.keys["viewer"]))
        await wire.send(*(frame(json.dumps(each)) for each in messages))
        await wire.send(frame('{"type": "ping"}'), frame(b"\x03\xe8", CLOSE))
        code = await wire.close_code()
    assert code in {1000, 4400, 4401, 4409, 4429}, wire.told
    codes = [each["error"]["code"] for each in wire.told if "error" in each]
    assert "internal" not in codes
    if not known and messages[0] != {"type": door.first}:
        assert not any(each["type"] in ("event", "result", "next") for each in wire.told)


@DOORS
async def test_who_is_gone_before_they_are_let_in(
    served: Served, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, gone = Gate._refused, asyncio.Event()

    async def late(gate: Gate, scope: Scope) -> Response | None:
        await gone.wait()
        return await look(gate, scope)

    monkeypatch.setattr(Gate, "_refused", late)
    at = urlsplit(served.url)
    for _ in range(3):
        _, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(request(door, at.netloc))
        await asyncio.sleep(0.05)
        writer.transport.abort()
    await asyncio.sleep(0.05)
    gone.set()
