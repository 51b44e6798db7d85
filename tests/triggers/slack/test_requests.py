"""Requests of Slack's: whose are taken, what they mean, and when they are answered."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.signature import Clock

from assay.graphs.errors import (
    AssayError,
    ConfigurationError,
    InvalidInput,
    NotAuthenticated,
    StoreUnavailable,
)
from assay.triggers.chat.adapter import Acknowledgement, Action, Conversation, Message, Person, Ref
from assay.triggers.chat.slack import slack as make
from assay.triggers.chat.slack.adapter import Slack

from .conftest import Kept
from .said import click, command, direct, event, mention, message
from .server import SECRET, TEAM, SlackServer, request, signed

pytestmark = pytest.mark.anyio

Body = dict[str, Any]
Altered = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]
THREAD = Conversation("slack", TEAM, "C1", "1700000000.000100")


async def send(adapter: Slack, kept: Kept, payload: Body) -> Acknowledgement:
    return await adapter.accept(*request(payload), kept)


async def test_a_mention_opens_a_conversation(adapter: Slack, kept: Kept) -> None:
    answer = await send(adapter, kept, mention("cover <http://a.py|a.py>", "1700000000.000100"))

    assert answer.status == 200
    assert kept.all == [
        Message(
            id="T1/C1/1700000000.000100",
            person=Person("slack", TEAM, "U1"),
            conversation=THREAD,
            text="cover a.py",
            mention=True,
            at="2023-11-14T22:13:20.000100+00:00",
        )
    ]


async def test_a_command_is_a_message_to_us(adapter: Slack, kept: Kept) -> None:
    await send(adapter, kept, command("run cover a&amp;b.py", "13.5.8"))
    await send(adapter, kept, command("  ", "13.5.9"))

    said, asked = kept.all
    assert said == Message(
        id="/assay/13.5.8",
        person=Person("slack", TEAM, "U1", "ann"),
        conversation=Conversation("slack", TEAM, "C1"),
        text="run cover a&b.py",
        mention=True,
    )
    assert isinstance(asked, Message)
    assert asked.text == "help"


async def test_a_click_says_which_button_of_which_message(adapter: Slack, kept: Kept) -> None:
    await send(adapter, kept, click("yes:1", "1700000000.2", "13.6", thread=THREAD.thread))

    (clicked,) = kept.all
    assert isinstance(clicked, Action)
    assert (clicked.value, clicked.ref) == ("yes:1", Ref(THREAD, "1700000000.2"))
    assert clicked.person == Person("slack", TEAM, "U1", "ann")


async def test_direct_messages_and_threads_are_heard_and_other_talk_is_not(
    adapter: Slack, kept: Kept
) -> None:
    await send(adapter, kept, direct("status", "1.1"))
    await send(adapter, kept, message("yes, go on", "1.2", thread="1.0"))
    await send(adapter, kept, message("what is for lunch?", "1.3"))

    assert [(said.text, said.mention) for said in kept.all if isinstance(said, Message)] == [
        ("status", True),
        ("yes, go on", False),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        mention("go", "2.1", user="UBOT"),
        message("go", "2.1", thread="2.0", bot_id="B7"),
        message("go", "2.1", thread="2.0", subtype="bot_message"),
        message("go", "2.1", thread="2.0", subtype="message_changed"),
        message("go", "2.1", thread="2.0", subtype="message_deleted"),
        message("go", "2.1", thread="2.0", subtype="channel_join"),
        mention("go", "2.1", edited={"user": "U1", "ts": "2.2"}),
        message("go", "2.1", thread="2.0", user="USLACKBOT"),
        event({"type": "reaction_added", "user": "U1"}),
        event({"type": "message"}),
        {"type": "view_submission", "user": {"id": "U1"}, "view": {"id": "V1"}},
        {"type": "block_actions", "user": {"id": "U1"}, "actions": [{"action_id": "a"}]},
    ],
)
async def test_bots_edits_and_notices_are_answered_and_forgotten(
    adapter: Slack, kept: Kept, payload: Body
) -> None:
    answer = await send(adapter, kept, payload)

    assert (answer.status, kept.all) == (200, [])


async def test_one_message_is_one_however_often_slack_tells_of_it(
    adapter: Slack, kept: Kept
) -> None:
    """Again after three seconds, and as a mention and as a message of the channel."""
    first, again = mention("go", "3.1"), message("<@UBOT> go", "3.1")
    await send(adapter, kept, first)
    headers, body = request(first)
    await adapter.accept({**headers, "x-slack-retry-num": "1"}, body, kept)
    await send(adapter, kept, again)

    (said,) = kept.all
    assert isinstance(said, Message)
    assert (said.text, said.mention) == ("go", True)


async def test_a_mention_is_one_though_nobody_says_who_the_bot_is(
    adapter: Slack, kept: Kept
) -> None:
    payload = {
        name: value for name, value in mention("go", "3.9").items() if name != "authorizations"
    }
    await send(adapter, kept, payload)

    (said,) = kept.all
    assert isinstance(said, Message)
    assert (said.text, said.mention) == ("@UBOT go", True)


@pytest.mark.parametrize(
    ("payload", "team"),
    [
        (mention("go", "4.1", user_team="T2", team="T2"), "T2"),
        (mention("go", "4.1", team="T2"), "T2"),
        (mention("go", "4.1", team="") | {"is_ext_shared_channel": True}, TEAM),
        (click("yes:1", "1.2", "t.4") | {"user": {"id": "U1", "team_id": "T2"}}, "T2"),
    ],
)
async def test_whoever_comes_from_another_workspace_is_a_guest(
    adapter: Slack, kept: Kept, payload: Body, team: str
) -> None:
    """In a channel that two companies share, the ids of one say nothing in the other."""
    await send(adapter, kept, payload)

    (said,) = kept.all
    assert (said.person.team, said.person.guest) == (team, True)
    assert said.conversation.team == TEAM


async def test_slacks_own_check_of_the_address_is_answered(adapter: Slack, kept: Kept) -> None:
    answer = await send(adapter, kept, {"type": "url_verification", "challenge": "3eZbrw1aBm"})

    assert answer.status == 200
    assert json.loads(answer.body) == {"challenge": "3eZbrw1aBm"}


async def test_slacks_published_example_of_a_signature_is_taken(kept: Kept) -> None:
    class Then(Clock):
        def now(self) -> float:
            return 1531420618 + 299

    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": (
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        ),
    }
    adapter = Slack("xoxb-1", secret="8f742231b10e8888abcd99yyyzzz85a5", clock=Then())

    assert (await adapter.accept(headers, body, kept)).status == 200
    assert [said.person.id for said in kept.all] == ["U2CERLKJA"]


def _altered(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return headers, body.replace(b"go", b"no")


def _unsigned(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return {"content-type": "application/json"}, body


@pytest.mark.parametrize(
    "given",
    [
        _altered,
        _unsigned,
        lambda _, body: (signed(body, secret="another"), body),
        lambda _, body: (signed(body, at=time.time() - 301), body),
        lambda _, body: (signed(body, at=time.time() + 400), body),
        lambda headers, body: ({**headers, "x-slack-request-timestamp": "soon"}, body),
        lambda headers, body: ({**headers, "x-slack-request-timestamp": "9" * 5000}, body),
        lambda headers, body: ({**headers, "x-slack-signature": "v0=é"}, body),
        lambda *_: (signed(b"\xff"), b"\xff"),
        lambda *_: ({}, b"ssl_check=1"),
        lambda *_: ({}, b'{"type": "url_verification", "challenge": "x"}'),
    ],
)
async def test_nobody_else_is_heard(adapter: Slack, kept: Kept, given: Altered) -> None:
    headers, body = given(*request(mention("go", "5.1")))
    with pytest.raises(NotAuthenticated):
        await adapter.accept(headers, body, kept)

    assert kept.all == []


async def test_without_a_signing_secret_no_request_is_taken_and_the_log_says_why(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = Slack("xoxb-1", app_token="xapp-1")

    for _ in range(2):
        with pytest.raises(NotAuthenticated) as caught:
            await send(adapter, kept, mention("go", "5.2"))
        assert "ASSAY" not in caught.value.message

    assert caplog.text.count("ASSAY_SLACK_SIGNING_SECRET") == 1


async def test_what_cannot_be_kept_is_not_answered_as_if_it_were(
    adapter: Slack, kept: Kept
) -> None:
    kept.full = True
    with pytest.raises(StoreUnavailable):
        await send(adapter, kept, mention("go", "6.1"))

    kept.full = False
    assert (await send(adapter, kept, mention("go", "6.1"))).status == 200


async def test_slack_is_answered_as_soon_as_a_message_is_durable_and_asks_nothing_of_slack(
    adapter: Slack, slack: SlackServer
) -> None:
    """Its three seconds are spent on one thing: keeping the message."""
    durable = asyncio.Event()

    async def receive(said: object) -> None:
        await durable.wait()

    answer = asyncio.create_task(adapter.accept(*request(mention("go", "7.1")), receive))
    done, _ = await asyncio.wait([answer], timeout=0.1)
    assert not done

    durable.set()
    assert (await answer).status == 200
    assert slack.calls == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("type", "event", "actions", "user", "team", "channel", "command"),
                        *("message", "text", "view", "enterprise", "thread_ts", "id"),
                        "authorizations",
                    ]
                ),
                inner | st.sampled_from(["event_callback", "block_actions", "message"]),
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_slack_signs_is_answered_or_told_to_be_unreadable(body: Any) -> None:
    async def tried() -> None:
        adapter, raw = Slack("xoxb-1", secret=SECRET), json.dumps(body).encode()
        try:
            answer = await adapter.accept(signed(raw), raw, Kept())
        except InvalidInput:
            return
        assert answer.status == 200

    asyncio.run(tried())


async def test_a_body_that_is_nested_too_deep_is_told_to_be_unreadable(
    adapter: Slack, kept: Kept
) -> None:
    body = b'{"a":' * 100_000

    with pytest.raises(InvalidInput, match="cannot be read"):
        await adapter.accept(signed(body), body, kept)


@pytest.mark.parametrize(
    ("environ", "lacking"),
    [
        ({}, "ASSAY_SLACK_BOT_TOKEN"),
        ({"ASSAY_SLACK_BOT_TOKEN": "xoxb-1"}, "ASSAY_SLACK_SIGNING_SECRET.*ASSAY_SLACK_APP_TOKEN"),
    ],
)
async def test_what_is_missing_is_named(environ: dict[str, str], lacking: str) -> None:
    with pytest.raises(ConfigurationError, match=lacking):
        make(environ)


async def test_without_slacks_sdk_it_says_what_to_install_and_all_else_works() -> None:
    """In an interpreter of its own, in which nothing of it can be imported."""
    program = """
import sys
for name in ("slack_bolt", "slack_sdk", "aiohttp"):
    sys.modules[name] = None
import assay.triggers.chat.adapters
from assay.graphs.errors import ConfigurationError
from assay.triggers.chat.slack import slack
try:
    slack({"ASSAY_SLACK_BOT_TOKEN": "xoxb-1", "ASSAY_SLACK_SIGNING_SECRET": "x"})
except ConfigurationError as error:
    print(error)
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert "pip install 'assay[slack]'" in done.stdout, done.stderr


async def test_what_people_write_is_not_written_to_the_log(
    adapter: Slack, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await send(adapter, kept, mention("a secret of mine", "8.1"))
        with pytest.raises(AssayError):
            await adapter.accept({}, b"a secret of mine", kept)

    assert "a secret of mine" not in caplog.text
