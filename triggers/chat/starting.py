"""From what a letter means to the execution that it begins: one, whoever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from . import router
from .adapter import Card, Message
from .letters import letter as letter_of
from .posting import Post, reply
from .threads import note
from .trigger import converted

if TYPE_CHECKING:
    from ...graphs.firing import Firing, Trigger
    from ..desk import Desk
    from .adapter import ChatAdapter, Conversation
    from .letters import Letter
    from .meaning import Heard
    from .powers import Powers
    from .router import Router


class Starter:
    """Fires chat triggers for people."""

    def __init__(
        self, desk: Desk, adapters: Mapping[str, ChatAdapter], router: Router | None
    ) -> None:
        self._desk = desk
        self._adapters = adapters
        self._router = router

    async def begin(
        self,
        letter: Letter,
        powers: Powers,
        heard: Heard,
        captured: Mapping[str, str] | None,
        source: Letter,
    ) -> None:
        """Fire the trigger for what was said in `source`, once; what becomes of it is told from
        then on. `captured` None: it is to be read from the text.

        Raises `InvalidInput`, `NotAuthorized`, `NotPossible`.
        """
        if captured is not None:
            given: Mapping[str, Any] | None = converted(heard.workflow, captured)
        else:
            given = await self._given(letter, _message(source), heard)
        if given is None:
            return
        # Noted first: what was begun may have changed what the letter would mean if it is read
        # again after a crash.
        await letter.keep(
            trigger=heard.trigger.id,
            workflow=heard.trigger.workflow,
            given=given,
            captured=captured or {name: str(value) for name, value in given.items()},
            source=source.id,
        )
        await self.go_on(letter, powers)

    async def go_on(self, letter: Letter, powers: Powers) -> None:
        """With what `begin` noted. Raises as that, and `TriggerNotFound`."""
        told, store = letter.told, self._desk.store
        source = letter if told.source == letter.id else await letter_of(store, told.source)
        trigger = await store.trigger(told.trigger)
        conversation = await self._opened(letter)
        fire = partial(self._fire, source, conversation, trigger, told.given)
        firing = await powers.begin(told.workflow, fire)
        await note(store, conversation, firing.execution_id, told.trigger, told.captured)
        await letter.begun(firing=firing.id, execution=firing.execution_id)

    async def _given(
        self, letter: Letter, message: Message, heard: Heard
    ) -> Mapping[str, Any] | None:
        """What the text says in other words; None when something is missing, which was told."""
        given: Mapping[str, Any] = {}
        if self._router is not None:
            given = await self._router.read(letter, message.text, heard)
        lacks = router.missing(heard, given)
        if not lacks:
            return given
        said = next((f" Say `{p.text}`." for p in heard.spec.patterns), "")
        names = ", ".join(f"`{name}`" for name in lacks)
        told = Card(f"To start **{heard.trigger.workflow}** I still need {names}.{said}")
        await reply(self._adapters, letter, told)
        return None

    async def _opened(self, letter: Letter) -> Conversation:
        """The thread of what begins; what was said outside of one opens it."""
        post = Post(self._adapters[letter.told.conversation.platform], letter)
        if not letter.told.conversation.thread:
            await post.put("status", Card(f"⏳ **{letter.told.workflow}** begins"))
        return letter.told.conversation

    async def _fire(
        self,
        source: Letter,
        conversation: Conversation,
        trigger: Trigger,
        given: Mapping[str, Any],
        by: str,
        profile: str,
    ) -> Firing:
        message = _message(source)
        person = message.person
        payload = {
            "text": message.text,
            "conversation": conversation.key,
            "platform": conversation.platform,
            "channel": conversation.channel,
            "person": person.name or person.id,
            **given,
        }
        attributes = {
            "platform": conversation.platform,
            "team": conversation.team,
            "channel": conversation.channel,
            "thread": conversation.thread,
            "person": person.id,
            "name": person.name,
        }
        return await self._desk.fire(
            trigger, payload, attributes=attributes, id=source.id, by=by, profile=profile
        )


def _message(letter: Letter) -> Message:
    assert isinstance(letter.came, Message)
    return letter.came
