"""The store that the settings name, and what in it an argument means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ...graphs.errors import ExecutionNotFound, InvalidInput
from ...store.connect import connect
from ..settings import read_settings

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from ...graphs.question import Question

LATEST = "latest"
"""Stands for the id of the execution that was started last."""

MANY = 1000
"""How much is read, and how many questions are looked at, at once."""


@asynccontextmanager
async def open_store() -> AsyncIterator[Store]:
    """The store alone, which needs no LangGraph. Raises `StoreError`."""
    store = await connect(read_settings().store)
    try:
        yield store
    finally:
        await store.close()


async def whole_id(store: Store, given: str) -> str:
    """The id of the execution that a beginning of one, or `latest`, means.

    Raises `ExecutionNotFound`.
    """
    if given != LATEST:
        return (await store.execution(given)).id
    newest = await store.executions(limit=1)
    if not newest.items:
        raise ExecutionNotFound("nothing has been executed here yet; start with: assay run FILE")
    return newest.items[0].id


async def open_questions(store: Store, execution_id: str | None = None) -> list[Question]:
    """What is waited for, oldest first: `MANY` at most. Time alone is waited for as well."""
    page = await store.questions(execution_id=execution_id, limit=MANY)
    return list(page.items)


def only(what: str, given: str, found: Sequence[str]) -> str | None:
    """The id that begins so. Raises `InvalidInput` when several do."""
    meant = [id for id in found if given and id.startswith(given)]
    if len(meant) > 1:
        raise InvalidInput(f"several {what}s begin with {given!r}; give more of the id")
    return meant[0] if meant else None
