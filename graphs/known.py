"""What the store has of an execution, read at once: the ground that a drive stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import StateCorrupted
from .execution import Execution
from .fold import last_seq, load
from .history import History
from .listing import every
from .question import Question
from .services import Services


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knew of an execution when its lease was taken.

    `damage` says what of it cannot be read any more: then it cannot go on.
    """

    execution: Execution
    history: History
    questions: Sequence[Question] = ()
    damage: str | None = None


async def read(services: Services, execution_id: str) -> Known:
    """What the store knows of an execution. Raises `ExecutionNotFound`."""
    store = services.store
    execution = await store.execution(execution_id)
    damage: list[str] = []
    try:
        history = await load(
            store, services.blobs, execution_id, lambda _, message: damage.append(message)
        )
    except StateCorrupted as error:
        damage.append(error.message)
        history = History(seq=await last_seq(store, execution_id))
    questions = every(store.questions, execution_id=execution_id, status=None)
    return Known(execution, history, [each async for each in questions], "; ".join(damage) or None)
