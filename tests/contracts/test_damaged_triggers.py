"""What is damaged of triggers and their firings holds up nothing else that is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.errors import StateCorrupted
from assay.graphs.firing import Firing, Trigger
from assay.store.firestore import names
from assay.store.firestore.store import FirestoreStore
from assay.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


async def damage(store: Any, table: str, id: str) -> None:
    """Leave half of its document."""
    if isinstance(store, FirestoreStore):
        its = store._database
        batch = its.batch()
        batch.update(its.at(table, names.name(id)), {"document": b"{"})
        await its.commit(batch, "Damage")
    else:
        assert isinstance(store, SqliteStore)
        sql = f"UPDATE {table} SET document = '{{' WHERE id = ?"
        await store._writer.run(lambda connection: connection.execute(sql, (id,)))


async def test_a_damaged_firing_holds_up_no_other_that_is_due(store: Store) -> None:
    for due, id in enumerate(("first", "second", "third")):
        await store.put_firing(Firing(id, "t", "w", "2026-11-21T09:30:00Z", "e", due=float(due)))
    await damage(store, "firings", "first")

    assert [each.id for each in await store.due_firings(9.0)] == ["second", "third"]
    with pytest.raises(StateCorrupted, match="first"):
        await store.firing("first")


async def test_a_damaged_trigger_holds_up_no_other_that_is_due(store: Store) -> None:
    for due, id in enumerate(("a", "b", "c", "d")):
        await store.put_trigger(Trigger(id, "w", "cron", next_at=float(due)))
    await damage(store, "triggers", "b")

    found, after = [], None
    while True:
        page = await store.triggers(due=9.0, after=after, limit=2)
        found += [each.id for each in page.items]
        if (after := page.cursor) is None:
            break
    assert found == ["a", "c", "d"], "also where a page ends with what is damaged"
    with pytest.raises(StateCorrupted, match="b"):
        await store.trigger("b")
