"""Deleting an execution that has ended, with everything of it.

The fence goes first, after which nobody can write, and the row last: what was cut off in
between is deleted by deleting once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import NotPossible
from . import artifacts, executions, inbox, journal, leases, names, questions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .database import Database


async def forget(
    database: Database, execution_id: str, checkpoints: Callable[[str], Awaitable[None]]
) -> None:
    """`checkpoints` deletes those of an execution."""
    name = names.name(execution_id)
    row = executions.place(database, execution_id)
    status = await executions.status(database, execution_id)
    if status is None:
        raise leases.not_found(execution_id)
    if not status.terminal:
        raise NotPossible(f"Execution {execution_id} is {status}; stop it before you delete it.")
    await database.clear([database.at(names.FENCES, name)])
    asked = await questions.of_execution(database, name)
    mail = await inbox.of_execution(database, name)
    await database.clear(
        [
            *(database.at(names.QUESTIONS, each.id) for each in asked),
            *(database.at(names.INBOX, each.id) for each in mail),
            *await artifacts.places(database, execution_id),
            *await journal.places(database, execution_id),
        ]
    )
    await checkpoints(execution_id)
    await database.clear([database.at(names.LEASES, name), row])
