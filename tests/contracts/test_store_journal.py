"""What every `Store` owes of journals and of the commits that write them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun, entry, execution, journal, question

from assay.graphs.errors import StoreError
from assay.graphs.execution import Cost, Status, new_id
from assay.graphs.lease import Command, Message
from assay.graphs.question import Signal
from assay.graphs.stored import ArtifactInfo, Commit, Entry

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


async def test_one_commit_carries_everything(store: Store) -> None:
    of, lease = await begun(store)
    await store.post(Message(of.id, Command.PAUSE))
    (message,) = await store.inbox(store.worker)
    changed = replace(of, status=Status.WAITING, outputs={"n": 1}, cost=Cost(1, 2, 3, 0.5))
    asked = question(of.id)
    kept = ArtifactInfo(of.id, "a", "log", "log.txt", "0" * 64, 12, "2026-01-01T00:00:00Z")
    signal = Signal("s1", "done", None, {"n": 1}, 5.0)
    commit = Commit(lease, entry(1), changed, [asked], [message.id], [signal], [kept], release=True)
    assert await store.commit(commit)
    assert await store.execution(of.id) == changed
    assert await journal(store, of.id) == [entry(1)]
    assert [q.id for q in (await store.questions()).items] == [asked.id]
    assert (await store.artifacts()).items == [kept]
    assert await store.signals("done", None, since=0) == [signal]
    assert await store.holder(of.id) is None
    assert await store.claim(of.id, store.worker)
    assert await store.inbox(store.worker) == []


async def test_what_was_given_at_the_beginning_never_changes(store: Store) -> None:
    of, lease = await begun(store, inputs={"n": 1})
    await store.commit(Commit(lease, execution=replace(of, inputs={"n": 2}, current_step="a")))
    assert await store.execution(of.id) == replace(of, current_step="a")


async def test_what_happens_to_a_value_after_the_call_does_not_matter(store: Store) -> None:
    of, lease = await begun(store)
    outputs = {"list": ["before"]}
    committing = asyncio.ensure_future(
        store.commit(Commit(lease, execution=replace(of, outputs=outputs)))
    )
    await asyncio.sleep(0)  # the call has begun
    outputs["list"][0] = "after"
    await committing
    assert (await store.execution(of.id)).outputs == {"list": ["before"]}


TAKEN = [entry(1), entry(3), entry(3, 4), entry(4, 6), entry(1, 9), entry(5)]


@pytest.mark.parametrize("second", TAKEN, ids=str)
async def test_a_place_in_the_journal_is_taken_only_once(store: Store, second: Entry) -> None:
    """And the commit that tried leaves nothing behind."""
    of, lease = await begun(store, entries=[entry(1, 2), entry(3, 5)])
    asked = question(of.id)
    commit = Commit(lease, second, replace(of, current_step="x"), [asked])
    with pytest.raises(StoreError, match=rf"{of.id}.*from {second.first} to {second.last}"):
        await store.commit(commit)
    with pytest.raises(StoreError, match=of.id):
        await store.commit(Commit(lease, second))
    assert await journal(store, of.id) == [entry(1, 2), entry(3, 5)]
    assert await store.execution(of.id) == of
    assert (await store.questions()).items == []


@pytest.mark.parametrize("wrong", [Entry(0, 1, b""), Entry(-1, 1, b""), Entry(3, 2, b"")], ids=str)
async def test_an_entry_is_numbered_from_one(store: Store, wrong: Entry) -> None:
    of, lease = await begun(store)
    with pytest.raises(StoreError, match="numbered from 1"):
        await store.commit(Commit(lease, wrong))
    with pytest.raises(StoreError, match="numbered from 1"):
        await store.create(execution(), [wrong], store.worker)
    assert await journal(store, of.id) == []


async def test_a_commit_concerns_one_execution(store: Store) -> None:
    of, lease = await begun(store)
    other, _ = await begun(store)
    artifact = ArtifactInfo(other.id, "a", "log", "log.txt", "0" * 64, 12, "")
    for commit in (
        Commit(lease, entry(1), execution=other),
        Commit(lease, entry(1), questions=[question(other.id)]),
        Commit(lease, entry(1), artifacts=[artifact]),
    ):
        with pytest.raises(StoreError, match=other.id):
            await store.commit(commit)
    assert await journal(store, of.id) == []


async def test_of_many_commits_at_once_only_the_wrong_ones_fail(store: Store) -> None:
    made = [await begun(store) for _ in range(50)]
    wrong = {3, 4, 31}
    for number in wrong:
        await store.commit(Commit(made[number][1], entry(1)))
    outcomes = await asyncio.gather(
        *(store.commit(Commit(lease, entry(1))) for _, lease in made), return_exceptions=True
    )
    assert {n for n, outcome in enumerate(outcomes) if outcome is not True} == wrong
    for number in wrong:
        assert isinstance(outcomes[number], StoreError)
    for of, _ in made:
        assert await journal(store, of.id) == [entry(1)]


async def test_of_two_that_race_for_one_place_exactly_one_wins(store: Store) -> None:
    of, lease = await begun(store)
    both = [entry(1, 2, b"one"), entry(2, 3, b"other")]
    outcomes = await asyncio.gather(
        *(store.commit(Commit(lease, each)) for each in both), return_exceptions=True
    )
    winner = outcomes.index(True)
    assert isinstance(outcomes[1 - winner], StoreError)
    assert await journal(store, of.id) == [both[winner]]


async def test_commits_that_overtake_each_other_all_arrive(store: Store) -> None:
    """Branches of one execution commit at the same time, and the last row counts."""
    of, lease = await begun(store)
    commits = [Commit(lease, entry(n), replace(of, restarts=n)) for n in range(1, 30)]
    await asyncio.gather(*map(store.commit, commits))
    assert await journal(store, of.id) == [entry(n) for n in range(1, 30)]
    assert (await store.execution(of.id)).restarts == 29


async def test_all_kinds_of_commits_at_once(store: Store) -> None:
    """What is written together does not mix what belongs to different executions."""
    made = [await begun(store, f"e{n:03}") for n in range(60)]

    def commit(number: int) -> Commit:
        of, lease = made[number]
        changed = replace(of, status=Status.WAITING, restarts=number)
        return [
            Commit(lease, entry(1)),
            Commit(lease, execution=changed),
            Commit(lease, entry(1), changed, release=True),
            Commit(lease, release=True),
            Commit(lease, entry(1), questions=[question(of.id)], release=True),
        ][number % 5]

    assert await asyncio.gather(*(store.commit(commit(n)) for n in range(60))) == [True] * 60
    for number, (of, _) in enumerate(made):
        kind = number % 5
        found = await store.execution(of.id)
        assert await journal(store, of.id) == ([entry(1)] if kind in (0, 2, 4) else [])
        assert found.restarts == (number if kind in (1, 2) else 0)
        assert (found.status is Status.WAITING) == (kind in (1, 2))
        assert (await store.holder(of.id) is None) == (kind in (2, 3, 4))
        asked = (await store.questions(execution_id=of.id)).items
        assert len(asked) == (kind == 4)


async def test_entries_are_read_in_order_after_a_number_in_pages(store: Store) -> None:
    of, lease = await begun(store, entries=[entry(1, 2)])
    await begun(store, entries=[entry(1)])
    written = [entry(1, 2), entry(3), entry(4, 6), entry(7)]
    for each in written[1:]:
        await store.commit(Commit(lease, each))
    assert await journal(store, of.id) == written
    page = await store.entries(of.id, limit=2)
    assert (page.items, page.cursor) == (written[:2], "3")
    page = await store.entries(of.id, after=3, limit=2)
    assert (page.items, page.cursor) == (written[2:], None)


@pytest.mark.parametrize(("after", "first"), [(0, 1), (1, 1), (2, 3), (4, 4), (5, 4), (6, 7)])
async def test_an_entry_that_holds_a_later_number_is_among_them(
    store: Store, after: int, first: int
) -> None:
    entries = [entry(1, 2), entry(3), entry(4, 6), entry(7)]
    of, _ = await begun(store, entries=entries)
    assert (await store.entries(of.id, after=after)).items[0].first == first


async def test_entries_hold_any_bytes(store: Store) -> None:
    data = [bytes(range(256)), b"\xff\xfe", b"x" * 3_000_000, b"\0"]
    entries = [Entry(n, n, each) for n, each in enumerate(data, 1)]
    of, _ = await begun(store, entries=entries)
    assert await journal(store, of.id) == entries


async def test_an_unknown_id_has_no_entries(store: Store) -> None:
    page = await store.entries(new_id())
    assert (page.items, page.cursor) == ([], None)
