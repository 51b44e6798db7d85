"""An execution moved from one store to another, and never driven from both.

The lease is taken where it is, so that nobody else drives it; then it is ended there for good,
with the place it goes to, in one commit. Only then does it appear elsewhere. Whatever is cut
off after that commit is made good by moving it once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphs.errors import ConcurrencyLimit, NotPossible, StoreError
from ...graphs.execution import Execution, Failure, Status, timestamp
from ...graphs.listing import every
from ...graphs.stored import Commit
from ..export import checked_definition
from ..upkeep import needs_slot
from .packing import definitions, gather, named_in, undriven, with_blobs
from .taking import found, take

if TYPE_CHECKING:
    from ...graphs.lease import Lease
    from ...graphs.ports import Blobs
    from ...graphs.question import Question
    from ..upkeep import KeptStore

Place = tuple["KeptStore", "Blobs"]

MOVED = "moved"
"""The code of the error by which an execution ended where it is not any more."""


async def move(
    here: Place, there: Place, execution_id: str, to: str, *, wait: float = 0
) -> Execution:
    """Move an execution that nobody drives; `to` is what the place it goes to is called.

    Returns it as it is there. Raises `NotPossible` for one that somebody drives, or that was
    moved elsewhere, `ConcurrencyLimit` when the slot that it needs there is taken.
    """
    store, target = here[0], there[0]
    execution = await store.execution(execution_id)
    if execution.moved is not None and execution.moved["to"] != to:
        raise NotPossible(
            f"Execution {execution.id} was moved to {execution.moved['to']}; move it from there."
        )
    lease: Lease | None = None
    if execution.moved is None:
        execution = await undriven(store, execution, wait)
        await _check_welcome(target, execution)
        await _carry(here, there, execution)  # what is large, while it can still go on here
        if not execution.status.terminal:
            execution, lease = await _leave(store, execution, to)
    await _carry(here, there, execution)
    arrival = await gather(store, execution)
    await take(target, arrival)
    if lease is not None:
        read = [message.id for message in await store.mail(execution.id)]
        await store.commit(Commit(lease, consumed=read, release=True))
    elif execution.moved is None:
        await store.delete_execution(execution.id)  # it had ended: nothing is left to be done
    return await target.execution(execution.id)


async def _check_welcome(target: KeptStore, execution: Execution) -> None:
    there = await found(target, execution.id)
    if there is not None and there.moved is None and not execution.status.terminal:
        raise StoreError(
            f"Execution {execution.id} is there already ({there.status}), as an import or a "
            "restored copy; delete one of the two first."
        )
    wanted = needs_slot(execution)
    if wanted and wanted.strict and len(await target.slots(wanted.of.key)) >= wanted.of.limit:
        raise ConcurrencyLimit(wanted.taken(execution))


async def _carry(here: Place, there: Place, execution: Execution) -> None:
    """Take what the execution needs ahead; it harms nobody if that does not follow."""
    store, target = here[0], there[0]
    for digest, document in (await definitions(store, execution)).items():
        await target.keep(checked_definition(digest, document))
    async for _, data in with_blobs(here[1], named_in(await gather(store, execution)), set()):
        await there[1].put(data)


async def _leave(store: KeptStore, execution: Execution, to: str) -> tuple[Execution, Lease]:
    """End it here, for good: nobody drives what has ended. Raises `NotPossible`."""
    lease = await store.claim(execution.id, store.worker, slotless=True)
    if lease is None:
        raise NotPossible(
            f"Execution {execution.id} has just been taken by a worker, or has ended; try again."
        )
    execution = await store.execution(execution.id)  # as whoever drove it last has left it
    open = every(store.questions, execution_id=execution.id)
    asked: Sequence[Question] = [question async for question in open]
    left = replace(
        execution,
        status=Status.CANCELLED,
        error=Failure(MOVED, f"it was moved to {to}, where it goes on"),
        notices=(*execution.notices, f"moved to {to}"),
        completed_at=timestamp(),
        updated_at=timestamp(),
        moved={"to": to, "row": execution.row(), "asked": [question.id for question in asked]},
    )
    # What somebody answers at this moment stays answered, and goes with it.
    withdrawn = [question.withdrawn() for question in asked]
    await store.commit(Commit(lease, execution=left, questions=withdrawn))
    return left, lease
