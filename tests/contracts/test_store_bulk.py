"""What every `Store` owes of reads for many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, parked, question

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


class _Workflow:
    description = "What it is for"

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version, self.digest = name, version, f"{name}{version}"
        self.document = {"name": name}


async def register(store: Store, *versions: tuple[str, str]) -> None:
    for each in versions:
        workflow: Any = _Workflow(*each)
        await store.register(workflow)


async def test_executions_are_found_by_their_whole_ids(store: Store) -> None:
    for id in ("aa", "ab", "b"):
        await begun(store, id, workflow=id)
    found = await store.executions_of(["ab", "aa", "ab", "a", "c", "", "é\n"])
    assert sorted((e.id, e.workflow) for e in found) == [("aa", "aa"), ("ab", "ab")]
    assert await store.executions_of([]) == []


async def test_versions_are_found_by_name_and_version(store: Store) -> None:
    await register(store, ("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"))
    found = await store.versions_of([("a", "2"), ("b", "1"), ("b", "1"), ("c", "1"), ("a", "3")])
    assert sorted((v.name, v.version, v.digest) for v in found) == [
        ("a", "2", "a2"),
        ("b", "1", "b1"),
    ]
    assert all(v.description == "What it is for" and v.registered_at for v in found)
    assert await store.versions_of([]) == []


async def test_open_questions_are_found_by_their_executions_so_many_of_each(store: Store) -> None:
    await parked(store, "e1", *(question("e1", f"{n}") for n in range(4)))
    await parked(store, "e2", question("e2", "a"), question("e2", "b").withdrawn())
    await parked(store, "e3", question("e3", "a"))
    found = await store.asked_by(["e2", "e1", "e4"], each=3)
    assert [(q.execution_id, q.path) for q in found] == [
        ("e1", "0"),
        ("e1", "1"),
        ("e1", "2"),
        ("e2", "a"),
    ]
    assert await store.asked_by([]) == []
