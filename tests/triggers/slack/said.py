"""Payloads of Slack's, as it sends them when people write and click."""

from __future__ import annotations

from typing import Any

from .server import BOT, TEAM

Body = dict[str, Any]


def event(event: Body, *, id: str = "Ev1") -> Body:
    return {
        "type": "event_callback",
        "team_id": TEAM,
        "api_app_id": "A1",
        "event_id": id,
        "event": event,
        "authorizations": [{"team_id": TEAM, "user_id": BOT, "is_bot": True}],
    }


def mention(text: str, ts: str, *, user: str = "U1", thread: str = "", **more: Any) -> Body:
    """Somebody writes to the bot in a channel."""
    said = {"type": "app_mention", "text": f"<@{BOT}> {text}", "user": user, "ts": ts}
    said |= {"channel": "C1", "team": TEAM, **({"thread_ts": thread} if thread else {}), **more}
    return event(said, id=f"Ev{ts}")


def message(text: str, ts: str, *, user: str = "U1", thread: str = "", **more: Any) -> Body:
    """Somebody writes in a channel."""
    said = {"type": "message", "text": text, "user": user, "ts": ts, "channel_type": "channel"}
    said |= {"channel": "C1", "team": TEAM, **({"thread_ts": thread} if thread else {}), **more}
    return event(said, id=f"EvM{ts}")


def direct(text: str, ts: str, *, user: str = "U1", thread: str = "") -> Body:
    """Somebody writes to the bot and nobody else."""
    return message(text, ts, user=user, thread=thread, channel_type="im", channel="D1")


def command(text: str, trigger: str, *, user: str = "U1") -> Body:
    """`/assay …`"""
    return {
        "command": "/assay",
        "text": text,
        "trigger_id": trigger,
        "user_id": user,
        "user_name": "ann",
        "team_id": TEAM,
        "channel_id": "C1",
        "response_url": "http://127.0.0.1:9/never",
    }


def click(
    value: str, ts: str, trigger: str, *, user: str = "U1", thread: str = "", channel: str = "C1"
) -> Body:
    """Somebody clicks on a button of the bot's message."""
    return {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": user, "username": "ann", "team_id": TEAM},
        "channel": {"id": channel},
        "container": {"type": "message", "message_ts": ts, "channel_id": channel},
        "message": {"ts": ts, **({"thread_ts": thread} if thread else {})},
        "trigger_id": trigger,
        "actions": [{"action_id": "assay-1", "value": value, "action_ts": ts}],
    }
