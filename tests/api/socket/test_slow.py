"""Who reads slowly is waited for, who does not read at all is let go: nothing piles up here."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from assay.api.socket import line

from .conftest import Client, raw, talking

if TYPE_CHECKING:
    from tests.api.http.conftest import Served

pytestmark = pytest.mark.anyio

EVENTS = 10_005
STREAMS = 10
"""So many that no buffer of the system holds what they say."""

MANY = {
    "name": "many",
    "inputs": {"all": {"type": "array"}},
    "steps": [
        {
            "id": "each",
            "type": "foreach",
            "items": "{{ inputs.all }}",
            "concurrency": 20,
            "steps": [{"id": "e", "type": "skill", "skill": "echo", "inputs": {"message": "x"}}],
        }
    ],
}


async def test_who_reads_nothing_is_closed_on_and_comes_back_for_the_rest(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = served.tenants.app()
    execution = await app.run(MANY, {"all": list(range(5000))})
    monkeypatch.setattr(line, "STALLED", 1.0)
    ids = [str(number) for number in range(STREAMS)]
    seen: dict[str, list[int]] = {id: [] for id in ids}
    async with raw(served, sock=await _narrow(served), max_queue=1) as client:
        await client.send("hello", key=served.keys["viewer"])
        for id in ids:
            await client.send("subscribe", id=id, execution=execution.id)
        tracemalloc.start()
        async with asyncio.timeout(120):
            while not _serving():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            while _serving():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 << 20, f"{peak >> 10} KiB were held for who does not read"
        code, closing = await _gather(client, seen)
    assert (code, closing["code"]) == (1013, "slow_reader")
    assert closing["cursors"] == {id: str(seqs[-1] if seqs else 0) for id, seqs in seen.items()}
    assert any(len(seqs) < EVENTS for seqs in seen.values())
    monkeypatch.setattr(line, "STALLED", 60.0)
    async with talking(served, "viewer") as client:
        for id, cursor in closing["cursors"].items():
            await client.send("subscribe", id=id, execution=execution.id, after=cursor)
        for _ in ids:
            for frame in await client.until("ended"):
                _note(frame, seen)
    assert all(seqs == list(range(1, EVENTS + 1)) for seqs in seen.values())


async def _gather(client: Client, seen: dict[str, list[int]]) -> tuple[int, dict[str, Any]]:
    frame: dict[str, Any] = {}
    async with asyncio.timeout(120):
        try:
            while True:
                frame = json.loads(await client.socket.recv())
                _note(frame, seen)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd is not None else 1006, frame


def _note(frame: dict[str, Any], seen: dict[str, list[int]]) -> None:
    if frame["type"] == "event" and frame["cursor"] is not None:
        seen[frame["id"]].append(frame["event"]["seq"])


async def _narrow(served: Served) -> socket.socket:
    """A connection that holds little of what its client has not read."""
    url = urlsplit(served.url)
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.setblocking(False)
    with suppress(BlockingIOError):
        await asyncio.get_running_loop().sock_connect(found, (url.hostname, url.port))
    return found


def _serving() -> bool:
    return any("Connection._" in repr(task) for task in asyncio.all_tasks())
