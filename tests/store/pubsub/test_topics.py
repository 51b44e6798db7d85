"""Topics in a project: made where they may be, and else one line says what to do."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from tests.emulators import VARIABLES, Emulators
from tests.gatekeeper import DENIED, gatekeeper

from assay.graphs.errors import StoreError
from assay.store.pubsub.client import Client
from assay.store.pubsub.topics import PubSubTopics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
async def topics(bare_project: str) -> AsyncIterator[PubSubTopics]:
    opened = PubSubTopics(bare_project)
    yield opened
    await opened.close()


async def test_topic_and_subscription_are_made_when_there_are_none(
    topics: PubSubTopics, bare_project: str
) -> None:
    client = await Client.open(bare_project)
    async with topics.subscribe("orders", "mine"):
        assert await client.has_topic("orders")
        assert await client.topic_of("mine") == "orders"
    async with topics.subscribe("orders", "mine"):
        pass
    await client.close()


async def test_a_subscription_of_another_topic_is_not_taken_for_ours(topics: PubSubTopics) -> None:
    async with topics.subscribe("orders", "mine"):
        pass
    with pytest.raises(StoreError, match="reads the topic orders instead of bills"):
        async with topics.subscribe("bills", "mine"):
            pass


async def test_a_subscription_that_somebody_deletes_is_made_again(
    topics: PubSubTopics, bare_project: str
) -> None:
    client = await Client.open(bare_project)
    async with topics.subscribe("orders", "mine") as inlet:
        await client.unsubscribe("mine")
        assert await inlet.pull() == []
        await topics.publish("orders", b"1")
        async with asyncio.timeout(60):
            while not (found := await inlet.pull()):
                pass
        assert [each.data for each in found] == [b"1"]
    await client.close()


async def test_who_may_not_subscribe_is_told_what_is_missing(
    emulated: Emulators, bare_project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gatekeeper(os.environ[VARIABLES["pubsub"]]) as keeper:
        monkeypatch.setenv(VARIABLES["pubsub"], keeper.address)
        opened = PubSubTopics(bare_project)
        keeper.refuse(DENIED)
        with pytest.raises(StoreError, match=r"lacks the permission pubsub\.\w+") as raised:
            async with opened.subscribe("orders", "mine") as inlet:
                await inlet.pull()
        assert "\n" not in raised.value.message
        await opened.close()
