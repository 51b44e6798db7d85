"""The version of the layout of a database, in one document, and the steps from each to the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ...graphs.errors import StoreError
from ..upkeep import Layout
from .database import Conflict

if TYPE_CHECKING:
    from .database import Database

META = "meta"

Step = Callable[["Database"], Awaitable[None]]

STEPS: list[Step] = []
"""The n-th leads from version n to n + 1, counted from 1. Doing one again does no harm."""


async def read(database: Database) -> Layout:
    """A database that says nothing is empty, or from before there were versions: it has 1."""
    (found,) = await database.get(_place(database))
    return Layout(1 if found is None else int(found["version"]), 1 + len(STEPS))


async def check(database: Database) -> None:
    """Raises `StoreError` for a layout that this Assay does not write."""
    layout = await read(database)
    if layout.version > layout.known:
        raise StoreError(
            f"{database.name} was written by a newer Assay: it has layout {layout.version}, and "
            f"this Assay knows layouts up to {layout.known}. Upgrade Assay, or name another one."
        )
    if layout.version < layout.known:
        raise StoreError(
            f"{database.name} has layout {layout.version}, and this Assay writes layout "
            f"{layout.known}. End every worker of it, then run: assay store migrate"
        )


async def upgrade(database: Database) -> None:
    """Go the steps that are left, and say so after each; several may do it at once."""
    while True:
        (found,) = await database.get(_place(database))
        version = 1 if found is None else int(found["version"])
        if found is not None and version >= 1 + len(STEPS):
            return
        if found is not None:
            await STEPS[version - 1](database)
            version += 1
        batch, fields = database.batch(), {"version": version}
        if found is None:
            batch.create(_place(database), fields)
        else:
            batch.update(_place(database), fields, found.time)
        try:
            await database.commit(batch, "The layout's version")
        except Conflict:
            continue


def _place(database: Database) -> Any:
    return database.at(META, "schema")
