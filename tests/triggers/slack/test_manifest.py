"""The app of Slack's that the documentation shows is the one that the adapter needs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

HOUSE = Path(__file__).resolve().parents[3]

NEEDS = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "chat.startStream": "chat:write",
    "chat.appendStream": "chat:write",
    "chat.stopStream": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "auth.test": "",
    "apps.connections.open": "",  # the app token's own: connections:write
}
"""The scope of each method, and of each event, as Slack's reference has it."""

HEARD = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
}


@pytest.fixture
def manifest() -> dict[str, Any]:
    section = (HOUSE / "docs/triggers.md").read_text().partition("### Slack\n")[2]
    found = re.search(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def test_its_scopes_are_those_of_what_is_called_and_heard_and_no_others(
    manifest: dict[str, Any],
) -> None:
    sources = (HOUSE / "triggers/chat/slack").glob("*.py")
    called = {
        method
        for source in sources
        for method in re.findall(
            r'"((?:chat|conversations|auth|apps\.connections)\.\w+)"', source.read_text()
        )
    }
    assert called == set(NEEDS)

    scopes = manifest["oauth_config"]["scopes"]["bot"]
    assert set(scopes) == {*NEEDS.values(), *HEARD.values(), "commands"} - {""}
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == set(HEARD)


def test_all_of_it_comes_to_the_one_address_that_takes_it(manifest: dict[str, Any]) -> None:
    (command,) = manifest["features"]["slash_commands"]
    settings = manifest["settings"]
    addresses = {
        command["url"],
        settings["event_subscriptions"]["request_url"],
        settings["interactivity"]["request_url"],
    }

    assert {address.partition("example.com")[2] for address in addresses} == {"/chat/slack"}
    assert settings["interactivity"]["is_enabled"]
    assert manifest["features"]["app_home"]["messages_tab_enabled"]
    assert not manifest["features"]["app_home"]["messages_tab_read_only_enabled"]
