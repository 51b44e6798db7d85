"""What agents remember of earlier executions: turns of a conversation, by workflow and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

TURN_LIMIT = 8_000
"""Characters that are kept of what was said, and of what was answered."""

CONVERSATION_LIMIT = 60_000
"""Characters that a conversation brings along; its oldest turns are left out, whole."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent was asked, and what it answered. `id` names the step of an execution that
    it is of; `at` is RFC 3339."""

    id: str
    said: str
    answered: str
    at: str

    def __len__(self) -> int:
        return len(self.said) + len(self.answered)


class Memories(Protocol):
    """Conversations. They outlive the executions that they were held in."""

    async def remember(self, workflow: str, key: str, turn: Turn) -> None:
        """Add a turn behind all others; one of an id that is there already changes nothing."""

    async def remembered(self, workflow: str, key: str, *, limit: int) -> Sequence[Turn]:
        """The newest turns, oldest first."""

    async def forget(self, workflow: str, key: str) -> int:
        """Forget the whole conversation; how many turns it had."""


def clipped(text: str) -> str:
    return text if len(text) <= TURN_LIMIT else f"{text[:TURN_LIMIT]}…"


def fitting(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The newest turns that one conversation may bring along."""
    room = CONVERSATION_LIMIT
    for index in range(len(turns) - 1, -1, -1):
        room -= len(turns[index])
        if room < 0:
            return turns[index + 1 :]
    return turns
