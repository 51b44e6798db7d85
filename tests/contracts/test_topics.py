"""What every `Topics` owes: a message is there until somebody has settled it."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import pytest

from assay.store.buses import connect_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from assay.graphs.topics import Delivery, Inlet, Topics

pytestmark = pytest.mark.anyio

PATIENCE = 60


@pytest.fixture(params=["local", "pubsub"])
async def topics(request: pytest.FixtureRequest) -> AsyncIterator[Topics]:
    url = "local"
    if request.param == "pubsub":
        request.getfixturevalue("emulated")
        url = f"pubsub://test-{secrets.token_hex(8)}"
    opened = connect_topics(url)
    yield opened
    await opened.close()


async def pulled(inlet: Inlet, wanted: int) -> Sequence[Delivery]:
    """So many different messages, none of them settled."""
    found: dict[str, Delivery] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < wanted:
            found.update({each.id: each for each in await inlet.pull()})
    return list(found.values())


async def test_a_message_comes_as_it_was_published(topics: Topics) -> None:
    async with topics.subscribe("orders", "mine") as inlet:
        await topics.publish("orders", b'{"n": 1}', attributes={"Kind": "a"}, key="k")
        (delivery,) = await pulled(inlet, 1)
        said = (delivery.data, delivery.attributes, delivery.key)
        assert said == (b'{"n": 1}', {"Kind": "a"}, "k")
        assert delivery.id


async def test_each_subscription_is_given_every_message(topics: Topics) -> None:
    async with topics.subscribe("orders", "one") as one, topics.subscribe("orders", "two") as two:
        for data in (b"1", b"2"):
            await topics.publish("orders", data)
        for inlet in (one, two):
            assert {each.data for each in await pulled(inlet, 2)} == {b"1", b"2"}


async def test_those_of_one_subscription_share_its_messages(topics: Topics) -> None:
    async with topics.subscribe("orders", "one") as one, topics.subscribe("orders", "one") as two:
        await topics.publish("orders", b"1")
        pulling = [asyncio.ensure_future(inlet.pull()) for inlet in (one, two)]
        async with asyncio.timeout(PATIENCE):
            done, left = await asyncio.wait(pulling, return_when=asyncio.FIRST_COMPLETED)
        (first,) = [each for pull in done for each in pull.result()]
        await one.settle([first])
        await topics.publish("orders", b"2")
        async with asyncio.timeout(PATIENCE):
            (second,) = await next(iter(left)) if left else await one.pull()
        assert {first.data, second.data} == {b"1", b"2"}


async def test_what_is_given_back_comes_again_and_what_is_settled_does_not(topics: Topics) -> None:
    async with topics.subscribe("orders", "mine") as inlet:
        for number in range(4):
            await topics.publish("orders", str(number).encode())
        found = {each.data: each for each in await pulled(inlet, 4)}
        taken, back = [found[b"0"], found[b"2"]], [found[b"1"], found[b"3"]]
        await inlet.settle(taken, back)
        again = await pulled(inlet, 2)
        assert {(each.id, each.data) for each in again} == {(each.id, each.data) for each in back}


async def test_messages_of_one_key_come_in_the_order_of_their_publishing(topics: Topics) -> None:
    async with topics.subscribe("orders", "mine") as inlet:
        for number in range(12):
            await topics.publish("orders", b"%d" % (number // 2), key="ab"[number % 2])
        found = await pulled(inlet, 12)
        for key in "ab":
            assert [each.data for each in found if each.key == key] == [b"%d" % n for n in range(6)]


async def test_a_subscription_waits_for_whoever_opens_it_next(topics: Topics) -> None:
    async with topics.subscribe("orders", "mine"):
        pass
    await topics.publish("orders", b"1")
    async with topics.subscribe("orders", "mine") as inlet:
        (delivery,) = await pulled(inlet, 1)
        assert delivery.data == b"1"
