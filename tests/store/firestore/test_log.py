"""The log of a store that orders by the server's time: what is seen late is told all the same."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, ended, entry, execution

from assay.api.feed import Feed
from assay.graphs.errors import StateCorrupted
from assay.graphs.event import EventType
from assay.graphs.execution import Status, timestamp
from assay.graphs.records import Encoder
from assay.graphs.stored import Commit
from assay.store.bus import LocalBus
from assay.store.firestore import database, journal, log, names
from assay.store.firestore.beginning import Beginning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.graphs.stored import Entry, Logged
    from assay.store.firestore.database import Database, Found
    from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio

MANY = 450
"""Entries that no one commit can hold."""


@pytest.mark.parametrize("id", ["", "y" * 1200])
async def test_nobody_is_told_of_what_is_written_ahead_of_a_beginning_until_it_begins(
    firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    """However long it takes: who reads meanwhile would take it for an execution of nobody."""
    ahead, go = asyncio.Event(), asyncio.Event()
    make = Beginning._make

    async def late(self: Beginning, written: int) -> Any:
        ahead.set()
        await go.wait()
        return await make(self, written)

    monkeypatch.setattr(Beginning, "_make", late)
    end = await firestore.log_end()
    new = execution(id)
    entries = [entry(number) for number in range(1, MANY + 1)]
    creating = asyncio.ensure_future(firestore.create(new, entries, firestore.worker))
    await ahead.wait()
    await asyncio.sleep(log.LAG / 1_000_000 + 0.5)  # what is younger is told to nobody anyway
    assert list(await firestore.log(after=end)) == []
    go.set()
    assert await creating is not None

    told = await _told(firestore, MANY, end)
    assert [(each.execution_id, each.entry) for each in told] == [(new.id, e) for e in entries]
    for number in (0, 1, 200, MANY - 202, MANY - 201, MANY - 200, MANY - 2):
        rest = await firestore.log(after=told[number].cursor, limit=70)
        assert list(rest) == told[number + 1 : number + 71]


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_what_is_deleted_while_it_is_read_is_passed_over(
    firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    of, lease = await begun(firestore, entries=[replace(entry(1), data=secrets.token_bytes(size))])
    kept, _ = await begun(firestore, entries=[entry(1)])
    await ended(firestore, lease, of, Status.COMPLETED)
    await _told(firestore, 2, "")
    parse = journal.parse

    async def late(database: Database, id: str, found: Found) -> Entry:
        if id == of.id:
            await firestore.delete_execution(id)
        return await parse(database, id, found)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "parse", late)
        told = await firestore.log(after="")

    assert [each.execution_id for each in told if each.execution_id != of.id] == [kept.id]
    assert [each.execution_id for each in await firestore.log(after="")] == [kept.id]


async def test_what_was_seen_too_late_is_told_behind_what_was_told_before(
    firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's time in an entry is when it began to write it, which may take its time."""
    _, lease = await begun(firestore)
    times: list[Any] = []

    def once_late(result: Any) -> bool:
        times.append(result.transform_results[0].timestamp_value)
        return len(times) == 1

    monkeypatch.setattr(database, "is_late", once_late)
    await firestore.commit(Commit(lease, entry(1)))
    first, again = times

    passed = (first - log._SINCE_1970) // log._MICROSECOND
    assert again > first
    (told,) = await _told(firestore, 1, str(passed))
    assert told.entry == entry(1)
    assert await firestore.log(after=told.cursor) == []


def test_how_late_a_writer_can_be_is_less_than_how_long_readers_wait() -> None:
    assert database.LATE / log._MICROSECOND < log.LAG


async def test_who_listens_is_told_once_what_the_log_tells_twice(
    firestore: FirestoreStore,
) -> None:
    of, lease = await begun(firestore, entries=[_event(1)])
    async with aclosing(Feed(firestore, LocalBus()).listen("")) as listening:
        assert (await anext(listening)).event.seq == 1
        place = firestore._database.at(
            *(names.JOURNAL, names.name(of.id), names.ENTRIES, names.digits(1))
        )
        await firestore._database.stamp([place], "A test")
        await firestore.commit(Commit(lease, _event(2)))
        async with asyncio.timeout(60):
            assert (await anext(listening)).event.seq == 2


def _event(seq: int) -> Entry:
    at = timestamp()
    records = Encoder(at)
    return records.entry(seq, seq, [records.event(EventType.EXECUTION_WAITING, seq, at, "", {})])


async def test_what_is_damaged_is_not_passed_over(firestore: FirestoreStore) -> None:
    of, _ = await begun(firestore, entries=[replace(entry(1), data=secrets.token_bytes(2_000_000))])
    await _told(firestore, 1, "")
    its = firestore._database
    parts = (names.JOURNAL, names.name(of.id), names.PARTS)
    await its.clear([its.at(*parts, each.id) for each in await its.find(its.all(*parts))])

    with pytest.raises(StateCorrupted, match=of.id):
        await firestore.log(after="")


async def _told(store: FirestoreStore, count: int, after: str) -> Sequence[Logged]:
    """So many, as soon as they are told."""
    told: list[Logged] = []
    async with asyncio.timeout(60):
        while len(told) < count:
            more = await store.log(after=told[-1].cursor if told else after, limit=170)
            told += more
            if not more:
                await asyncio.sleep(0.1)
    assert len(told) == count
    return told
