"""What Slack's requests mean: messages and clicks of people, or nothing that concerns us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ..adapter import Action, Conversation, Incoming, Message, Person, Ref
from .mrkdwn import plain

NAME = "slack"

Body: TypeAlias = Mapping[str, Any]

_SPOKEN = (None, "file_share", "thread_broadcast")
"""Subtypes of messages that people write; edits, deletions and notices have others."""


def incoming(body: Body) -> Incoming | None:
    """What a verified request of Slack says, if a person said it to us.

    A message is known by channel and time, not by the event's id: one that mentions the bot
    comes twice, as `app_mention` and as `message`.
    """
    if body.get("type") == "event_callback":
        return _message(body, _mapping(body.get("event")))
    if body.get("type") == "block_actions":
        return _click(body)
    return _command(body) if body.get("command") else None


def bot_of(body: Body) -> str:
    """The user id of the bot that an event was sent to; empty when it does not say."""
    bots = (_text(who, "user_id") for who in _items(body, "authorizations") if who.get("is_bot"))
    return next(bots, "")


def _message(body: Body, event: Body) -> Message | None:
    kind, bot = event.get("type"), bot_of(body)
    if kind not in ("message", "app_mention") or not _of_a_person(event):
        return None
    channel, ts, written = (_text(event, name) for name in ("channel", "ts", "text"))
    if not channel or not ts:
        return None
    thread = _text(event, "thread_ts")
    mention = kind == "app_mention" or event.get("channel_type") == "im"
    mention = mention or (bool(bot) and f"<@{bot}" in written)
    if not mention and not thread:
        return None
    workspace = _text(body, "team_id")
    team = _text(event, "user_team") or _text(event, "team")
    return Message(
        id="/".join((workspace, channel, ts)),
        person=_person(event, team, workspace, shared=body.get("is_ext_shared_channel") is True),
        conversation=Conversation(NAME, workspace, channel, thread or ts),
        text=plain(written, bot),
        mention=mention,
        at=_time(ts),
    )


def _person(event: Body, team: str, workspace: str, *, shared: bool) -> Person:
    """In a channel that companies share, whoever does not say where they are of is a guest."""
    guest = team != workspace if team else shared
    return Person(NAME, team or workspace, _text(event, "user"), guest=guest)


def _of_a_person(event: Body) -> bool:
    """Not of a bot, ours or another, and not told again because somebody changed it."""
    return bool(
        event.get("user")
        and event.get("user") != "USLACKBOT"
        and event.get("subtype") in _SPOKEN
        and not any(event.get(name) for name in ("bot_id", "bot_profile", "edited", "hidden"))
    )


def _command(body: Body) -> Message | None:
    channel, user, trigger = (_text(body, name) for name in ("channel_id", "user_id", "trigger_id"))
    if not channel or not user or not trigger:
        return None
    team = _text(body, "team_id")
    return Message(
        id=f"{_text(body, 'command')}/{trigger}",
        person=Person(NAME, team, user, _text(body, "user_name")),
        conversation=Conversation(NAME, team, channel),
        text=plain(_text(body, "text")) or "help",
        mention=True,
    )


def _click(body: Body) -> Action | None:
    pressed: Body = next(iter(_items(body, "actions")), {})
    user, shown, place, channel = (
        _mapping(body.get(name)) for name in ("user", "message", "container", "channel")
    )
    where = _text(channel, "id") or _text(place, "channel_id")
    ts = _text(shown, "ts") or _text(place, "message_ts")
    value, who, trigger = _text(pressed, "value"), _text(user, "id"), _text(body, "trigger_id")
    if not (where and ts and value and who):
        return None
    workspace = _text(_mapping(body.get("team")), "id") or _text(user, "team_id")
    team = _text(user, "team_id") or workspace
    thread = _text(shown, "thread_ts") or _text(place, "thread_ts") or ts
    conversation = Conversation(NAME, workspace, where, thread)
    at = _text(pressed, "action_ts")
    return Action(
        id=f"click/{trigger or f'{where}/{ts}/{who}/{at}'}",
        person=Person(NAME, team, who, _text(user, "username"), guest=team != workspace),
        conversation=conversation,
        value=value,
        ref=Ref(conversation, ts),
        at=_time(at),
    )


def _mapping(value: object) -> Body:
    return value if isinstance(value, Mapping) else {}


def _items(body: Body, name: str) -> Sequence[Body]:
    value = body.get(name)
    return [_mapping(item) for item in value] if isinstance(value, list) else []


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _time(ts: str) -> str:
    """Slack's seconds since 1970 as RFC 3339; empty when they are none."""
    try:
        return datetime.fromtimestamp(float(ts), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
