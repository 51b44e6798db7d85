"""Streams over `/v1/ws`: each in order, none lost, none twice, resumed where they were cut."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.http.conftest import issued

from assay.api.control import Control
from assay.api.socket import connection

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
            assert seqs == list(range(int(str(after)) + 1, 6))


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


async def test_streams_beside_each_other_keep_their_order(served: Served) -> None:
    ids = [await run(served, LOUD) for _ in range(10)]
    async with talking(served) as client:
        await client.send("subscribe", id="all", events={}, after="")
        for id in ids:
            await client.send("subscribe", id=id, execution=id)
        seqs: dict[tuple[str, str], list[int]] = defaultdict(list)
        ended = 0
        while ended < 10 or sum(len(s) for (under, _), s in seqs.items() if under == "all") < 50:
            frame = await client.read("event", "ended")
            ended += frame["type"] == "ended"
            if frame.get("event", {}).get("seq"):
                event = frame["event"]
                seqs[frame["id"], event["execution_id"]].append(event["seq"])
    for id in ids:
        assert seqs[id, id] == seqs["all", id] == [1, 2, 3, 4, 5]


async def test_nobody_hears_of_what_is_not_there_for_them(served: Served) -> None:
    hidden = await run(served, LOUD)
    await served.tenants.app().wait(hidden)
    served.keys["scoped"] = await issued(served.tenants, "", "viewer", "my-*")  # type: ignore[index]
    mine = await run(served, {**LOUD, "name": "my-own"})
    for role in ("scoped", "other admin"):
        async with talking(served, role) as client:
            await client.send("subscribe", id="s", execution=hidden)
            frame = await client.read("error", "event")
            assert (frame["id"], frame["error"]["code"]) == ("s", "execution_not_found")
            told = await client.ask("get_execution", id=hidden)
            assert told["error"]["code"] == "execution_not_found"
    async with talking(served, "scoped") as client:
        await client.send("subscribe", id="s", events={}, after="")
        events = [(await client.read("event"))["event"] for _ in range(5)]
    assert {event["execution_id"] for event in events} == {mine}


@pytest.mark.parametrize(
    "wanted",
    [
        {"execution": "x"},
        {"execution": "0" * 8 + "-0000" * 3 + "-" + "0" * 12},
        {"execution": "\x00"},
        {"execution": "x" * 10_000},
        {"events": {"types": ["Token"]}},
        {"events": {"types": ["x"]}},
        {"events": {}, "after": "x"},
        {"events": {}, "after": "1|a"},
    ],
)
async def test_what_cannot_be_subscribed_to_is_told_and_the_connection_stays(
    served: Served, wanted: dict[str, Any]
) -> None:
    async with talking(served) as client:
        await client.send("subscribe", id="s", **wanted)
        frame = await client.read()
        assert (frame["type"], frame["id"]) == ("error", "s")
        assert frame["error"]["code"] in ("execution_not_found", "invalid_input")
        await client.send("ping")
        assert await client.read() == {"type": "pong"}


@pytest.mark.parametrize("after", [-1, "x", "-1", "1.0", "٣"])
async def test_a_place_in_an_execution_is_a_number(served: Served, after: Any) -> None:
    id = await run(served, LOUD)
    async with talking(served) as client:
        await client.send("subscribe", id="s", execution=id, after=after)
        assert (await client.read())["error"]["code"] == "invalid_input"


async def test_a_quiet_connection_says_so_and_how_far_its_streams_have_come(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT", 0.3)
    id = await run(served, ASKS)
    async with talking(served) as client:
        await client.send("subscribe", id="s", events={"workflow": "none"}, after="")
        cursor = (await client.read("ping"))["cursors"]["s"]
        assert "cursors" not in await client.read("ping")
        await served.tenants.app().manager.stop(id)
        await client.send("subscribe", id="t", events={}, after=cursor)
        assert (await client.read("event"))["event"]["seq"] == 6


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
