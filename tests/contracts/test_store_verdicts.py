"""What every `Store` owes of what was said of agents' answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, ended

from assay.graphs.errors import InvalidInput, LeaseLost
from assay.graphs.execution import Status
from assay.graphs.stored import Commit
from assay.graphs.verdicts import Case, Source, Verdict
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


def verdict(id: str, workflow: str = "w", step: str = "fix", *, passed: bool = True) -> Verdict:
    return Verdict(
        *(id, workflow, step, "openai:a", "digest", passed, Source.VERIFY, "x", "fix[1]"),
        "2026-11-21T09:30:00.000000Z",
        tokens=120,
        usd=0.25,
        seconds=1.5,
        by="me",
        comment="so that others know",
    )


async def ids(store: Store, workflow: str | None = None, step: str | None = None) -> list[str]:
    return [v.id for v in (await store.verdicts(workflow=workflow, step=step)).items]


async def test_verdicts_are_listed_newest_first_by_workflow_and_step(store: Store) -> None:
    said = [verdict("1"), verdict("2", step="fix/2"), verdict("3", "w/fix", "2"), verdict("4")]
    for each in said:
        await store.judge(each)
    assert list((await store.verdicts()).items) == said[::-1]
    assert await ids(store, "w") == ["4", "2", "1"]
    assert await ids(store, "w", "fix") == ["4", "1"]
    assert await ids(store, "w/fix", "2") == ["3"]
    assert await ids(store, "nobody") == []


async def test_verdicts_come_in_pages(store: Store) -> None:
    for number in range(7):
        await store.judge(verdict(f"v/{number}"))
    filters: list[dict[str, Any]] = [{}, {"workflow": "w"}, {"workflow": "w", "step": "fix"}]
    for named in filters:
        found: list[str] = []
        after = None
        while True:
            page = await store.verdicts(after=after, limit=3, **named)
            found += [v.id for v in page.items]
            if (after := page.cursor) is None:
                break
        assert found == [f"v/{number}" for number in range(6, -1, -1)]
    with pytest.raises(InvalidInput):
        await store.verdicts(after="elsewhere")


async def test_the_last_verdict_of_an_id_counts(store: Store) -> None:
    unpriced = replace(verdict("a", passed=False), usd=None)
    for each in (verdict("a"), verdict("b"), unpriced):
        await store.judge(each)
    assert list((await store.verdicts(workflow="w", step="fix")).items) == [unpriced, verdict("b")]


async def test_a_verdict_keeps_the_case_that_it_confirms(store: Store) -> None:
    known = replace(verdict("a"), case=Case({"inputs.mail": "naïve\n☃", "who": ""}, "later"))
    for each in (known, verdict("b")):
        await store.judge(each)
    assert list((await store.verdicts(workflow="w", step="fix")).items) == [verdict("b"), known]


async def test_what_was_said_before_a_time_is_forgotten(store: Store) -> None:
    for number in range(4):
        at = f"2026-11-2{number}T00:00:00.000000Z"
        await store.judge(replace(verdict(f"{number}"), at=at))
    before = "2026-11-22T00:00:00.000000Z"
    assert [await store.forget_verdicts(before) for _ in range(2)] == [2, 0]
    assert await ids(store) == await ids(store, "w", "fix") == ["3", "2"]


async def test_verdicts_are_written_with_their_commit_and_outlive_the_execution(
    store: Store,
) -> None:
    of, lease = await begun(store, "e")
    await store.commit(Commit(lease, verdicts=[verdict("a"), verdict("b", passed=False)]))
    assert await ids(store, "w", "fix") == ["b", "a"]
    await store.commit(Commit(lease, verdicts=[verdict("a")]))
    await ended(store, lease, of, Status.COMPLETED)
    await store.delete_execution("e")
    assert sorted(await ids(store)) == ["a", "b"]


async def test_who_has_lost_the_lease_says_nothing_of_anybody(store: Store) -> None:
    _, lease = await begun(store, "e")
    await store.claim("e", store.worker)
    with pytest.raises(LeaseLost):
        await store.commit(Commit(lease, verdicts=[verdict("a")]))
    assert await ids(store) == []


async def test_every_worker_learns_from_what_any_was_told(
    two_stores: tuple[Store, Store],
) -> None:
    one, other = two_stores
    await one.judge(verdict("a"))
    await other.judge(verdict("b", passed=False))
    assert sorted(await ids(one, "w", "fix")) == sorted(await ids(other, "w", "fix")) == ["a", "b"]


async def test_verdicts_survive_a_restart(lasting_url: str) -> None:
    first = await connect(lasting_url)
    await first.judge(verdict("a"))
    await first.close()
    again = await connect(lasting_url)
    try:
        assert list((await again.verdicts()).items) == [verdict("a")]
    finally:
        await again.close()
