"""Telegram: updates by webhook, replies by the Bot API."""

from __future__ import annotations

import hmac
import html
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ...graphs.errors import (
    ConfigurationError,
    InvalidInput,
    NotAuthenticated,
    PlatformRefused,
)
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
    shortened,
)
from .sending import Caller

NAME = "telegram"
SERVER = "https://api.telegram.org"

LONGEST = 3_500
"""Characters of a text; Telegram's limit is 4096, with entities resolved."""

_TOKEN = re.compile(r"(\d+):[A-Za-z0-9_-]{20,}")
_MARKUP = re.compile(r"```(?:\w*\n)?(.*?)```|`([^`\n]+)`|\*\*([^*\n]+)\*\*", re.DOTALL)


def telegram_adapter(given: Mapping[str, str]) -> TelegramAdapter:
    """Of ASSAY_TELEGRAM_TOKEN and ASSAY_TELEGRAM_SECRET. Raises `ConfigurationError`."""
    token, secret = given.get("ASSAY_TELEGRAM_TOKEN"), given.get("ASSAY_TELEGRAM_SECRET")
    if not token or not secret:
        raise ConfigurationError(
            "the chat platform telegram needs ASSAY_TELEGRAM_TOKEN, of the bot, and "
            "ASSAY_TELEGRAM_SECRET, the secret_token that its webhook was set with"
        )
    name = given.get("ASSAY_TELEGRAM_NAME", "").lstrip("@")
    return TelegramAdapter(token, secret, name, given.get("ASSAY_TELEGRAM_URL") or SERVER)


class TelegramAdapter:
    """A conversation is a chat, or a topic of a forum."""

    name = NAME
    pace = 1.5

    def __init__(self, token: str, secret: str, name: str = "", url: str = SERVER) -> None:
        """`name` is the bot's, by which it is mentioned in groups."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise ConfigurationError("ASSAY_TELEGRAM_TOKEN is no token: it looks like 123:ABC…")
        self._bot = found[1]
        self._secret = secret
        self._name = name.casefold()
        self._url = f"{url.rstrip('/')}/bot{token}"
        self._caller = Caller(NAME)
        _hide(token)

    async def accept(
        self, headers: Mapping[str, str], body: bytes, receive: Receive
    ) -> Acknowledgement:
        shown = headers.get("x-telegram-bot-api-secret-token", "")
        if not hmac.compare_digest(shown.encode(), self._secret.encode()):
            raise NotAuthenticated("X-Telegram-Bot-Api-Secret-Token is not the one that was set.")
        update = _mapping(body)
        try:
            came = self._incoming(update)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise InvalidInput(f"This is no update of Telegram: {error!r}") from None
        if came is not None:
            await receive(came)
        if isinstance(came, Action):
            done = {"method": "answerCallbackQuery", "callback_query_id": _query(update)}
            return Acknowledgement(200, orjson.dumps(done))
        return Acknowledgement(200, b"{}")

    async def listen(self, receive: Receive) -> None:
        """Nothing: Telegram comes to us."""
        del receive

    async def post(
        self, conversation: Conversation, card: Card, *, key: str, only: Person | None = None
    ) -> Ref:
        del key, only  # Telegram knows neither
        topic = {"message_thread_id": int(conversation.thread)} if conversation.thread else {}
        answered = await self._call(
            "sendMessage", {**_place(conversation), **topic, **_shown(card)}
        )
        return Ref(conversation, str(answered.get("message_id", "")))

    async def find(self, conversation: Conversation, key: str) -> Ref | None:
        """Nothing: bots cannot read what they wrote. A crash at the wrong moment posts twice."""
        del conversation, key
        return None

    async def update(self, ref: Ref, card: Card) -> None:
        place = {**_place(ref.conversation), "message_id": int(ref.id)}
        try:
            await self._call("editMessageText", {**place, **_shown(card)})
        except PlatformRefused as error:
            if "not modified" not in error.message:
                raise

    async def close(self) -> None:
        await self._caller.close()

    async def _call(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        headers = {"content-type": "application/json"}
        body = orjson.dumps(parameters)
        answered = await self._caller.post(f"{self._url}/{method}", body, headers)
        result = answered.get("result")
        return result if isinstance(result, Mapping) else {}

    def _incoming(self, update: Mapping[str, Any]) -> Incoming | None:
        """What concerns us; None for the rest: bots, edits, joins and pictures."""
        id = str(int(update["update_id"]))
        if (query := update.get("callback_query")) is not None:
            message = query.get("message")
            if message is None or "data" not in query:
                return None
            place = self._conversation(message)
            ref = Ref(place, str(message["message_id"]))
            return Action(id, self._person(query["from"]), place, query["data"], ref)
        message = update.get("message")
        if message is None or "text" not in message or message.get("from", {}).get("is_bot", True):
            return None
        text, mention = self._addressed(message)
        at = datetime.fromtimestamp(int(message["date"]), UTC).isoformat()
        person = self._person(message["from"])
        return Message(id, person, self._conversation(message), text, mention, at)

    def _person(self, who: Mapping[str, Any]) -> Person:
        name = who.get("username") or who.get("first_name") or ""
        return Person(NAME, self._bot, str(int(who["id"])), str(name))

    def _conversation(self, message: Mapping[str, Any]) -> Conversation:
        topic = message.get("message_thread_id") if message.get("is_topic_message") else None
        chat = str(int(message["chat"]["id"]))
        return Conversation(NAME, self._bot, chat, "" if topic is None else str(int(topic)))

    def _addressed(self, message: Mapping[str, Any]) -> tuple[str, bool]:
        """The text without the bot's name, and whether the bot is meant."""
        text = str(message["text"])
        replied = (message.get("reply_to_message") or {}).get("from") or {}
        mention = message["chat"].get("type") == "private" or str(replied.get("id")) == self._bot
        first, space, rest = text.partition(" ")
        if first.startswith("/"):
            command, _, to = first[1:].partition("@")
            if to and to.casefold() != self._name:
                return text, False
            return f"{command}{space}{rest}", True
        if self._name:
            words = text.split(" ")
            kept = [word for word in words if word.casefold() != f"@{self._name}"]
            if len(kept) < len(words):
                return " ".join(kept), True
        return text, mention


def _query(update: Mapping[str, Any]) -> str:
    return str(update["callback_query"].get("id", ""))


def _place(conversation: Conversation) -> dict[str, Any]:
    return {"chat_id": int(conversation.channel)}


def _shown(card: Card) -> dict[str, Any]:
    fields = "".join(f"\n**{name}**: {value}" for name, value in card.fields)
    text = shortened(card.text, LONGEST - min(len(fields), 1000)) + shortened(fields, 1000)
    rows: Sequence[Any] = [[{"text": b.text, "callback_data": b.value}] for b in card.buttons]
    return {
        "text": _html(text) or "…",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "reply_markup": {"inline_keyboard": rows},
    }


def _html(text: str) -> str:
    """The little Markdown that cards have, and everything else as it is written."""
    parts, place = [], 0
    for found in _MARKUP.finditer(text):
        parts.append(html.escape(text[place : found.start()], quote=False))
        tag = "pre" if found[1] is not None else "code" if found[2] is not None else "b"
        inner = next(group for group in found.groups() if group is not None)
        parts.append(f"<{tag}>{html.escape(inner, quote=False)}</{tag}>")
        place = found.end()
    return "".join([*parts, html.escape(text[place:], quote=False)])


def _mapping(body: bytes) -> Mapping[str, Any]:
    try:
        update = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON: {error}") from None
    if not isinstance(update, Mapping):
        raise InvalidInput("The body must be a JSON mapping.")
    return update


def _hide(token: str) -> None:
    """The token is part of every address, and the client logs addresses."""
    logging.getLogger("httpx").addFilter(_Hidden(token))


class _Hidden(logging.Filter):
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        return self._token not in record.getMessage()
