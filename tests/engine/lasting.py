"""What lasts of an execution: its durable events, read back or awaited."""

from __future__ import annotations

import asyncio

import assay
from assay.graphs.event import Event, EventType

from ..running import House


async def events(house: House, execution: assay.Execution) -> list[Event]:
    """Every durable event so far; they are numbered from 1 without gaps."""
    found = [event async for event in house.app.manager.events(execution.id)]
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    return found


async def happened(
    house: House, execution: assay.Execution, type: EventType, path: str = "", *, times: int = 1
) -> Event:
    """The event of that type and path, as soon as the journal has so many; the last of them."""
    following = house.app.manager.follow(execution.id)
    try:
        while True:
            found = [e for e in await events(house, execution) if (e.type, e.path) == (type, path)]
            if len(found) >= times:
                return found[-1]
            async for event in following:
                if (event.type, event.path) == (type, path):
                    break
    finally:
        await following.aclose()  # type: ignore[attr-defined]


def types(found: list[Event], path: str | None = "") -> list[str]:
    """The types of the events at the path (of all when None), in order."""
    return [event.type.value for event in found if path is None or event.path == path]


async def heard(house: House) -> None:
    """As soon as every message to the executions that run here has been dealt with."""
    store = house.app.manager.store
    while await store.inbox(store.worker):  # noqa: ASYNC110 (nobody is told)
        await asyncio.sleep(0.005)
