"""Slack as a chat platform: requests and sockets in, cards and growing texts out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock, SignatureVerifier

from ....graphs.errors import (
    InvalidInput,
    NotAuthenticated,
    PlatformRefused,
    PlatformUnavailable,
)
from ..adapter import Acknowledgement, Card, Conversation, Person, Receive, Ref
from .blocks import message
from .growing import Growing, streams
from .incoming import NAME, bot_of, incoming
from .sockets import Socket
from .web import Refused, Web, sdk_log

_log = logging.getLogger("assay.chat")

UNSURE = 1_000
"""Posts that failed half-way and are remembered, the latest."""


class Slack:
    """One app of Slack's, in one workspace. `secret` signs its requests, `bot_token` is its
    own, `app_token` opens sockets; `url` stands in for Slack's Web API."""

    name = NAME
    pace = 2.0

    def __init__(
        self,
        bot_token: str,
        *,
        secret: str = "",
        app_token: str = "",
        url: str | None = None,
        pulse: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self._web = Web(bot_token, url)
        self._app_token, self._pulse = app_token, pulse
        self._verifier = SignatureVerifier(secret, clock or Clock()) if secret else None
        self._bolt = AsyncApp(
            name="slack",  # of a logger too, whose level Bolt sets
            logger=sdk_log,
            signing_secret=secret or "unused",
            authorize=_known,
            request_verification_enabled=False,  # `accept` does it before anything is read
        )
        self._bolt.use(_take)
        self._growing = Growing(self._web)
        self._unsure: dict[str, None] = {}
        self._warned = False

    async def accept(
        self, headers: Mapping[str, str], body: bytes, receive: Receive
    ) -> Acknowledgement:
        text = self._verified(headers, body)
        try:
            request = AsyncBoltRequest(body=text, headers=dict(headers))
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise InvalidInput(f"Slack's request cannot be read: {error}") from error
        answer = await self._dispatch(request, receive)
        kind = next(iter(answer.headers.get("content-type", ())), "text/plain")
        return Acknowledgement(answer.status, (answer.body or "").encode(), kind)

    async def listen(self, receive: Receive) -> None:
        async def dispatch(request: AsyncBoltRequest) -> BoltResponse:
            return await self._dispatch(request, receive)

        await self._web.call("auth.test")  # a wrong token is told now, not at the first answer
        if self._app_token:
            await Socket(self._web, self._app_token, dispatch, self._pulse).serve()

    async def post(
        self, conversation: Conversation, card: Card, *, key: str, only: Person | None = None
    ) -> Ref:
        if only is not None and not conversation.channel.startswith("D"):
            return await self._whisper(conversation, card, only)
        if key in self._unsure and (there := await self.find(conversation, key)):
            return there
        try:
            answer = await self._web.call(
                "chat.postMessage",
                channel=conversation.channel,
                thread_ts=conversation.thread or None,
                metadata={"event_type": "assay", "event_payload": {"key": key}},
                unfurl_links=False,
                unfurl_media=False,
                **message(card),
            )
        except PlatformUnavailable as error:
            if not error.wait:
                self._remember(key)
            raise
        self._unsure.pop(key, None)
        return _ref(conversation, answer)

    async def find(self, conversation: Conversation, key: str) -> Ref | None:
        try:
            async for posted in self._posted(conversation):
                mark = posted.get("metadata") or {}
                if (mark.get("event_payload") or {}).get("key") == key:
                    return _ref(conversation, posted)
        except PlatformRefused as error:
            _log.warning("whether a message was posted before cannot be told: %s", error)
        return None

    async def update(self, ref: Ref, card: Card) -> None:
        try:
            await self._web.call(
                "chat.update", channel=ref.conversation.channel, ts=ref.id, **message(card)
            )
        except Refused as error:
            # Somebody deleted it, or the workspace forbids edits: what follows is still told.
            if error.why not in _FIXED:
                raise
            _log.warning("a message of %s stays as it is: %s", ref.conversation.key, error)

    async def begin(self, conversation: Conversation, person: Person, *, key: str) -> Ref:
        if streams(conversation):
            answer = await self._web.call(
                "chat.startStream",
                channel=conversation.channel,
                thread_ts=conversation.thread,
                recipient_team_id=person.team,
                recipient_user_id=person.id,
            )
            ref = _ref(conversation, answer)
        else:
            ref = await self.post(conversation, Card("…"), key=key)
        self._growing.began(ref)
        return ref

    async def append(self, ref: Ref, text: str) -> None:
        await self._growing.append(ref, text)

    async def end(self, ref: Ref, card: Card | None = None) -> None:
        await self._growing.end(ref, card)

    async def close(self) -> None:
        await self._web.close()

    def _verified(self, headers: Mapping[str, str], body: bytes) -> str:
        """The body as text, if its signature is Slack's and not older than five minutes."""
        when, given = (
            headers.get(f"x-slack-{name}", "") for name in ("request-timestamp", "signature")
        )
        if when.isascii() and when.isdigit() and len(when) < 16 and given.isascii():
            try:
                text = body.decode()
            except UnicodeDecodeError:
                text = None
            verifier = self._verifier
            if text is not None and verifier and verifier.is_valid(text, when, given):
                return text
        if self._verifier is None and not self._warned:
            self._warned = True
            _log.warning("requests to POST /chat/slack need ASSAY_SLACK_SIGNING_SECRET")
        raise NotAuthenticated("the signature is not Slack's, or is too old")

    async def _dispatch(self, request: AsyncBoltRequest, receive: Receive) -> BoltResponse:
        """Bolt's answer; raises what `receive` raises, which Bolt would keep to itself."""
        request.context["receive"] = receive
        request.context["bot"] = bot_of(request.body)
        answer = await self._bolt.async_dispatch(request)
        if (failed := request.context.get("failed")) is not None:
            raise failed
        if answer.status >= 500:
            raise InvalidInput("Slack's request cannot be read: it is not of Slack's making")
        return answer

    async def _whisper(self, conversation: Conversation, card: Card, only: Person) -> Ref:
        """For one person's eyes; in a direct message where the bot is not in the channel."""
        try:
            answer = await self._web.call(
                "chat.postEphemeral",
                channel=conversation.channel,
                user=only.id,
                thread_ts=conversation.thread or None,
                **message(card),
            )
        except Refused as error:
            if error.why not in _OUTSIDE:
                raise
            answer = await self._web.call("chat.postMessage", channel=only.id, **message(card))
        return Ref(conversation, str(answer.get("message_ts") or answer.get("ts") or ""))

    async def _posted(self, conversation: Conversation) -> AsyncIterator[Mapping[str, Any]]:
        """What stands in a thread, or the newest of a channel; a bounded part of it."""
        thread = conversation.thread
        given: dict[str, str | int | bool] = {
            "channel": conversation.channel,
            "include_all_metadata": True,
            "limit": 200,
        }
        for _ in range(10 if thread else 1):
            answer = await (
                self._web.read("conversations.replies", ts=thread, **given)
                if thread
                else self._web.read("conversations.history", **given)
            )
            for posted in answer.get("messages") or ():
                yield posted
            given["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not given["cursor"]:
                return

    def _remember(self, key: str) -> None:
        self._unsure[key] = None
        if len(self._unsure) > UNSURE:
            del self._unsure[next(iter(self._unsure))]


_FIXED = ("message_not_found", "cant_update_message", "edit_window_closed")
_OUTSIDE = ("not_in_channel", "channel_not_found", "user_not_in_channel")


def _ref(conversation: Conversation, answer: Mapping[str, Any]) -> Ref:
    """A message outside of threads opens one: what belongs to it is posted there."""
    ts = str(answer.get("ts") or "")
    return Ref(replace(conversation, thread=conversation.thread or ts), ts)


async def _known(
    context: AsyncBoltContext, enterprise_id: str | None, team_id: str | None
) -> AuthorizeResult:
    """Who we are, as the event itself says: asking Slack would cost some of its three seconds,
    and lose the message when Slack does not answer."""
    return AuthorizeResult(
        enterprise_id=enterprise_id, team_id=team_id, bot_user_id=context.get("bot") or None
    )


async def _take(
    context: AsyncBoltContext, body: Mapping[str, Any], next: Callable[[], Any]
) -> BoltResponse:
    """The last that Bolt asks, and so what answers everything: only when it is durable."""
    del next
    try:
        if (said := incoming(body)) is not None:
            await context["receive"](said)
    except Exception as error:
        context["failed"] = error
    return BoltResponse(status=200, body="")
