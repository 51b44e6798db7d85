"""What the adapter posts: once each, within Slack's limits, and at the pace that Slack asks for."""

from __future__ import annotations

import pytest

from assay.graphs.errors import PlatformRefused, PlatformUnavailable
from assay.triggers.chat.adapter import Button, Card, Conversation, Person, Streaming
from assay.triggers.chat.slack import growing
from assay.triggers.chat.slack.adapter import Slack
from assay.triggers.chat.slack.web import Web

from .server import TEAM, SlackServer

pytestmark = pytest.mark.anyio

THREAD = Conversation("slack", TEAM, "C1", "1.0")
DIRECT = Conversation("slack", TEAM, "D1", "1.0")
ANN = Person("slack", TEAM, "U1", "ann")


async def test_a_card_is_posted_in_its_thread_and_changed_in_its_place(
    adapter: Slack, slack: SlackServer
) -> None:
    ref = await adapter.post(THREAD, Card("**Begun**", [("Step", "1")]), key="status")
    await adapter.update(ref, Card("Done", buttons=[Button("Again", "again:1")]))

    (message,) = slack.posted
    assert (message.channel, message.thread, message.ts) == ("C1", "1.0", ref.id)
    assert message.versions == ["*Begun*\n*Step*\n1", "Done"]
    assert message.buttons == {"Again": "again:1"}


async def test_an_answer_to_a_command_opens_a_thread_of_its_own(
    adapter: Slack, slack: SlackServer
) -> None:
    ref = await adapter.post(Conversation("slack", TEAM, "C1"), Card("Begun"), key="status")
    await adapter.post(ref.conversation, Card("Done"), key="result")

    begun, done = slack.posted
    assert (begun.thread, done.thread) == ("", begun.ts)


async def test_what_is_for_one_person_is_seen_by_that_one_alone(
    adapter: Slack, slack: SlackServer
) -> None:
    await adapter.post(THREAD, Card("You may not do that."), key="no", only=ANN)

    (message,) = slack.posted
    assert (message.only, message.thread) == ("U1", "1.0")


async def test_in_a_direct_message_there_is_nobody_else_to_see_it(
    adapter: Slack, slack: SlackServer
) -> None:
    """And an ordinary message is there tomorrow, too."""
    await adapter.post(DIRECT, Card("You may not do that."), key="no", only=ANN)

    assert [(message.only, message.channel) for message in slack.posted] == [("", "D1")]


async def test_addresses_in_a_card_are_not_looked_up_by_slack(
    adapter: Slack, slack: SlackServer
) -> None:
    await adapter.post(THREAD, Card("See https://a.b/c"), key="status")

    (asked,) = slack.asked("chat.postMessage")
    assert (asked["unfurl_links"], asked["unfurl_media"]) == (False, False)


async def test_where_the_bot_is_not_in_the_channel_a_person_is_told_directly(
    adapter: Slack, slack: SlackServer
) -> None:
    slack.refused["chat.postEphemeral"] = "user_not_in_channel"

    await adapter.post(THREAD, Card("You may not do that."), key="no", only=ANN)

    assert [message.channel for message in slack.posted] == ["U1"]


@pytest.mark.parametrize("thread", ["1.0", ""])
async def test_what_was_posted_before_a_crash_is_found_by_its_key(
    adapter: Slack, slack: SlackServer, thread: str
) -> None:
    """Among others, on whichever page of the thread it stands."""
    where = Conversation("slack", TEAM, "C1", thread)
    refs = [await adapter.post(where, Card(f"{n}"), key=f"key-{n}") for n in range(5)]

    assert [await adapter.find(where, f"key-{n}") for n in range(5)] == refs
    assert await adapter.find(where, "key-9") is None


async def test_a_post_whose_answer_was_lost_is_not_posted_twice(
    adapter: Slack, slack: SlackServer
) -> None:
    slack.lost["chat.postMessage"] = 1
    with pytest.raises(PlatformUnavailable):
        await adapter.post(THREAD, Card("Done"), key="result")

    ref = await adapter.post(THREAD, Card("Done"), key="result")

    assert [message.ts for message in slack.posted] == [ref.id]


async def test_slack_is_left_alone_for_as_long_as_it_asks(slack: SlackServer) -> None:
    now = 100.0
    web = Web("xoxb-1", slack.url, now=lambda: now)
    slack.busy["chat.postMessage"] = [30]

    async def waits() -> float:
        with pytest.raises(PlatformUnavailable) as caught:
            await web.call("chat.postMessage", channel="C1", text="Done")
        return caught.value.wait

    assert await waits() == 30
    now += 20
    assert await waits() == 10
    assert len(slack.calls) == 1

    now += 10
    await web.call("chat.postMessage", channel="C1", text="Done")
    assert len(slack.posted) == 1
    await web.close()


async def test_one_busy_method_does_not_hold_up_the_others(
    adapter: Slack, slack: SlackServer
) -> None:
    ref = await adapter.post(THREAD, Card("Begun"), key="status")
    slack.busy["chat.update"] = [30]
    with pytest.raises(PlatformUnavailable):
        await adapter.update(ref, Card("Step 1"))

    await adapter.post(THREAD, Card("Done"), key="result")

    assert [message.text for message in slack.posted] == ["Begun", "Done"]


@pytest.mark.parametrize("why", ["", "internal_error", "service_unavailable"])
async def test_a_server_that_is_broken_may_be_asked_again(
    adapter: Slack, slack: SlackServer, why: str
) -> None:
    if why:
        slack.refused["chat.postMessage"] = why
    else:
        slack.broken["chat.postMessage"] = 1
    with pytest.raises(PlatformUnavailable):
        await adapter.post(THREAD, Card("Done"), key="result")
    slack.refused.clear()

    await adapter.post(THREAD, Card("Done"), key="result")

    assert len(slack.posted) == 1


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        ("not_in_channel", "invite the bot"),
        ("missing_scope", "docs/triggers.md"),
        ("invalid_auth", "ASSAY_SLACK_BOT_TOKEN"),
        ("restricted_action", "restricted_action"),
    ],
)
async def test_what_slack_refuses_is_told_with_what_to_do(
    adapter: Slack, slack: SlackServer, why: str, hint: str
) -> None:
    slack.refused["chat.postMessage"] = why

    with pytest.raises(PlatformRefused, match=f"chat.postMessage: {why}|{hint}") as caught:
        await adapter.post(THREAD, Card("Done"), key="result")

    assert hint in caught.value.message
    assert "xoxb" not in str(caught.value)


async def test_where_nobody_answers_it_may_be_tried_again() -> None:
    adapter = Slack("xoxb-1", secret="x", url="http://127.0.0.1:9/api/")

    with pytest.raises(PlatformUnavailable, match=r"does not answer chat\.postMessage"):
        await adapter.post(THREAD, Card("Done"), key="result")
    await adapter.close()
    await adapter.close()


async def test_in_a_direct_message_a_text_grows_as_slack_lets_texts_grow(
    adapter: Slack, slack: SlackServer
) -> None:
    assert isinstance(adapter, Streaming)
    ref = await adapter.begin(DIRECT, ANN, key="answer")
    await adapter.append(ref, "Three tests ")
    await adapter.append(ref, "are missing, <!channel>" + "!" * 20_000)
    await adapter.end(ref, Card("", [("Cost", "$0.02")]))

    (message,) = slack.posted
    assert (message.thread, message.streaming) == ("1.0", False)
    assert message.text == "Three tests are missing, <\u200b!channel>" + "!" * 20_000
    assert message.shown == "*Cost*\n$0.02"
    assert slack.asked("chat.update") == []


async def test_in_a_channel_everybody_sees_a_text_grow(adapter: Slack, slack: SlackServer) -> None:
    """Slack would show its own stream to one person alone until its end."""
    ref = await adapter.begin(THREAD, ANN, key="answer")
    await adapter.append(ref, "Three *tests* ")
    await adapter.append(ref, "are missing, <!channel>")
    await adapter.end(ref)

    (message,) = slack.posted
    assert message.versions == [
        "…",
        "Three _tests_ ",
        "Three _tests_ are missing, &lt;!channel&gt;",
    ]
    assert await adapter.find(THREAD, "answer") == ref
    assert slack.asked("chat.startStream") == []


async def test_a_stream_that_slack_ended_itself_goes_on_in_its_place(
    adapter: Slack, slack: SlackServer
) -> None:
    """It does so after some minutes, whether or not more was to come."""
    ref = await adapter.begin(DIRECT, ANN, key="answer")
    await adapter.append(ref, "Three tests ")
    slack.posted[0].streaming = False

    await adapter.append(ref, "are missing")
    await adapter.append(ref, ".")
    await adapter.end(ref)

    assert slack.posted[0].versions[1:] == ["Three tests are missing", "Three tests are missing."]


async def test_a_piece_of_a_stream_that_may_have_arrived_does_not_stand_there_twice(
    adapter: Slack, slack: SlackServer
) -> None:
    ref = await adapter.begin(DIRECT, ANN, key="answer")
    await adapter.append(ref, "Three ")
    slack.lost["chat.appendStream"] = 1
    with pytest.raises(PlatformUnavailable):
        await adapter.append(ref, "tests")

    await adapter.append(ref, "tests")
    await adapter.append(ref, " are missing")
    await adapter.end(ref)

    assert slack.posted[0].shown == "Three tests are missing"


async def test_of_a_long_piece_only_what_did_not_arrive_is_sent_again(
    adapter: Slack, slack: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "PIECE", 4)
    ref = await adapter.begin(DIRECT, ANN, key="answer")
    slack.answers["chat.appendStream"], slack.broken["chat.appendStream"] = 1, 1
    with pytest.raises(PlatformUnavailable):
        await adapter.append(ref, "0123456789")

    await adapter.append(ref, "0123456789abc")
    await adapter.append(ref, ".")

    assert slack.posted[0].shown == "0123456789abc."


@pytest.mark.parametrize("where", [THREAD, DIRECT], ids=["channel", "direct"])
async def test_a_text_goes_on_after_a_restart(slack: SlackServer, where: Conversation) -> None:
    before, after = (Slack("xoxb-1", secret="x", url=slack.url) for _ in range(2))
    ref = await before.begin(where, ANN, key="answer")
    await before.append(ref, "Three tests ")
    await before.close()

    await after.append(ref, "are missing")
    (message,) = slack.posted
    assert where is DIRECT or message.shown == "… are missing"
    await after.end(ref, Card("Three tests are missing"))
    await after.close()

    assert not message.streaming
    assert (message.text if where is DIRECT else message.shown) == "Three tests are missing"


@pytest.mark.parametrize("why", ["message_not_found", "edit_window_closed"])
async def test_a_message_that_cannot_be_changed_any_more_keeps_nobody_from_the_next(
    adapter: Slack, slack: SlackServer, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    ref = await adapter.post(THREAD, Card("Begun"), key="status")
    slack.refused["chat.update"] = why

    await adapter.update(ref, Card("Done"))

    assert slack.posted[0].versions == ["Begun"]
    assert why in caplog.text
