"""What every `Store` owes of what is kept beside executions."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun

from assay.graphs.errors import InvalidInput, StoreError
from assay.graphs.execution import Cost, Status, StepResult
from assay.graphs.stored import ArtifactInfo, AuditEntry, Commit, Principal
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


def result(output: Any, path: str = "a") -> StepResult:
    return StepResult(path, "a", "set", Status.COMPLETED, output, cost=Cost(1, 2, 1, 0.5), seq=3)


# Cached results


async def test_a_cached_result_is_kept_until_it_is_replaced(store: Store) -> None:
    assert await store.cached("k") is None
    await store.cache("k", result(1), ttl=None)
    await store.cache("other", result(2), ttl=3600)
    assert await store.cached("k") == result(1)
    await store.cache("k", result([3]), ttl=3600)
    assert await store.cached("k") == result([3])
    assert await store.cached("other") == result(2)


async def test_a_cached_result_expires_after_its_seconds(store: Store) -> None:
    await store.cache("gone", result(1), ttl=0)
    assert await store.cached("gone") is None
    await store.cache("brief", result(1), ttl=0.05)
    await store.cache("long", result(1), ttl=60)
    async with asyncio.timeout(60):
        while await store.cached("brief"):  # noqa: ASYNC110 - only time passes
            await asyncio.sleep(0.01)
    assert await store.cached("long") is not None


async def test_cached_results_are_forgotten_by_the_beginning_of_key_or_path(store: Store) -> None:
    kept = {"k1": "build", "k2": "build.test", "k22": "ship", "%": "é[1]", "b": "a/b"}

    async def left(prefix: str) -> set[str]:
        for key, path in kept.items():
            await store.cache(key, result(1, path), ttl=None)
        there = {key for key in kept if await store.cached(key)}
        assert there == set(kept)
        forgotten = await store.invalidate(prefix)
        there = {key for key in kept if await store.cached(key)}
        assert forgotten == len(kept) - len(there)
        return there

    assert await left("k2") == {"k1", "%", "b"}
    assert await left("build") == {"k22", "%", "b"}
    assert await left("b") == {"k22", "%"}
    assert await left("%") == {"k1", "k2", "k22", "b"}
    assert await left("é[") == {"k1", "k2", "k22", "b"}
    assert await left("K") == set(kept)
    assert await left("_") == set(kept)
    assert await left("") == set()


async def test_a_result_that_is_no_json_is_refused_by_name(store: Store) -> None:
    with pytest.raises(StoreError, match=r"step a\.b"):
        await store.cache("k", result(object(), "a.b"), ttl=None)
    with pytest.raises(InvalidInput, match="NUL"):
        await store.cache("k\0", result(1), ttl=None)


# Artifacts


async def test_cached_results_are_counted_until_they_expire(store: Store) -> None:
    assert await store.cached_results() == 0
    await store.cache("a", result(1), ttl=None)
    await store.cache("b", result(1), ttl=3600)
    await store.cache("gone", result(1), ttl=0)
    assert await store.cached_results() == 2
    await store.cache("a", result(2), ttl=None)
    assert await store.cached_results() == 2
    await store.invalidate("a")
    assert await store.cached_results() == 0, "the path of the other begins so, too"


def artifact(execution_id: str, number: int) -> ArtifactInfo:
    return ArtifactInfo(
        execution_id, "a", f"n{number}", f"d/é{number}", f"{number:064}", 2**40 + number, "at"
    )


async def test_artifacts_are_listed_newest_first_in_pages(store: Store) -> None:
    _, one = await begun(store, "e1")
    _, two = await begun(store, "e2")
    await store.commit(Commit(one, artifacts=[artifact("e1", 1), artifact("e1", 2)]))
    await store.commit(Commit(two, artifacts=[artifact("e2", 3)]))
    await store.commit(Commit(one, artifacts=[artifact("e1", 4)]))
    numbers, after = [], None
    for _ in range(2):
        page = await store.artifacts(after=after, limit=2)
        numbers.append([a.name for a in page.items])
        after = page.cursor
    assert numbers == [["n4", "n3"], ["n2", "n1"]]
    assert after is None
    ours = (await store.artifacts(execution_id="e1")).items
    assert ours == [artifact("e1", n) for n in (4, 2, 1)]
    assert (await store.artifacts(execution_id="e1", limit=1)).items == [artifact("e1", 4)]
    assert (await store.artifacts(execution_id="nothing")).items == []


# Principals


ANN = Principal(
    "p1", "Ann É", "admin", ("a:*", "b"), "hash1", "2026-01-01T00:00:00Z", "2027", "standard"
)


async def test_a_principal_is_found_by_id_and_by_key(store: Store) -> None:
    bob = Principal("p2", "Bob", "viewer")
    for principal in (ANN, bob):
        await store.put_principal(principal)
    assert await store.principal(id="p1") == ANN
    assert await store.principal(key_hash="hash1") == ANN
    assert await store.principal(id="p2") == bob
    assert await store.principal(id="p2", key_hash="hash1") is None
    for missing in ({"id": "p3"}, {"key_hash": "hash2"}, {"key_hash": ""}, {}):
        assert await store.principal(**missing) is None


async def test_a_principal_is_replaced_by_id(store: Store) -> None:
    await store.put_principal(ANN)
    changed = replace(ANN, role="viewer", key_hash="hash2", scopes=())
    await store.put_principal(changed)
    assert await store.principal(key_hash="hash1") is None
    assert await store.principal(key_hash="hash2") == changed


async def test_a_key_belongs_to_one_principal(store: Store) -> None:
    await store.put_principal(ANN)
    with pytest.raises(StoreError, match="p2"):
        await store.put_principal(replace(ANN, id="p2"))
    assert await store.principal(key_hash="hash1") == ANN
    for id in ("p3", "p4"):  # those without a key do not collide
        await store.put_principal(Principal(id, id, "viewer"))


async def test_principals_are_listed_by_id_in_pages_and_deleted(store: Store) -> None:
    for id in "cab":
        await store.put_principal(Principal(id, id, "viewer"))
    page = await store.principals(limit=2)
    assert [p.id for p in page.items] == ["a", "b"]
    page = await store.principals(after=page.cursor, limit=2)
    assert ([p.id for p in page.items], page.cursor) == (["c"], None)
    await store.delete_principal("b")
    await store.delete_principal("b")
    assert [p.id for p in (await store.principals()).items] == ["a", "c"]


# The audit


async def test_the_audit_is_listed_newest_first_in_pages(store: Store) -> None:
    entries = [
        AuditEntry(f"at{n}", "ann", "stop", f"e{n % 2}", n != 1, f"rule{n}", {"n": [n]})
        for n in range(5)
    ]
    for entry in entries:
        await store.record(entry)
    rules, after = [], None
    for _ in range(3):
        page = await store.audit(after=after, limit=2)
        rules.append([entry.rule for entry in page.items])
        after = page.cursor
    assert rules == [["rule4", "rule3"], ["rule2", "rule1"], ["rule0"]]
    assert after is None
    ours = (await store.audit(target="e1")).items
    assert [replace(entry, id=0) for entry in ours] == [entries[3], entries[1]]
    assert ours[0].id > ours[1].id > 0


async def test_an_audit_that_is_no_json_is_refused_by_name(store: Store) -> None:
    with pytest.raises(StoreError, match="stop by ann"):
        await store.record(AuditEntry("", "ann", "stop", "e", data={"x": object()}))
    assert (await store.audit()).items == []


async def test_shelves_are_there_when_the_store_is_opened_again(lasting_url: str) -> None:
    first = await connect(lasting_url)
    await first.cache("k", result(1), ttl=None)
    await first.put_principal(ANN)
    await first.record(AuditEntry("", "ann", "stop", "e"))
    await first.close()
    again = await connect(lasting_url)
    try:
        assert await again.cached("k") == result(1)
        assert (await again.principals()).items == [ANN]
        assert len((await again.audit()).items) == 1
    finally:
        await again.close()


# What was said first


async def test_of_all_that_say_something_under_a_key_the_first_counts(store: Store) -> None:
    later = time.time() + 3600
    said = await asyncio.gather(*(store.first("k", str(n), later) for n in range(8)))
    assert len(set(said)) == 1
    assert said[0] in {str(n) for n in range(8)}
    assert await store.first("k", "more", later) == said[0]
    assert await store.first("K", "more", later) == "more"


async def test_what_has_expired_was_never_said(store: Store) -> None:
    assert await store.first("k", "old", time.time() - 1) == "old"
    later = time.time() + 3600
    said = await asyncio.gather(*(store.first("k", f"new {n}", later) for n in range(5)))
    assert len(set(said)) == 1
    assert said[0].startswith("new")


async def test_another_worker_hears_what_was_said_first(two_stores: tuple[Store, Store]) -> None:
    one, other = two_stores
    later = time.time() + 3600
    both = await asyncio.gather(one.first("a/b", "1", later), other.first("a/b", "2", later))
    assert both[0] == both[1]


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800"])
async def test_a_key_is_proper_text(store: Store, key: str) -> None:
    with pytest.raises(InvalidInput):
        await store.first(key, "x", time.time() + 60)
