"""A chat room of our own: a platform within the test, and everything that was said on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from assay.api.app import App, open_app
from assay.api.chatting import People
from assay.graphs.errors import NotAuthenticated, PlatformUnavailable
from assay.graphs.execution import Execution
from assay.graphs.stored import Principal
from assay.triggers.chat.adapter import (
    Acknowledgement,
    Action,
    Card,
    Conversation,
    Message,
    Person,
    Receive,
    Ref,
)
from assay.triggers.chat.desk import ChatDesk
from assay.triggers.chat.router import Router

ADA = Person("room", "T", "ada", "Ada")
BOB = Person("room", "T", "bob", "Bob")
EVE = Person("room", "T", "eve", "Eve")


@dataclass
class Posted:
    """One message of the bot, as it stands now, and as it stood before."""

    id: str
    conversation: Conversation
    key: str
    cards: list[Card]
    only: Person | None = None

    @property
    def card(self) -> Card:
        return self.cards[-1]

    @property
    def text(self) -> str:
        return self.card.text


@dataclass
class Platform:
    """Keeps what is posted, beyond the life of any desk. `down` makes it fail so many times."""

    name: str = "room"
    pace: float = 0.02
    messages: list[Posted] = field(default_factory=list)
    down: int = 0
    lose: int = 0
    """Posts that arrive, of which the bot hears nothing."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(
        self, headers: Mapping[str, str], body: bytes, receive: Receive
    ) -> Acknowledgement:
        if headers.get("x-secret") != "yes":
            raise NotAuthenticated("no")
        said = orjson.loads(body)
        await receive(Message(said["id"], ADA, place(), said["text"], True))
        return Acknowledgement()

    async def listen(self, receive: Receive) -> None:
        del receive

    async def post(
        self, conversation: Conversation, card: Card, *, key: str, only: Person | None = None
    ) -> Ref:
        self._up()
        id = f"m{len(self.messages) + 1}"
        thread = conversation.thread or id
        there = Conversation("room", conversation.team, conversation.channel, thread)
        self.messages.append(Posted(id, there, key, [card], only))
        self.changed.set()
        if self.lose:
            self.lose -= 1
            raise PlatformUnavailable("the answer was lost", 0.01)
        return Ref(there, id)

    async def find(self, conversation: Conversation, key: str) -> Ref | None:
        return next((Ref(m.conversation, m.id) for m in self.messages if m.key == key), None)

    async def update(self, ref: Ref, card: Card) -> None:
        self._up()
        next(m for m in self.messages if m.id == ref.id).cards.append(card)
        self.changed.set()

    async def close(self) -> None:
        pass

    def _up(self) -> None:
        if self.down:
            self.down -= 1
            raise PlatformUnavailable("the room is closed", 0.01)


def place(thread: str = "1") -> Conversation:
    return Conversation("room", "T", "general", thread)


class Room:
    """A desk over one store, which can be left and entered again, before one platform."""

    def __init__(
        self, home: Path, environ: Mapping[str, str] | None = None, store: str | None = None
    ) -> None:
        self._home = home
        self._store = store
        self._environ = dict(environ or {})
        self._ids = count(1)
        self._stack = AsyncExitStack()
        self.platform = Platform()
        self.role: str | None = None
        self.hold = False
        self.app: App
        self.desk: ChatDesk

    async def enter(self) -> None:
        self._stack = AsyncExitStack()
        self.app = await self._stack.enter_async_context(
            open_app(self._store, home=self._home, workspace=self._home, environ=self._environ)
        )
        self.app.manager.serve()
        triggers, router = self.app.triggers, None
        if "ASSAY_MODEL" in self._environ:
            router = Router(self.app.manager)
        people = People(self.app, self.role)
        self.desk = ChatDesk(triggers.desk, [self.platform], people, router)
        triggers.add("chat", self.desk.run)
        if not self.hold:
            await self.listen()

    async def listen(self) -> None:
        """Deal with what is said; `enter` does it, unless it is to `hold`."""
        await self._stack.enter_async_context(self.app.triggers.running())

    async def leave(self) -> None:
        await self._stack.aclose()

    async def allow(self, person: Person, role: str = "operator", *scopes: str) -> None:
        row = Principal(person.principal, person.id, role, scopes)
        await self.app.manager.store.put_principal(row)

    async def workflow(self, document: Mapping[str, Any], **trigger: Any) -> None:
        """Register it, with one chat trigger."""
        await self.app.register({**document, "triggers": [{"type": "chat", **trigger}]})

    async def say(
        self,
        text: str,
        thread: str = "1",
        *,
        person: Person = ADA,
        mention: bool = True,
        id: str | None = None,
    ) -> str:
        id = id or f"said-{next(self._ids)}"
        await self.desk.receive(Message(id, person, place(thread), text, mention))
        return id

    async def click(self, posted: Posted, text: str, *, person: Person = ADA) -> None:
        value = next(b.value for b in posted.card.buttons if b.text == text)
        ref = Ref(posted.conversation, posted.id)
        id = f"click-{next(self._ids)}"
        await self.desk.receive(Action(id, person, posted.conversation, value, ref))

    async def shows(self, text: str, thread: str | None = None) -> Posted:
        """The first message that says so now, or as soon as one does."""
        return (await self.until(lambda: self.saying(text, thread)))[0]

    def saying(self, text: str, thread: str | None = None) -> Sequence[Posted]:
        return [
            m
            for m in self.platform.messages
            if text in m.text and thread in (None, m.conversation.thread)
        ]

    async def until(self, found: Callable[[], Sequence[Posted]]) -> Sequence[Posted]:
        try:
            async with asyncio.timeout(60):
                while not (there := found()):
                    self.platform.changed.clear()
                    await self.platform.changed.wait()
        except TimeoutError:
            every = self.platform.messages
            said = "\n".join(f"{m.id} {m.conversation.key}: {m.text}" for m in every)
            raise AssertionError(f"it was never shown; there is:\n{said}") from None
        return there

    async def began(self, workflow: str) -> list[Execution]:
        """Its executions, oldest first."""
        page = await self.app.manager.executions(workflow=workflow)
        return [*reversed(page.items)]


@asynccontextmanager
async def open_room(
    home: Path, environ: Mapping[str, str] | None = None, store: str | None = None
) -> AsyncIterator[Room]:
    """With Ada, who may operate."""
    room = Room(home, environ, store)
    await room.enter()
    try:
        await room.allow(ADA)
        yield room
    finally:
        await room.leave()
