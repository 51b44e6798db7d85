"""A stand-in for Slack, and the adapter that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from assay.graphs.errors import StoreUnavailable
from assay.triggers.chat.adapter import Incoming
from assay.triggers.chat.slack.adapter import Slack

from .server import SECRET, SlackServer, slack_server


class Kept:
    """What was handed on, each thing once, as a durable place keeps it."""

    def __init__(self) -> None:
        self.by_id: dict[str, Incoming] = {}
        self.full = False

    @property
    def all(self) -> list[Incoming]:
        return list(self.by_id.values())

    async def __call__(self, said: Incoming) -> None:
        if self.full:
            raise StoreUnavailable("no space is left")
        self.by_id.setdefault(said.id, said)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with slack_server() as slack:
        yield slack


@pytest.fixture
async def adapter(slack: SlackServer) -> AsyncIterator[Slack]:
    """Over HTTP and over a socket."""
    made = Slack("xoxb-1", secret=SECRET, app_token="xapp-1", url=slack.url, pulse=0.2)
    try:
        yield made
    finally:
        await made.close()
