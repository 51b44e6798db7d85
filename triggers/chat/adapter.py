"""The port of chat platforms, and the plain data that passes through it.

An adapter knows one platform: how its requests are verified and what they mean, and how a card
looks there. Who may do what, and what is started, is none of its business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote or clicked. `team` is the workspace, server or bot that `id` is unique in.
    A `guest` comes from another team than the bot: what everybody may is not meant for them."""

    platform: str
    team: str
    id: str
    name: str = ""
    guest: bool = False

    @property
    def principal(self) -> str:
        """The id of the row in `principals` that says what this person may."""
        return f"chat:{self.platform}:{self.team}/{self.id}"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One thread of one channel; where a platform has no threads, the channel, with no thread.

    A message that opens a thread is in it already: `thread` is then its own id.
    """

    platform: str
    team: str
    channel: str
    thread: str = ""

    @property
    def key(self) -> str:
        """What turns are counted by, and what agents remember under."""
        return "/".join((self.platform, self.team, self.channel, self.thread))


@dataclass(frozen=True, slots=True)
class Message:
    """Something that a person wrote, without the mention of the bot.

    `id` is the platform's own of the event, the same when it is delivered again. `mention`:
    the bot was addressed, by a mention, a command, or a direct message. `at` is RFC 3339.
    """

    id: str
    person: Person
    conversation: Conversation
    text: str
    mention: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """A message that was posted: where, and the platform's id of it.

    Where there are threads, a post to a conversation without one opens it: `conversation` of
    the ref is then where all that follows goes.
    """

    conversation: Conversation
    id: str


@dataclass(frozen=True, slots=True)
class Action:
    """A click on a button with that `value`, of the message `ref`."""

    id: str
    person: Person
    conversation: Conversation
    value: str
    ref: Ref
    at: str = ""


Incoming: TypeAlias = Message | Action

Receive: TypeAlias = Callable[[Incoming], Awaitable[None]]
"""Hands something on; durable when it returns. The same `id` again changes nothing.

Raises `StoreUnavailable`, and `InvalidInput` for what is too large to be kept: only then the
platform must not be told that it was taken."""


@dataclass(frozen=True, slots=True)
class Button:
    """`value` comes back in an `Action`: at most 60 characters of ASCII."""

    text: str
    value: str
    style: Literal["plain", "good", "bad"] = "plain"


@dataclass(frozen=True, slots=True)
class Card:
    """A message of ours, as no platform in particular shows it.

    `text` is Markdown that models and strangers have a hand in: whatever the platform would
    read as its own markup in it, such as a mention of everybody, is escaped. `fields` are short
    pairs of name and value, plain text. What is too long for the platform is shortened there.
    """

    text: str = ""
    fields: Sequence[tuple[str, str]] = ()
    buttons: Sequence[Button] = ()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """How the platform's request is answered."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"


class ChatAdapter(Protocol):
    """One platform. Made by a factory that is registered under `assay.chat`.

    What `post` and `update` raise: `PlatformUnavailable` when trying again may help, with the
    seconds that the platform asks for; `PlatformRefused` when it will not.
    """

    @property
    def name(self) -> str:
        """As in `POST /chat/{name}` and in `platforms` of triggers."""

    @property
    def pace(self) -> float:
        """Seconds between two updates of one message that the platform puts up with."""

    async def accept(
        self, headers: Mapping[str, str], body: bytes, receive: Receive
    ) -> Acknowledgement:
        """Take one request of the platform, `headers` by lower-case name: verify it, hand what
        is in it to `receive`, and answer. What concerns nobody (bots, edits) is answered too.

        Raises `NotAuthenticated` for a signature that is wrong or old, `InvalidInput` for what
        cannot be read, and what `receive` raises.
        """

    async def listen(self, receive: Receive) -> None:
        """Take what comes over a connection of our own, until cancelled. Begun again when it
        raises; returns at once where the platform comes to us."""

    async def post(
        self, conversation: Conversation, card: Card, *, key: str, only: Person | None = None
    ) -> Ref:
        """Post a card; for that person's eyes alone where the platform can.

        `key` names this message: who tries again after a crash gives the same.
        """

    async def find(self, conversation: Conversation, key: str) -> Ref | None:
        """What was posted under the key before, if the platform can tell; asked after a crash
        that may have come between a post and the note of it."""

    async def update(self, ref: Ref, card: Card) -> None:
        """Put a card in the place of what was posted."""

    async def close(self) -> None:
        """Let go of connections. Calling it twice is harmless."""


@runtime_checkable
class Streaming(Protocol):
    """What an adapter has besides, if its platform shows a text while it grows. A ref outlives
    the process: who goes on after a restart appends to it."""

    async def begin(self, conversation: Conversation, person: Person, *, key: str) -> Ref:
        """An empty message, that grows; for that person first of all."""

    async def append(self, ref: Ref, text: str) -> None:
        """More Markdown, at its end."""

    async def end(self, ref: Ref, card: Card | None = None) -> None:
        """It is whole; the card's fields and buttons come below."""


AdapterFactory: TypeAlias = Callable[[Mapping[str, str]], ChatAdapter]
"""Makes an adapter of variables, `ASSAY_<PLATFORM>_…` among them, with secrets in their places.
Raises `ConfigurationError` that names what is missing and how to set it."""


def shortened(text: str, most: int) -> str:
    """The text in so many characters at most, its end cut off with `…`."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"
