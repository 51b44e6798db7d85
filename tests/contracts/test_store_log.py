"""What every `Store` owes of the log: all journals as one, in the order of their commits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun, ended, entry, execution

from assay.graphs.errors import InvalidInput
from assay.graphs.execution import Status
from assay.graphs.stored import Commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.graphs.ports import Store
    from assay.graphs.stored import Logged

pytestmark = pytest.mark.anyio


async def test_entries_of_all_executions_come_in_the_order_of_their_commits(store: Store) -> None:
    one, its = await begun(store, entries=[entry(1, 2)])
    other, others = await begun(store, entries=[entry(1)])
    await store.commit(Commit(its, entry(3)))
    await store.commit(Commit(others, entry(2, 4)))
    await store.commit(Commit(its, entry(4)))
    told = await _told(store, 5)
    assert {(t.execution_id, t.entry.last) for t in told[:2]} == {(one.id, 2), (other.id, 1)}
    assert [(t.execution_id, t.entry) for t in told[2:]] == [
        (one.id, entry(3)),
        (other.id, entry(2, 4)),
        (one.id, entry(4)),
    ]


async def test_every_entry_has_a_cursor_from_which_one_goes_on(store: Store) -> None:
    _, lease = await begun(store)
    await asyncio.gather(*(store.commit(Commit(lease, entry(n))) for n in range(1, 8)))
    told = await _told(store, 7)
    assert [t.entry.last for t in told] == list(range(1, 8))
    for number, each in enumerate(told, 1):
        assert list(await store.log(after=each.cursor)) == told[number:]
        assert list(await store.log(after=each.cursor, limit=2)) == told[number : number + 2]
    assert list(await store.log(after="", limit=3)) == told[:3]


async def test_behind_the_end_is_only_what_comes_later(store: Store) -> None:
    assert list(await store.log(after=await store.log_end())) == []
    _, lease = await begun(store, entries=[entry(1)])
    await _told(store, 1)
    end = await store.log_end()
    assert list(await store.log(after=end)) == []
    await store.commit(Commit(lease, entry(2)))
    assert [t.entry for t in await _told(store, 1, end)] == [entry(2)]


async def test_what_is_deleted_is_not_told_and_no_cursor_stands_for_anything_else(
    store: Store,
) -> None:
    """Though the newest of all was deleted, and its place would be the next one's."""
    kept, lease = await begun(store, entries=[entry(1)])
    for number in range(3):
        gone, its = await begun(store, entries=[entry(1), entry(2)])
        cursor = (await _told(store, 3 + number))[-1].cursor
        await ended(store, its, gone, Status.COMPLETED)
        await store.delete_execution(gone.id)
        assert list(await store.log(after=cursor)) == []
        await store.commit(Commit(lease, entry(2 + number)))
        (told,) = await _told(store, 1, cursor)
        assert (told.execution_id, told.entry) == (kept.id, entry(2 + number))


async def test_nothing_is_passed_over_while_many_commit(two_stores: tuple[Store, Store]) -> None:
    """Who reads behind the writers sees what each of them has written, once and in order."""
    store, other = two_stores
    count, each = 6, 15

    async def write(to: Store) -> str:
        of, lease = await begun(to)
        for number in range(1, each + 1):
            await to.commit(Commit(lease, entry(number)))
        return of.id

    async def read() -> list[Logged]:
        told: list[Logged] = []
        while len(told) < count * each:
            more = await store.log(after=told[-1].cursor if told else "", limit=7)
            told += more
            if not more:
                await asyncio.sleep(0.02)
        return told

    async with asyncio.timeout(60):
        reading = asyncio.ensure_future(read())
        ids = await asyncio.gather(*(write((store, other)[n % 2]) for n in range(count)))
        told = await reading
    assert len({t.cursor for t in told}) == len(told)
    for id in ids:
        assert [t.entry.last for t in told if t.execution_id == id] == list(range(1, each + 1))


@pytest.mark.parametrize("id", ["", "y" * 1200])
async def test_what_begins_with_a_long_journal_is_told_whole_and_in_order(
    store: Store, id: str
) -> None:
    """Also to who reads meanwhile: it is there as soon as the execution is, and not before."""
    _, other = await begun(store)
    end = await store.log_end()
    told: list[Logged] = []

    async def read() -> None:
        while len(told) < 452:
            more = await store.log(after=told[-1].cursor if told else end, limit=97)
            told.extend(more)
            if not more:
                await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        reading = asyncio.ensure_future(read())
        await store.commit(Commit(other, entry(1)))
        long, lease = await begun(store, id, entries=[entry(n) for n in range(1, 451)])
        await store.commit(Commit(lease, entry(451)))
        await reading

    its = [t for t in told if t.execution_id == long.id]
    assert [t.entry.last for t in its] == list(range(1, 452))
    assert len({t.cursor for t in told}) == len(told) == 452
    for number in (1, 2, 100, 249, 250, 251, 252, 450):
        (next,) = await store.log(after=told[number].cursor, limit=1)
        assert next == told[number + 1]
        assert len(await store.log(after=told[number].cursor, limit=1000)) == 451 - number


async def test_any_id_and_any_bytes_come_back(store: Store) -> None:
    large = replace(entry(1), data=b"x" * 2_000_000)
    ids = ["a/b", "é%~", "__x__", "y" * 1200]
    for id in ids:
        await store.create(execution(id), [large], "")
    told = await _told(store, len(ids))
    assert {t.execution_id: t.entry for t in told} == dict.fromkeys(ids, large)


@pytest.mark.parametrize("wrong", ["x", "-1", "1/2", "1/a/b/c/d", "9" * 30, "é"])
async def test_what_is_no_cursor_is_refused(store: Store, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="no cursor"):
        await store.log(after=wrong)


async def _told(store: Store, count: int, after: str = "") -> Sequence[Logged]:
    """So many as soon as they are told, which may take a moment; then there are no more."""
    async with asyncio.timeout(60):
        while len(told := await store.log(after=after)) < count:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)
    assert len(told) == count
    assert all(a.cursor != b.cursor for a, b in pairwise(told))
    return list(told)
