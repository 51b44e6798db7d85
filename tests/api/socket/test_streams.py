"""Streams over `/v1/ws`: each in order, none lost, none twice, resumed where they were cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from assay.api.control import Control

from .conftest import ASKS, LOUD, run, talking

if TYPE_CHECKING:
    from tests.api.http.conftest import Served

pytestmark = pytest.mark.anyio


async def test_an_execution_is_told_to_its_end(served: Served) -> None:
    id = await run(served, LOUD)
    async with talking(served, "viewer") as client:
        await client.send("subscribe", id="s", execution=id)
        frames = await client.until("ended")
    assert frames[0] == {"type": "subscribed", "id": "s", "cursor": "0"}
    assert frames[-1] == {"type": "ended", "id": "s", "cursor": "5"}
    kept = [each for each in frames[1:-1] if each["cursor"] is not None]
    assert [each["event"]["seq"] for each in kept] == [1, 2, 3, 4, 5]
    assert [each["cursor"] for each in kept] == ["1", "2", "3", "4", "5"]
    assert all(each["event"]["seq"] == 0 for each in frames[1:-1] if each["cursor"] is None)


async def test_it_goes_on_after_any_cursor(served: Served) -> None:
    id = await run(served, LOUD)
    await served.tenants.app().wait(id)
    async with talking(served) as client:
        for number, after in enumerate((0, 3, "4", 5, "99")):
            await client.send("subscribe", id=str(number), execution=id, after=after)
            told = await client.until("ended")
            seqs = [each["event"]["seq"] for each in told[1:-1]]
            assert seqs == list(range(int(after) + 1, 6))


async def test_the_events_of_all_go_on_after_any_cursor(served: Served) -> None:
    for _ in range(2):
        await served.tenants.app().wait(await run(served, LOUD))
    async with talking(served, "viewer") as client:
        await client.send("subscribe", id="all", events={}, after="")
        every = [await client.read("event") for _ in range(10)]
    for number, each in enumerate(every):
        async with talking(served, "viewer") as client:
            await client.send("subscribe", id="rest", events={}, after=each["cursor"])
            rest = [(await client.read("event")) for _ in every[number + 1 :]]
            assert [f["event"] for f in rest] == [f["event"] for f in every[number + 1 :]]


async def test_from_now_on_is_a_place_to_come_back_to(served: Served) -> None:
    await served.tenants.app().wait(await run(served, LOUD))
    async with talking(served) as client:
        await client.send("subscribe", id="s", events={})
        began = (await client.read("subscribed"))["cursor"]
    id = await run(served, ASKS)  # while nobody was there
    async with talking(served) as client:
        await client.send("subscribe", id="s", events={"workflow": "a*"}, after=began)
        event = (await client.read("event"))["event"]
        assert (event["execution_id"], event["seq"]) == (id, 1)


@pytest.mark.parametrize(
    ("what", "cursors"),
    [
        ({"events": {}}, {}),
        ({"events": {}, "after": "7"}, {"s": "7"}),
        ({"execution": "x", "after": 5}, {"s": "5"}),
    ],
)
async def test_who_is_cut_off_before_it_has_begun_comes_back_to_where_it_wanted_to(
    served: Served, monkeypatch: pytest.MonkeyPatch, what: dict[str, Any], cursors: dict[str, str]
) -> None:
    """Not to the beginning of all that ever happened."""
    begun = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Control, "cursor", never)
    monkeypatch.setattr(Control, "follow", never)
    async with talking(served, "viewer") as client:
        await client.send("subscribe", id="s", **what)
        await begun.wait()
        await client.send("hello")
        assert (await client.read("closing"))["cursors"] == cursors
