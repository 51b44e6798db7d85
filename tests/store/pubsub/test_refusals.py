"""A role is withdrawn, a credential expires, a topic goes: said once, and made up for later."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from tests.emulators import VARIABLES, Emulators
from tests.gatekeeper import DENIED, EXPIRED, Gatekeeper, Refusal, gatekeeper

from assay.graphs.errors import StoreError
from assay.graphs.event import Event, EventType
from assay.store.pubsub.bus import PubSubBus
from assay.store.pubsub.setup import setup

pytestmark = pytest.mark.anyio


@pytest.fixture
async def keeper(emulated: Emulators, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gatekeeper]:
    async with gatekeeper(os.environ[VARIABLES["pubsub"]]) as keeper:
        monkeypatch.setenv(VARIABLES["pubsub"], keeper.address)
        yield keeper


def event(seq: int) -> Event:
    return Event("e", EventType.NOTICE, "2026-01-01T00:00:00Z", "a", {}, seq)


@pytest.mark.parametrize(
    ("refusal", "way_on"),
    [
        pytest.param(EXPIRED, "gcloud auth application-default login", id="expired"),
        pytest.param(DENIED, "roles/pubsub.editor", id="denied"),
    ],
)
async def test_events_published_meanwhile_arrive_when_it_may_again(
    keeper: Gatekeeper,
    bare_project: str,
    caplog: pytest.LogCaptureFixture,
    refusal: Refusal,
    way_on: str,
) -> None:
    await setup(bare_project)
    one, other = await PubSubBus.open(bare_project), await PubSubBus.open(bare_project)
    there = other.subscribe("e")
    assert await other.hears(60)
    keeper.refuse(refusal)
    one.publish([event(1)])
    await asyncio.wait_for(keeper.refused.wait(), 60)
    keeper.admit()
    async with asyncio.timeout(60):
        assert await anext(there) == event(1)
    await one.close()
    await other.close()
    said = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert any(way_on in line for line in said), said
    assert all("\n" not in line for line in said)


async def test_a_missing_topic_is_named_with_the_command_that_makes_it(
    keeper: Gatekeeper, bare_project: str
) -> None:
    with pytest.raises(StoreError, match="assay bus setup") as raised:
        await PubSubBus.open(bare_project)
    assert "\n" not in raised.value.message
