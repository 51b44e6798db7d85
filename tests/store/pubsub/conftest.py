"""A project of its own on the emulator for each test, with or without a bus in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.emulators import Emulators

from assay.store.pubsub.bus import PubSubBus
from assay.store.pubsub.client import Client
from assay.store.pubsub.setup import setup


@pytest.fixture
def bare_project(emulated: Emulators) -> str:
    """Nobody else's, and nothing is in it."""
    return f"test-{secrets.token_hex(8)}"


@pytest.fixture
async def project(bare_project: str) -> str:
    """With everything that the bus needs."""
    await setup(bare_project)
    return bare_project


@pytest.fixture
async def two_buses(project: str) -> AsyncIterator[tuple[PubSubBus, PubSubBus]]:
    """As in two processes."""
    async with AsyncExitStack() as stack:
        one, other = await PubSubBus.open(project), await PubSubBus.open(project)
        stack.push_async_callback(one.close)
        stack.push_async_callback(other.close)
        yield one, other


@pytest.fixture
async def stranger(project: str) -> AsyncIterator[Client]:
    """Somebody with access to the project who is no bus."""
    client = await Client.open(project)
    yield client
    await client.close()
