"""Socket Mode: nothing is lost as connections come and go, nor acknowledged too early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from assay.graphs.errors import PlatformRefused, PlatformUnavailable
from assay.triggers.chat.adapter import Incoming
from assay.triggers.chat.slack import sockets
from assay.triggers.chat.slack.adapter import Slack

from .conftest import Kept
from .said import click, command, event, mention
from .server import SlackServer

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def listening(adapter: Slack, receive: Callable[[Incoming], object]) -> AsyncIterator[None]:
    task = asyncio.create_task(adapter.listen(receive))  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_mentions_commands_and_clicks_come_over_the_socket(
    adapter: Slack, slack: SlackServer, kept: Kept
) -> None:
    async with listening(adapter, kept):
        await slack.until(lambda: slack.sockets)
        assert len(slack.asked("apps.connections.open")) == 1
        await slack.deliver(mention("one", "1.1"))
        await slack.deliver(command("two", "t.2"), "slash_commands")
        await slack.deliver(click("three", "1.3", "t.3"), "interactive")
        await slack.deliver(event({"type": "reaction_added", "user": "U1"}))

    assert [said.id for said in kept.all] == ["T1/C1/1.1", "/assay/t.2", "click/t.3"]


async def test_an_envelope_is_acknowledged_only_when_its_message_is_durable(
    adapter: Slack, slack: SlackServer
) -> None:
    came, durable = asyncio.Event(), asyncio.Event()

    async def receive(said: Incoming) -> None:
        came.set()
        await durable.wait()

    async with listening(adapter, receive):
        delivery = asyncio.create_task(slack.deliver(mention("go", "2.1")))
        await came.wait()
        assert not slack.acknowledged

        durable.set()
        await delivery


async def test_what_was_not_kept_is_sent_again(
    adapter: Slack, slack: SlackServer, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    refused = asyncio.Event()
    kept.full = True

    async def receive(said: Incoming) -> None:
        try:
            await kept(said)
        finally:
            refused.set()

    async with listening(adapter, receive):
        delivery = asyncio.create_task(slack.deliver(mention("go", "3.1")))
        await refused.wait()
        assert not slack.acknowledged
        kept.full = False
        await slack.drop()
        await delivery

    assert [said.id for said in kept.all] == ["T1/C1/3.1"]
    assert "no space is left" in caplog.text


async def test_an_envelope_that_comes_twice_is_acknowledged_twice_and_kept_once(
    adapter: Slack, slack: SlackServer, kept: Kept
) -> None:
    async with listening(adapter, kept):
        await slack.deliver(mention("go", "4.1"), times=3)

    assert len(kept.all) == 1


async def test_connections_that_break_or_are_rotated_are_opened_again(
    adapter: Slack, slack: SlackServer, kept: Kept
) -> None:
    async with listening(adapter, kept):
        await slack.deliver(mention("before", "5.1"))
        await slack.drop()
        await slack.deliver(mention("after a break", "5.2"))
        opened = len(slack.asked("apps.connections.open"))
        await slack.rotate()
        await slack.until(lambda: len(slack.asked("apps.connections.open")) > opened)
        await slack.deliver(mention("after a rotation", "5.3"))

    assert [getattr(said, "text", "") for said in kept.all] == [
        "before",
        "after a break",
        "after a rotation",
    ]


async def test_a_token_that_slack_does_not_take_is_told(slack: SlackServer, kept: Kept) -> None:
    adapter = Slack("xoxb-1", app_token="xoxb-1", url=slack.url)

    with pytest.raises(PlatformRefused, match="app token with xapp-"):
        await adapter.listen(kept)
    await adapter.close()


async def test_where_there_is_no_connection_for_long_it_gives_up(
    slack: SlackServer, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens begins it again from the start, with another address."""
    monkeypatch.setattr(sockets, "PATIENCE", 0.5)
    adapter = Slack("xoxb-1", app_token="xapp-1", url=slack.url, pulse=0.1)
    task = asyncio.create_task(adapter.listen(kept))
    await slack.until(lambda: slack.sockets)
    slack.refused["apps.connections.open"] = "internal_error"
    await slack.drop()

    with pytest.raises(PlatformUnavailable, match="lost"):
        await asyncio.wait_for(task, 60)
    await adapter.close()


async def test_a_connection_that_lasts_is_left_alone(
    slack: SlackServer, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PATIENCE", 0.3)
    adapter = Slack("xoxb-1", app_token="xapp-1", url=slack.url, pulse=0.1)
    async with listening(adapter, kept):
        await asyncio.sleep(1)
        await slack.deliver(mention("go", "7.1"))

    await adapter.close()


async def test_whoever_ends_finishes_what_came_before_the_connection_is_closed(
    adapter: Slack, slack: SlackServer, kept: Kept
) -> None:
    came, durable = asyncio.Event(), asyncio.Event()

    async def receive(said: Incoming) -> None:
        came.set()
        await durable.wait()
        await kept(said)

    task = asyncio.create_task(adapter.listen(receive))
    delivery = asyncio.create_task(slack.deliver(mention("go", "6.1")))
    await came.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=0.2)
    assert not done
    durable.set()
    await asyncio.gather(task, return_exceptions=True)
    await delivery

    assert [said.id for said in kept.all] == ["T1/C1/6.1"]


async def test_without_an_app_token_nobody_listens(slack: SlackServer, kept: Kept) -> None:
    adapter = Slack("xoxb-1", secret="x", url=slack.url)
    await adapter.listen(kept)
    await adapter.close()

    assert slack.asked("apps.connections.open") == []


async def test_a_bot_token_that_slack_does_not_take_is_told_at_the_start(
    adapter: Slack, slack: SlackServer, kept: Kept
) -> None:
    slack.refused["auth.test"] = "invalid_auth"

    with pytest.raises(PlatformRefused, match="ASSAY_SLACK_BOT_TOKEN"):
        await adapter.listen(kept)
