"""What every `Store` owes of reads for many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, entry, parked, question

from assay.graphs.firing import Firing, Trigger
from assay.graphs.stored import ArtifactInfo, Commit

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


async def test_journals_are_found_by_their_executions(store: Store) -> None:
    await begun(store, "e1", entries=[entry(1), entry(2, 4), entry(5)])
    await begun(store, "e2", entries=[entry(1, 2), entry(3)])
    await begun(store, "e3")
    await begun(store, "e4", entries=[entry(1)])
    found = await store.journals_of(["e2", "e1", "e2", "e3", "nobody", "é\n"])
    assert {id: list(entries) for id, entries in found.items() if entries} == {
        "e1": [entry(1), entry(2, 4), entry(5)],
        "e2": [entry(1, 2), entry(3)],
    }
    some = await store.journals_of(["e1", "e2", "e4"], after=2, each=1)
    assert {id: list(entries) for id, entries in some.items() if entries} == {
        "e1": [entry(2, 4)],
        "e2": [entry(3)],
    }
    assert await store.journals_of([]) == {}


async def test_the_newest_files_are_found_by_their_executions_so_many_of_each(
    store: Store,
) -> None:
    leases = {id: (await begun(store, id))[1] for id in ("e1", "e2", "e3")}
    for number, id in enumerate(("e1", "e1", "e2", "e1", "e3")):
        kept = ArtifactInfo(id, "a", f"n{number}", "f", f"{number:064}", number, "at")
        await store.commit(Commit(leases[id], artifacts=[kept]))
    found = await store.artifacts_of(["e2", "e1", "nobody"], each=2)
    of = {id: [f.name for f in found if f.execution_id == id] for id in ("e1", "e2", "e3")}
    assert of == {"e1": ["n3", "n1"], "e2": ["n2"], "e3": []}
    assert await store.artifacts_of([]) == []


async def test_triggers_are_found_by_their_ids(store: Store) -> None:
    for id in ("a.one", "a.two", "b.one"):
        assert await store.put_trigger(Trigger(id, id[0], "manual", {"n": id}))
    found = await store.triggers_of(["b.one", "a.one", "b.one", "c.one", "", "é\n"])
    assert sorted((each.id, each.document["n"]) for each in found) == [
        ("a.one", "a.one"),
        ("b.one", "b.one"),
    ]
    assert await store.triggers_of([]) == []


async def test_triggers_are_found_by_their_workflows_so_many_of_each(store: Store) -> None:
    for id in ("b.3", "b.1", "b.2", "a.1", "c.1", "ab.1"):
        assert await store.put_trigger(Trigger(id, id[:-2], "manual"))
    found = await store.starters_of(["b", "a", "b", "nobody", "", "é\n"], each=2)
    of = {name: [t.id for t in found if t.workflow == name] for name in ("a", "ab", "b", "c")}
    assert of == {"a": ["a.1"], "ab": [], "b": ["b.1", "b.2"], "c": []}
    assert await store.starters_of([]) == []


async def fired(store: Store, *ids: str) -> None:
    """One after the other; each by the trigger of its first letter."""
    for second, id in enumerate(ids):
        at = f"2026-11-21T09:30:{second:02}.000000Z"
        assert await store.put_firing(Firing(id, id[0], "build", at, f"e-{id}", payload={"n": id}))


async def test_firings_are_found_by_their_ids(store: Store) -> None:
    await fired(store, "a1", "a2", "b1")
    found = await store.firings_of(["b1", "a1", "b1", "c1", "", "é\n"])
    assert sorted((each.id, each.payload["n"]) for each in found) == [("a1", "a1"), ("b1", "b1")]
    assert await store.firings_of([]) == []


async def test_the_newest_firings_are_found_by_their_triggers_so_many_of_each(
    store: Store,
) -> None:
    await fired(store, "a1", "a2", "b1", "a3", "c1")
    found = await store.fired_by(["b", "a", "b", "nobody", "", "é\n"], each=2)
    of = {id: [each.id for each in found if each.trigger == id] for id in ("a", "b", "c")}
    assert of == {"a": ["a3", "a2"], "b": ["b1"], "c": []}
    assert await store.fired_by([]) == []
