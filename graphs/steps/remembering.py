"""How an agentic step takes its conversation from the store, and adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import Field

from ..call import Call
from ..errors import Terminal
from ..execution import timestamp
from ..memory import Fact, Turn, clipped, fitting
from ..step import Model, Text


class Memory(Model):
    """A conversation that goes on from one execution to the next, and a place for facts."""

    key: Text = Field(description="Whose, or what about; of each key there is one.")
    turns: Annotated[int, Field(ge=1, le=200)] = Field(
        default=20, description="How many of the newest it brings along."
    )


async def recalled(call: Call) -> Sequence[tuple[str, str]] | None:
    """What was said and answered before, oldest first: the same after a crash. None: no memory.

    Raises `Terminal` for an empty key, which would be everybody's.
    """
    memory: Memory | None = call.step.memory
    if memory is None:
        return None
    name, journal = f"{call.attempt}.memory", call.run.journal
    if (kept := journal.decided(call.path, name)) is None:
        turns = await journal.patiently(
            lambda: call.run.services.store.remembered(
                call.run.execution.workflow, _key(call), limit=memory.turns
            )
        )
        kept = [[turn.said, turn.answered] for turn in fitting(turns)]
        journal.decide(call.path, name, lambda: kept)
    return [(said, answered) for said, answered in kept]


async def remember(call: Call, said: str, value: Any) -> None:
    """Keep this turn; once for a step of an execution, however often it is gone through."""
    if call.step.memory is None:
        return
    answered = value if isinstance(value, str) else orjson.dumps(value).decode()
    masked = call.run.services.secrets.masked
    turn = Turn(
        f"{call.run.execution.id}/{call.path}",
        clipped(masked(said)),
        clipped(masked(answered)),
        timestamp(),
    )
    workflow, key = call.run.execution.workflow, _key(call)
    store = call.run.services.store
    await call.run.journal.patiently(lambda: store.remember(workflow, key, turn))


async def note(call: Call, name: str, text: str) -> None:
    """Keep a fact, from now on; also where the step fails in the end."""
    workflow, key, fact = call.run.execution.workflow, _key(call), Fact(name, text, timestamp())
    store = call.run.services.store
    await call.run.journal.patiently(lambda: store.note(workflow, key, fact))


async def facts(call: Call) -> Sequence[Fact]:
    workflow, key, store = call.run.execution.workflow, _key(call), call.run.services.store
    return await call.run.journal.patiently(lambda: store.facts(workflow, key))


def _key(call: Call) -> str:
    key = call.text("memory", "key")
    if not key.strip() or "\0" in key:
        raise Terminal(f"the key of its memory is {key!r}; it must say whose conversation this is")
    return key
