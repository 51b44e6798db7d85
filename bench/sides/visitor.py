"""Whoever asks a server, in a process of their own; says what they saw as JSON.

`python -m sides.visitor latency|load|idle OURS PORT KEY STEPS COUNT`; `idle` stays until its
standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson
from websockets.asyncio.client import connect

from .wire import Wire

AT_ONCE = 50
"""How many clients create executions at the same time, each when its last one has ended."""

_CREATED, _ENDED = "ExecutionQueued", "ExecutionCompleted"


async def latency_ours(port: int, key: str, steps: int, count: int) -> Any:
    """Milliseconds from sending a create to the first event and to the last, as a subscriber to
    all events sees them who was there before; and to the answer."""
    first, last, answered = [], [], []
    async with Wire(port, key) as asks, Wire(port, key) as hears:
        events = hears.stream("/v1/events")
        await anext(events)
        for number in range(count + count // 10):
            began = time.perf_counter()
            asking = asyncio.create_task(asks.post("/v1/executions", _start(steps)))
            seen = [await _event(events, _CREATED), await _event(events, _ENDED)]
            await asking
            if number >= count // 10:
                first.append(seen[0] - began)
                last.append(seen[1] - began)
        for _ in range(count):
            began = time.perf_counter()
            await asks.post("/v1/executions", _start(steps))
            answered.append(time.perf_counter() - began)
            await _event(events, _ENDED)
    return {"first": _ms(first), "last": _ms(last), "answer": _ms(answered)}


async def _event(events: AsyncIterator[dict[str, str]], type: str) -> float:
    async for event in events:
        if event.get("event") == type:
            return time.perf_counter()
    raise RuntimeError("the stream has ended")


async def latency_floor(port: int, _: str, steps: int, count: int) -> Any:
    """Milliseconds from asking for a run to the first event of it, and to its end."""
    first, last = [], []
    async with Wire(port) as wire:
        for number in range(count + count // 10):
            began, seen = time.perf_counter(), []
            async for _ in wire.stream(f"/runs/{steps}?stream", "POST"):
                seen.append(time.perf_counter() - began)
            if number >= count // 10:
                first.append(seen[0])
                last.append(time.perf_counter() - began)
    return {"first": _ms(first), "last": _ms(last), "answer": _ms(last)}


async def load_ours(port: int, key: str, steps: int, count: int) -> Any:
    ended: dict[str, asyncio.Event] = {}

    def end(id: str) -> asyncio.Event:
        return ended.setdefault(id, asyncio.Event())

    async def hear(events: AsyncIterator[dict[str, str]]) -> None:
        async for event in events:
            if "data" in event:
                end(orjson.loads(event["data"])["execution_id"]).set()

    async def one(wire: Wire) -> None:
        begun = await wire.post("/v1/executions", _start(steps))
        await end(begun["execution_id"]).wait()
        del ended[begun["execution_id"]]

    async with Wire(port, key) as hears:
        events = hears.stream(f"/v1/events?type={_ENDED}")
        await anext(events)
        hearing = asyncio.create_task(hear(events))
        try:
            return await _loaded(port, key, one, count)
        finally:
            hearing.cancel()


async def load_floor(port: int, key: str, steps: int, count: int) -> Any:
    async def one(wire: Wire) -> None:
        await wire.post(f"/runs/{steps}", {})

    return await _loaded(port, key, one, count)


async def _loaded(
    port: int, key: str, one: Callable[[Wire], Awaitable[None]], count: int
) -> dict[str, float]:
    """So many runs, by clients that each begin one when their last has ended."""

    async def client(wire: Wire, runs: int) -> None:
        for _ in range(runs):
            await one(wire)

    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(port, key)) for _ in range(AT_ONCE)]
        await asyncio.gather(*(client(wire, 1) for wire in wires))
        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(client(wire, count // AT_ONCE) for wire in wires))
        took = time.perf_counter() - began
    return {"runs": count, "seconds": took, "client": time.process_time() - spent}


async def idle_sse(port: int, key: str, count: int, path: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            wire = await stack.enter_async_context(Wire(port, key))
            await anext(wire.stream(path))
        await _stay()


async def idle_socket(port: int, key: str, count: int) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            socket = await stack.enter_async_context(
                connect(f"ws://127.0.0.1:{port}/v1/ws", proxy=None, ping_interval=None)
            )
            await socket.send(orjson.dumps({"type": "hello", "key": key}).decode())
            await socket.recv()
            what = {"type": "subscribe", "id": "1", "events": {}, "after": None}
            await socket.send(orjson.dumps(what).decode())
            await socket.send('{"type": "ping"}')
            await socket.recv()
        await _stay()


async def _stay() -> None:
    print("{}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def _start(steps: int) -> Any:
    return {"workflow": f"chain-{steps}"}


def _ms(seconds: list[float]) -> list[float]:
    return [each * 1000 for each in seconds]


async def main(what: str, side: str, port: int, key: str, steps: int, count: int) -> None:
    if what == "idle":
        if side == "socket":
            await idle_socket(port, key, count)
        else:
            await idle_sse(port, key, count, "/v1/events" if side == "ours" else "/idle")
        return
    does = {
        ("latency", "ours"): latency_ours,
        ("latency", "floor"): latency_floor,
        ("load", "ours"): load_ours,
        ("load", "floor"): load_floor,
    }
    print(orjson.dumps(await does[what, side](port, key, steps, count)).decode(), flush=True)


if __name__ == "__main__":
    _, what, side, port, key, steps, count = sys.argv
    asyncio.run(main(what, side, int(port), key, int(steps), int(count)))
