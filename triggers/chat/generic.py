"""Any program that speaks JSON as a chat platform: it posts what people say, signed, and is sent
what is to be shown, signed likewise (standardwebhooks.com)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from ...graphs.errors import ConfigurationError, InvalidInput, NotAuthenticated
from .adapter import (
    Acknowledgement,
    Action,
    Card,
    Conversation,
    Incoming,
    Message,
    Person,
    Receive,
    Ref,
)
from .sending import Caller

NAME = "json"


def json_adapter(given: Mapping[str, str]) -> JsonAdapter:
    """Of ASSAY_JSON_SECRET and ASSAY_JSON_URL. Raises `ConfigurationError`."""
    secret, url = given.get("ASSAY_JSON_SECRET"), given.get("ASSAY_JSON_URL")
    if not secret or not url:
        raise ConfigurationError(
            "the chat platform json needs ASSAY_JSON_SECRET, which both sides sign with, and "
            "ASSAY_JSON_URL, where replies are posted"
        )
    return JsonAdapter(secret, url)


class JsonAdapter:
    """A message is `{"type": "message", "id", "person": {"id", "name"}, "channel", "thread",
    "text", "mention"}`, a click `{"type": "action", …, "value", "message"}`."""

    name = NAME
    pace = 0.5

    def __init__(self, secret: str, url: str) -> None:
        """`secret` as `whsec_…`, or any other text. Raises `ConfigurationError`."""
        try:
            self._signing = Webhook(secret if secret.startswith("whsec_") else secret.encode())
        except (ValueError, EmptyWebhookSecretError) as error:
            raise ConfigurationError(f"ASSAY_JSON_SECRET is no secret: {error}") from None
        self._url = url
        self._caller = Caller(NAME)

    async def accept(
        self, headers: Mapping[str, str], body: bytes, receive: Receive
    ) -> Acknowledgement:
        try:
            self._signing.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:
            raise NotAuthenticated(f"The signature does not hold: {error}") from None
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise InvalidInput("The body must be a JSON mapping.") from None
        await receive(_incoming(said))
        return Acknowledgement(202, b"{}")

    async def listen(self, receive: Receive) -> None:
        """Nothing: the other side comes to us."""
        del receive

    async def post(
        self, conversation: Conversation, card: Card, *, key: str, only: Person | None = None
    ) -> Ref:
        more = {"key": key, "only": None if only is None else only.id}
        answered = await self._send("post", conversation, card, more)
        thread = str(answered.get("thread") or conversation.thread)
        place = Conversation(NAME, conversation.team, conversation.channel, thread)
        return Ref(place, str(answered.get("id") or key))

    async def find(self, conversation: Conversation, key: str) -> Ref | None:
        """Nothing: the other side takes a `key` that comes again for the same message."""
        del conversation, key
        return None

    async def update(self, ref: Ref, card: Card) -> None:
        await self._send("update", ref.conversation, card, {"message": ref.id})

    async def close(self) -> None:
        await self._caller.close()

    async def _send(
        self, type: str, conversation: Conversation, card: Card, more: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        shown = {
            "text": card.text,
            "fields": [list(field) for field in card.fields],
            "buttons": [{"text": b.text, "value": b.value, "style": b.style} for b in card.buttons],
        }
        place = {
            "team": conversation.team,
            "channel": conversation.channel,
            "thread": conversation.thread,
        }
        body = orjson.dumps({"type": type, **place, **shown, **more})
        id, now = f"msg_{uuid4().hex}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signing.sign(id, now, body.decode()),
        }
        return await self._caller.post(self._url, body, headers)


def _incoming(said: Any) -> Incoming:
    """Raises `InvalidInput` that says what is missing."""
    if not isinstance(said, Mapping):
        raise InvalidInput("The body must be a JSON mapping.")
    who = said.get("person")
    if not isinstance(who, Mapping):
        raise InvalidInput("`person` must be a mapping with an `id`.")
    team = _text(said, "team", "")
    person = Person(NAME, team, _text(who, "id"), _text(who, "name", ""))
    place = Conversation(NAME, team, _text(said, "channel"), _text(said, "thread", ""))
    id, at = _text(said, "id"), _text(said, "at", "")
    match said.get("type"):
        case "message":
            mention = said.get("mention", True) is True
            return Message(id, person, place, _text(said, "text"), mention, at)
        case "action":
            ref = Ref(place, _text(said, "message", ""))
            return Action(id, person, place, _text(said, "value"), ref, at)
    raise InvalidInput("`type` must be `message` or `action`.")


def _text(said: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = said.get(name, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or (not value and default is None):
        raise InvalidInput(f"`{name}` must be text.")
    return value
