"""The commands that every bot understands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...graphs.errors import ExecutionNotFound, InvalidInput, NotAuthorized
from . import cards, meaning
from .adapter import Card

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ...graphs.manager import Manager
    from ...graphs.question import Question
    from .meaning import Command, Heard
    from .powers import Powers
    from .threads import Thread

LISTED = 5
"""Executions that `status` tells of outside of a thread."""


class Commands:
    """Does them for somebody, and says what to reply."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def targets(self, command: Command, powers: Powers, here: Thread) -> Sequence[str]:
        """The executions that it stops, or the question that it answers.

        Raises `InvalidInput` when it cannot be told which is meant.
        """
        if command.answers:
            return [command.id or (await self._asked(command, here)).id]
        if command.name != "stop" or command.id:
            return [command.id] if command.name == "stop" else []
        meant = await self._meant(command, powers, here) if here.executions else ()
        return [each.id for each in meant if not each.status.terminal]

    async def do(
        self,
        command: Command,
        powers: Powers,
        here: Thread,
        heard: Sequence[Heard],
        targets: Sequence[str],
    ) -> Card:
        """Raises what `Powers` raises."""
        match command.name:
            case "help":
                return cards.help_card(heard)
            case "list":
                return cards.list_card(heard)
            case "status":
                return cards.state_card(await self._meant(command, powers, here))
            case "stop":
                return await self._stop(targets, powers)
        question = await self._manager.store.question(targets[0])
        return cards.answered(await self._answer(command, powers, question))

    async def questions(self, here: Thread) -> Sequence[Question]:
        """What people are asked in a thread and have not answered."""
        found: list[Question] = []
        for id in here.executions:
            page = await self._manager.questions(execution_id=id)
            found += [question for question in page.items if cards.answerable(question)]
        return found

    async def _meant(self, command: Command, powers: Powers, here: Thread) -> Sequence[Execution]:
        if command.id:
            return [await powers.execution(command.id)]
        if not here.executions:
            return await powers.executions(LISTED)
        found = []
        for id in here.executions[-LISTED:]:
            try:
                found.append(await powers.execution(id))
            except (ExecutionNotFound, NotAuthorized):
                continue  # it waits for its turn, or is not theirs to see
        return found

    async def _stop(self, targets: Sequence[str], powers: Powers) -> Card:
        if not targets:
            return Card("Nothing runs in this thread; `stop` takes the id of an execution, too.")
        why = f"{powers.name} said so in a chat"
        ended = [cards.stopped(await powers.stop(id, why)) for id in targets]
        return Card("\n".join(card.text for card in ended))

    async def _asked(self, command: Command, here: Thread) -> Question:
        asked = await self.questions(here)
        if len(asked) == 1:
            return asked[0]
        if not asked:
            raise InvalidInput("nothing waits for an answer in this thread; name the question's id")
        ids = "\n".join(f"• `{q.id}`: {q.message}" for q in asked)
        raise InvalidInput(f"say which question: `{command.name} ID`\n{ids}")

    async def _answer(self, command: Command, powers: Powers, question: Question) -> Question:
        if command.name == "answer":
            return await powers.answer(question.id, meaning.answer_of(question, command.rest))
        return await powers.answer(
            question.id, approved=command.name == "approve", comment=command.rest
        )
