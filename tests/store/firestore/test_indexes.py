"""What the contract suites hold every query against can tell a query that needs an index."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.firestore_v1 import AsyncClient
from tests.emulators import Emulators
from tests.indexes import Unserved, check

from assay.store.firestore.database import Database, where


@pytest.fixture
def client(emulated: Emulators) -> Any:
    return AsyncClient(project="nothing-is-asked-of-it")


def test_one_field_that_is_found_by_and_sorted_by_needs_no_index_of_ours(client: Any) -> None:
    query = where(client.collection("executions"), "id", ">=", "a")
    check("query", where(query, "id", "<", "b").order_by("id", direction="DESCENDING").limit(3))
    check("query", where(client.collection("leases"), "worker", "==", "w"))
    check("count", where(client.collection("workers"), "sweeps", "==", True))


def test_two_fields_need_an_index_that_is_listed(client: Any) -> None:
    query = where(client.collection("executions"), "by_status", "==", "a")
    for bad in (query.order_by("id"), where(query, "id", ">", "b")):
        with pytest.raises(Unserved, match="together"):
            check("query", bad)


def test_what_is_exempt_cannot_be_found_by(client: Any) -> None:
    with pytest.raises(Unserved, match="exempt"):
        check("query", where(client.collection("executions"), "status", "==", "running"))
    with pytest.raises(Unserved, match="exempt"):
        check("count", where(client.collection("executions"), "status", "==", "running"))


@pytest.mark.anyio
async def test_whoever_uses_the_emulators_is_held_to_the_indexes(emulated: Emulators) -> None:
    database = Database("nothing-is-asked-of-it", "(default)")
    try:
        with pytest.raises(Unserved, match="exempt"):
            await database.find(where(database.all("executions"), "status", "==", "running"))
    finally:
        await database.close()


def test_names_cannot_be_sorted_downwards(client: Any) -> None:
    with pytest.raises(Unserved, match="upwards"):
        check("query", client.collection("leases").order_by("__name__", direction="DESCENDING"))


def test_what_is_large_has_to_be_exempt(client: Any) -> None:
    batch = client.batch()
    batch.set(client.document("executions", "e"), {"given": b"x" * 5000, "status": "x" * 5000})
    check("commit", batch)
    for value in (b"x", "x" * 1501):
        batch = client.batch()
        batch.update(client.document("executions", "e"), {"other": value})
        with pytest.raises(Unserved, match="other is large"):
            check("commit", batch)


def test_a_group_of_collections_needs_an_index_of_its_own(client: Any) -> None:
    check("query", where(client.collection_group("entries"), "at", ">", 1).order_by("at"))
    with pytest.raises(Unserved, match="scope COLLECTION_GROUP"):
        check("query", where(client.collection_group("entries"), "last", ">", 1))
    with pytest.raises(Unserved, match="scope COLLECTION"):
        check("query", where(client.collection("entries"), "at", ">", 1))
