"""What agents remember of earlier executions, by workflow and key: turns of a conversation, and
facts that they noted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .stored import Page

TURN_LIMIT = 8_000
"""Characters that are kept of what was said, and of what was answered."""

CONVERSATION_LIMIT = 60_000
"""Characters that a conversation brings along; its oldest turns are left out, whole."""

TURNS = 200
"""The newest turns of a key; older ones are forgotten."""

FACT_LIMIT = 2_000
"""Characters of one fact."""

FACTS = 200
"""The newest facts of a key; older ones are forgotten."""

FOUND = 10
"""Facts that one look brings along."""

FACT_TOOLS = frozenset({"remember", "recall"})
"""What agents with a memory may be given; they touch nothing else."""


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


@dataclass(frozen=True, slots=True)
class Fact:
    """Something worth knowing later, under a name of its own; `at` is RFC 3339."""

    name: str
    text: str
    at: str


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """That something is remembered under a key; `at`, RFC 3339, is when it was last added to."""

    workflow: str
    key: str
    at: str


class Memories(Protocol):
    """Conversations and facts. They outlive the executions that they are of."""

    async def remember(self, workflow: str, key: str, turn: Turn) -> None:
        """Add a turn behind all others; one of an id that is there already changes nothing.
        The newest `TURNS` stay."""

    async def remembered(self, workflow: str, key: str, *, limit: int) -> Sequence[Turn]:
        """The newest turns, oldest first."""

    async def note(self, workflow: str, key: str, fact: Fact) -> None:
        """Keep a fact, in place of the one of that name; without text that one is forgotten.
        The newest `FACTS` stay."""

    async def facts(self, workflow: str, key: str) -> Sequence[Fact]:
        """All facts, newest first."""

    async def memories(
        self, *, workflow: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[MemoryInfo]:
        """Of which keys something is remembered, by workflow."""

    async def forget(self, workflow: str, key: str, *, before: str | None = None) -> int:
        """Forget all of it, unless it was added to at that time (RFC 3339) or later; how many
        turns and facts it had."""


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


def found(facts: Sequence[Fact], query: str, limit: int = FOUND) -> Sequence[Fact]:
    """The facts that share most words with the query, those of the name twice; the newest (of
    those given first) where it says nothing."""
    wanted = frozenset(_stems(query))
    if not wanted:
        return facts[:limit]
    scored = []
    for fact in facts:
        score = 2 * len(wanted.intersection(_stems(fact.name)))
        score += len(wanted.intersection(_stems(fact.text)))
        if score:
            scored.append((score, fact))
    scored.sort(key=lambda each: -each[0])  # stable: the newer first
    return [fact for _, fact in scored[:limit]]


def _stems(text: str) -> Iterable[str]:
    """Words, cut so that `printers` meets `printer`."""
    return (word[:6] for word in re.findall(r"[^\W_]+", text.casefold()))
