"""Texts that grow while an agent writes them.

Slack's own streams are used in direct messages alone: in a channel only one person would see the
text grow. A stream also ends by itself after some minutes, and a piece that is sent again stands
there twice; from then on the whole text takes the message's place, again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....graphs.errors import PlatformUnavailable
from ..adapter import Card, Conversation, Ref
from .blocks import Block, below, message
from .mrkdwn import streamed
from .web import Refused, Web

PIECE = 10_000
"""Characters that are sent at once; Slack takes 12,000, mentions made harmless included."""

REMEMBERED = 1_000
"""Texts that are remembered, the latest."""


@dataclass(slots=True)
class _Text:
    """What stands there, as far as this process knows; `native` while Slack's stream is open,
    `ahead` what it took of a text that did not arrive whole."""

    so_far: str
    native: bool
    ahead: str = ""


class Growing:
    """The texts of one workspace."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._texts: dict[tuple[str, str], _Text] = {}

    def began(self, ref: Ref) -> None:
        self._texts[_place(ref)] = _Text("", streams(ref.conversation))
        if len(self._texts) > REMEMBERED:
            del self._texts[next(iter(self._texts))]

    async def append(self, ref: Ref, text: str) -> None:
        known = self._texts.get(_place(ref))
        if known is None:  # begun in another life; what stands there cannot be told
            self.began(ref)
            known = self._texts[_place(ref)]
            known.so_far = "… "
        text = text.removeprefix(known.ahead)
        while known.native and text:
            piece = text[:PIECE]
            if await self._taken(ref, known, piece):
                known.so_far, known.ahead = known.so_far + piece, known.ahead + piece
                text = text[PIECE:]
        if text:
            await self._replace(ref, Card(known.so_far + text))
            known.so_far += text
        known.ahead = ""

    async def end(self, ref: Ref, card: Card | None) -> None:
        known = self._texts.pop(_place(ref), None)
        native = known.native if known else streams(ref.conversation)
        if native and await self._stopped(ref, below(card) if card else None):
            return
        if card is not None and (text := card.text or (known.so_far if known else "")):
            await self._replace(ref, Card(text, card.fields, card.buttons))

    async def _taken(self, ref: Ref, known: _Text, piece: str) -> bool:
        """Whether the stream took it; if not, or if nobody knows, it is a stream no more."""
        where = {"channel": ref.conversation.channel, "ts": ref.id}
        try:
            await self._web.call("chat.appendStream", **where, markdown_text=streamed(piece))
        except Refused as error:
            if error.why not in _ENDED:
                raise
            known.native = False
        except PlatformUnavailable as error:
            known.native = bool(error.wait)
            raise
        return known.native

    async def _replace(self, ref: Ref, card: Card) -> None:
        where = {"channel": ref.conversation.channel, "ts": ref.id}
        try:
            await self._web.call("chat.update", **where, **message(card))
        except Refused as error:
            if error.why != "streaming_state_conflict":
                raise
            await self._stopped(ref, None)
            await self._web.call("chat.update", **where, **message(card))

    async def _stopped(self, ref: Ref, blocks: Sequence[Block] | None) -> bool:
        """Whether the stream was open until now."""
        where = {"channel": ref.conversation.channel, "ts": ref.id}
        try:
            await self._web.call("chat.stopStream", **where, blocks=blocks)
        except Refused as error:
            if error.why not in _ENDED:
                raise
            return False
        return True


def streams(conversation: Conversation) -> bool:
    """Whether Slack's own streams are for everybody there."""
    return conversation.channel.startswith("D") and bool(conversation.thread)


def _place(ref: Ref) -> tuple[str, str]:
    return ref.conversation.channel, ref.id


_ENDED = ("message_not_in_streaming_state", "stopped_by_user", "streaming_mode_mismatch")
