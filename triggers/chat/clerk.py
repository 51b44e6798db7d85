"""Deals with one letter: finds out what is meant, and does it, as far as the person may.

Each thing that is done here comes to the same when it is done again after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...graphs.errors import (
    AssayError,
    InvalidSpec,
    NotAuthorized,
    PlatformRefused,
    PlatformUnavailable,
    StoreError,
    WorkflowNotFound,
)
from ...graphs.firing import FiringStatus
from ...graphs.listing import every
from ...graphs.question import Question
from . import cards, meaning, router
from .adapter import Action, Card, Message
from .commands import Commands
from .letters import TakenOverError
from .letters import letter as letter_of
from .meaning import Command, Fit, Heard
from .posting import Post, reply
from .starting import Starter
from .threads import Thread, thread
from .trigger import ChatTrigger

if TYPE_CHECKING:
    from ..desk import Desk
    from .adapter import ChatAdapter
    from .letters import Letter
    from .powers import Known, Powers
    from .router import Router
    from .telling import Teller

DONE = FiringStatus.SKIPPED
"""Of a letter that began nothing."""


class Clerk:
    """Reads letters of every platform."""

    def __init__(
        self,
        desk: Desk,
        adapters: Mapping[str, ChatAdapter],
        known: Known,
        teller: Teller,
        router: Router | None,
    ) -> None:
        self._desk = desk
        self._adapters = adapters
        self._known = known
        self._teller = teller
        self._router = router
        self._commands = Commands(desk.manager)
        self._starter = Starter(desk, adapters, router)

    async def read(self, letter: Letter) -> None:
        """Until it is closed, or has begun something. Raises `StoreError`,
        `PlatformUnavailable`, `TakenOverError`."""
        try:
            powers = await self._known(letter.person)
            if powers is not None and letter.told.source:
                await self._starter.go_on(letter, powers)
            elif isinstance(letter.came, Message):
                await self._message(letter, letter.came, powers)
            else:
                await self._action(letter, letter.came, powers)
        except (StoreError, PlatformUnavailable, PlatformRefused, TakenOverError):
            raise
        except AssayError as error:
            await self._reply(letter, Card(f"⚠️ {_sentence(error)}"), alone=True)

    async def _message(self, letter: Letter, message: Message, powers: Powers | None) -> None:
        here = await thread(self._desk.store, message.conversation)
        if not (message.mention or (here.ours and message.conversation.thread)):
            await letter.ignore()
            return
        every_one = await self._heard(message.conversation.platform)
        command = meaning.command(message.text)
        fits = meaning.fitting(message.text, every_one)
        if powers is None:
            if message.mention or command or fits:
                await self._reply(letter, cards.stranger(letter.person), alone=True)
            else:
                await letter.ignore()
            return
        heard = [each for each in every_one if powers.begins(each.trigger.workflow)]
        if command is not None and await self._commanded(command, message, here, letter):
            await self._command(letter, command, powers, here, heard)
        elif await self._answered(letter, message, powers, here, fits):
            return
        elif fits:
            await self._fitted(letter, powers, fits)
        else:
            await self._own_words(letter, message, powers, here, heard)

    async def _commanded(
        self, command: Command, message: Message, here: Thread, letter: Letter
    ) -> bool:
        """People may say `approve` or `answer` to each other when nothing is asked."""
        if message.mention or command.id or letter.told.targets or not command.answers:
            return True
        return bool(await self._commands.questions(here))

    async def _command(
        self,
        letter: Letter,
        command: Command,
        powers: Powers,
        here: Thread,
        heard: Sequence[Heard],
    ) -> None:
        """What it is done to is noted first: done again after a crash, it is done to the same."""
        targets = letter.told.targets or await self._commands.targets(command, powers, here)
        if targets and not letter.told.targets:
            await letter.keep(targets=targets)
        card = await self._commands.do(command, powers, here, heard, targets)
        if command.answers:
            question = await self._desk.store.question(targets[0])
            self._teller.wake(question.execution_id, asks=True)
        await self._reply(letter, card)

    async def _answered(
        self,
        letter: Letter,
        message: Message,
        powers: Powers,
        here: Thread,
        fits: Sequence[Fit],
    ) -> bool:
        """Whether it was the answer that something in the thread waits for."""
        if letter.told.targets:
            asked = [await self._desk.store.question(letter.told.targets[0])]
        elif any(fit.weight for fit in fits):
            return False
        else:
            asked = [q for q in await self._commands.questions(here) if q.schema is not None]
            if len(asked) != 1:
                return False
            await letter.keep(targets=[asked[0].id])
        question = await powers.answer(asked[0].id, meaning.answer_of(asked[0], message.text))
        await self._took(letter, question)
        return True

    async def _took(self, letter: Letter, question: Question) -> None:
        """The question's own message says how it was answered."""
        self._teller.wake(question.execution_id, asks=True)
        await letter.close(DONE, f"it answered question {question.id}")

    async def _fitted(self, letter: Letter, powers: Powers, fits: Sequence[Fit]) -> None:
        allowed = [fit for fit in fits if powers.begins(fit.heard.trigger.workflow)]
        if not allowed:
            raise NotAuthorized(
                f"You may not start {fits[0].heard.trigger.workflow!r}; ask whoever runs this "
                "server to let you"
            )
        if len(allowed) == 1:
            await self._starter.begin(letter, powers, allowed[0].heard, allowed[0].captured, letter)
        else:
            await self._offer(letter, [(fit.heard, fit.captured) for fit in allowed])

    async def _own_words(
        self,
        letter: Letter,
        message: Message,
        powers: Powers,
        here: Thread,
        heard: Sequence[Heard],
    ) -> None:
        last = next((each for each in heard if each.trigger.id == here.trigger), None)
        if last and (more := meaning.continued(message.text, last, here.captured)) is not None:
            await self._starter.begin(letter, powers, last, more, letter)
        elif not message.mention:
            await letter.ignore()
        elif self._router is None or not heard or not message.text.strip():
            await self._reply(letter, cards.not_understood(heard))
        else:
            guess = await self._router.guess(letter, message.text, heard)
            if guess.heard is not None:
                await self._starter.begin(letter, powers, guess.heard, None, letter)
            elif guess.sure:
                await self._reply(letter, cards.not_understood(heard))
            else:
                await self._offer(letter, [(each, None) for each in heard[:8]])

    async def _offer(
        self, letter: Letter, choices: Sequence[tuple[Heard, Mapping[str, str] | None]]
    ) -> None:
        """Ask which of them is meant, by buttons."""
        named = router.names([heard for heard, _ in choices])
        offered = [
            {"trigger": heard.trigger.id, "name": name, "captured": captured}
            for (name, heard), (_, captured) in zip(named.items(), choices, strict=True)
        ]
        await letter.keep(choices=offered)
        about = [(name, heard.about) for name, heard in named.items()]
        await self._reply(letter, cards.which(about, letter.id))

    async def _action(self, letter: Letter, action: Action, powers: Powers | None) -> None:
        if powers is None:
            await self._reply(letter, cards.stranger(letter.person), alone=True)
            return
        kind, _, rest = action.value.partition(":")
        id, _, number = rest.partition(":")
        match kind:
            case "ok" | "no":
                question = await powers.answer(id, approved=kind == "ok")
                await self._took(letter, question)
            case "ch" if number.isdecimal():
                asked = await self._desk.store.question(id)
                chosen = meaning.options(asked)[int(number) : int(number) + 1]
                question = await powers.answer(id, *chosen)
                await self._took(letter, question)
            case "pick" if number.isdecimal():
                await self._picked(letter, powers, id, int(number))
            case _:
                await letter.close(DONE, "a button that is not ours")

    async def _picked(self, letter: Letter, powers: Powers, id: str, number: int) -> None:
        """One of several that were offered for an earlier letter; the first click counts."""
        asked = await letter_of(self._desk.store, id)
        choices = asked.told.choices
        if number >= len(choices) or not isinstance(asked.came, Message):
            await letter.close(DONE, "a button that is not ours")
            return
        if asked.told.picked is not None and asked.told.picker != letter.id:
            name = choices[asked.told.picked]["name"]
            await self._reply(letter, Card(f"It was {name!r} that was chosen already."), alone=True)
            return
        choice = choices[number]
        every_one = await self._heard(letter.came.conversation.platform)
        heard = next((h for h in every_one if h.trigger.id == choice["trigger"]), None)
        if heard is None or not powers.begins(heard.trigger.workflow):
            raise WorkflowNotFound(f"{choice['name']!r} can no longer be started here")
        if asked.told.picked is None:
            await asked.keep(picked=number, picker=letter.id)
        post = Post(self._adapters[asked.told.conversation.platform], asked)
        await post.put("reply", cards.picked(choice["name"], powers.name))
        await letter.keep(conversation=asked.told.conversation)
        await self._starter.begin(letter, powers, heard, choice["captured"], asked)

    async def _reply(self, letter: Letter, card: Card, *, alone: bool = False) -> None:
        await reply(self._adapters, letter, card, alone=alone)

    async def _heard(self, platform: str) -> Sequence[Heard]:
        """The chat triggers that are heard there, in the order of their ids."""
        found = []
        store = self._desk.store
        async for trigger in every(store.triggers, type="chat"):
            if not trigger.enabled:
                continue
            try:
                bound = await self._desk.bound(trigger)
                document = await store.workflow(trigger.workflow, trigger.version)
                workflow = (await self._desk.manager.load(document)).workflow
            except (InvalidSpec, WorkflowNotFound):
                continue  # it says so wherever triggers are listed
            if isinstance(bound.spec, ChatTrigger) and bound.spec.heard_on(platform):
                found.append(Heard(trigger, bound.spec, workflow))
        return found


def _sentence(error: AssayError) -> str:
    text = error.message.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
