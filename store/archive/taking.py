"""An execution taken into a store, unless it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import ExecutionNotFound, StoreError
from ...graphs.fold import last_seq

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ..upkeep import Arrival, KeptStore


async def take(store: KeptStore, arrival: Arrival) -> bool:
    """Take it in; False: it is there already, as far as this one or further.

    One that was moved away and comes back takes the place of what it left. Raises `StoreError`
    when another of its id is there.
    """
    there = await found(store, arrival.execution.id)
    if there is not None:
        if there.given() != arrival.execution.given():
            raise StoreError(
                f"Execution {there.id} is there already, and is another one: of "
                f"{there.workflow}@{there.version}, from {there.created_at}; leave it out "
                "(--skip-existing), or import into an empty store."
            )
        came = arrival.entries[-1].last if arrival.entries else 0
        if there.moved is None or arrival.execution.moved is not None:
            if await last_seq(store, there.id) >= came:
                return False
            raise StoreError(
                f"Execution {there.id} is there already, as it was earlier: {there.status}, up "
                f"to {await last_seq(store, there.id)} of {came}; leave it out "
                "(--skip-existing), or delete it there first."
            )
        await store.delete_execution(there.id)
    await store.arrive(arrival)
    return True


async def found(store: KeptStore, execution_id: str) -> Execution | None:
    """The execution of exactly that id."""
    try:
        there = await store.execution(execution_id)
    except ExecutionNotFound:
        return None
    return there if there.id == execution_id else None
