"""What every `Store` owes of executions and their journals."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, ended, entry, execution, journal, parked, question

from assay.graphs.errors import (
    ExecutionNotFound,
    InvalidInput,
    LeaseLost,
    NotPossible,
    StoreError,
)
from assay.graphs.execution import Cost, Failure, Status
from assay.graphs.lease import Command, Lease, Message, SlotRequest
from assay.graphs.question import Signal, Wait
from assay.graphs.stored import ArtifactInfo, Commit, Entry
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

ENDS = [
    status
    for status in Status
    if status.terminal and status.value not in ("skipped", "compensated")
]


# Beginning


async def test_an_execution_comes_back_as_it_was(store: Store) -> None:
    full = execution(
        status=Status.FAILED,
        inputs={"n": 1, "deep": {"list": [1.5, None, "\u0000", "𝄞"]}},
        outputs={"o": True},
        artifacts={"log": {"sha256": "0" * 64}},
        error=Failure("exit_status", "It failed: ü", "a.b", rollback=True),
        current_step="a.b",
        env={"CI": "true"},
        cost=Cost(1, 2, 3, 0.25),
        notices=("a notice", "another"),
        origin={"execution_id": "e0", "path": "a", "how": "fork"},
        priority=-3,
        slot=SlotRequest("k", 2, "replace", "running"),
        restarts=2,
        pins={"d1/child@1": "d2"},
        workspace="/somewhere",
        fuse=False,
        profile="restricted",
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-02T00:00:00Z",
        started_at="2026-01-01T00:00:01Z",
        completed_at="2026-01-02T00:00:00Z",
    )
    await store.create(full, [], store.worker)
    assert await store.execution(full.id) == full


async def test_it_begins_with_its_journal_and_a_lease(store: Store) -> None:
    new = execution()
    lease = await store.create(new, [entry(1, 3), entry(4)], store.worker)
    assert lease is not None
    assert (lease.execution_id, lease.worker) == (new.id, store.worker)
    assert await journal(store, new.id) == [entry(1, 3), entry(4)]
    assert await store.holder(new.id) == store.worker


async def test_without_a_worker_it_begins_without_a_lease(store: Store) -> None:
    new = execution()
    assert await store.create(new, [entry(1)], "") is None
    assert await store.holder(new.id) is None
    assert await journal(store, new.id) == [entry(1)]


async def test_an_id_is_given_out_once(store: Store) -> None:
    """And what tried to take it leaves nothing behind."""
    of, lease = await begun(store, entries=[entry(1)])
    for entries in ([], [entry(1), entry(2)]):
        for slot in (None, SlotRequest("k"), SlotRequest("k", 0, "reject")):
            other = replace(of, workflow="other", slot=slot)
            with pytest.raises(StoreError, match=of.id):
                await store.create(other, entries, "w")
    assert await store.slots() == []
    assert await store.execution(of.id) == of
    assert await journal(store, of.id) == [entry(1)]
    await store.commit(Commit(lease, entry(2)))


async def test_it_cannot_begin_with_entries_that_overlap(store: Store) -> None:
    with pytest.raises(StoreError, match="e cannot begin"):
        await store.create(execution("e"), [entry(1, 2), entry(2, 3)], store.worker)
    with pytest.raises(ExecutionNotFound):
        await store.execution("e")


@pytest.mark.parametrize("first", [[], [entry(1)]], ids=["no entries", "entries"])
async def test_of_many_that_begin_at_once_only_those_without_an_id_of_their_own_fail(
    store: Store, first: list[Entry]
) -> None:
    await begun(store, "e3")
    ids = [f"e{number}" for number in range(20)] + ["e7", "e18"]
    outcomes = await asyncio.gather(
        *(store.create(execution(id), first, store.worker) for id in ids),
        return_exceptions=True,
    )
    leases = {n: o for n, o in enumerate(outcomes) if isinstance(o, Lease)}
    errors = {n: o for n, o in enumerate(outcomes) if not isinstance(o, Lease)}
    assert all(isinstance(error, StoreError) for error in errors.values())
    assert 3 in errors
    assert len(errors) == 3
    for number, lease in leases.items():
        assert lease.execution_id == ids[number]
        await store.commit(Commit(lease, entry(2)))
        assert await journal(store, ids[number]) == [*first, entry(2)]


@pytest.mark.parametrize("id", ["", "a\0b", "\ud800"], ids=["empty", "NUL", "no Unicode"])
async def test_an_id_that_names_nothing_is_refused(store: Store, id: str) -> None:
    new = replace(execution(), id=id)
    with pytest.raises(InvalidInput, match="id"):
        await store.create(new, [], store.worker)


@pytest.mark.parametrize(
    "id",
    [
        *("a/b", "../x", ".", "__x__", "'; DROP TABLE executions; --", '"', "%", "_", "*"),
        *("é", "𝄞", "a b", "\n", "A", "x" * 1000, "\U0010ffff"),
    ],
)
async def test_any_other_text_is_an_id_like_any_other(store: Store, id: str) -> None:
    await begun(store, f"{id}.")
    of, lease = await begun(store, id, entries=[entry(1)])
    asked = question(id)
    await store.commit(Commit(lease, entry(2), of, questions=[asked]))
    await store.post(Message(id, Command.PAUSE))
    assert await store.execution(id) == of
    assert await journal(store, id) == [entry(1), entry(2)]
    assert [q.id for q in (await store.questions(execution_id=id)).items] == [asked.id]
    assert [m.execution_id for m in await store.inbox(store.worker)] == [id]
    assert await store.claim(id, store.worker)
    assert await journal(store, f"{id}.") == []


@pytest.mark.parametrize("value", [object(), 2**70, "\ud800", {1, 2}])
async def test_what_is_no_json_is_refused_by_name(store: Store, value: Any) -> None:
    of, lease = await begun(store, entries=[entry(1)])
    with pytest.raises(StoreError, match=f"Execution {of.id}"):
        await store.commit(Commit(lease, entry(2), replace(of, outputs={"x": value})))
    assert await journal(store, of.id) == [entry(1)]
    with pytest.raises(StoreError, match="new-one"):
        await store.create(execution("new-one", inputs={"x": value}), [], "")
    with pytest.raises(ExecutionNotFound):
        await store.execution("new-one")


# Looking executions up


async def test_a_unique_beginning_of_an_id_is_enough(store: Store) -> None:
    for id in ("0190aaaa-1", "0190aaaa-12", "0190b"):
        await begun(store, id)
    assert (await store.execution("0190aaaa-12")).id == "0190aaaa-12"
    assert (await store.execution("0190aaaa-1")).id == "0190aaaa-1"  # the whole id wins
    assert (await store.execution("0190b")).id == "0190b"


async def test_a_beginning_of_several_ids_names_the_candidates(store: Store) -> None:
    for end in "12":
        await begun(store, f"0190aaaa-{end}")
    with pytest.raises(ExecutionNotFound, match="0190aaaa-2, 0190aaaa-1") as refused:
        await store.execution("0190")
    assert "more of the id" in refused.value.message


@pytest.mark.parametrize("id", ["", "zz", "%", "0190_", "' OR 1=1 --", "\u0000", "𝄞", "0190é"])
async def test_no_other_text_finds_an_execution(store: Store, id: str) -> None:
    await begun(store, "0190aaaa")
    with pytest.raises(ExecutionNotFound):
        await store.execution(id)


async def test_only_a_whole_id_is_claimed_told_or_deleted(store: Store) -> None:
    """A beginning that names one execution today may name another tomorrow."""
    of, lease = await begun(store, "0190aaaa")
    await ended(store, lease, of, Status.COMPLETED)
    for asked in (
        store.claim("0190", store.worker),
        store.holder("0190"),
        store.post(Message("0190", Command.STOP)),
        store.delete_execution("0190"),
    ):
        with pytest.raises(ExecutionNotFound, match="0190"):
            await asked


async def test_executions_are_listed_newest_first_in_pages(store: Store) -> None:
    for number in (3, 1, 4, 2, 5):
        await begun(store, f"0190-{number}")
    ids, after = [], None
    for _ in range(3):
        page = await store.executions(after=after, limit=2)
        ids.append([e.id[-1] for e in page.items])
        after = page.cursor
    assert ids == [["5", "4"], ["3", "2"], ["1"]]
    assert after is None


async def test_executions_are_filtered_by_workflow_and_status(store: Store) -> None:
    for number, (name, status) in enumerate(
        [("a", "failed"), ("b", "failed"), ("a", "running"), ("a", "failed")]
    ):
        await begun(store, str(number), workflow=name, status=Status(status))

    async def ids(**filters: Any) -> str:
        return "".join(e.id for e in (await store.executions(**filters)).items)

    assert await ids() == "3210"
    assert await ids(workflow="a") == "320"
    assert await ids(status="failed") == "310"
    assert await ids(workflow="a", status="failed") == "30"
    assert await ids(workflow="a", status="failed", after="3") == "0"
    assert await ids(status="unknown") == ""


async def test_a_status_that_changes_moves_the_execution_between_listings(store: Store) -> None:
    of, lease = await begun(store)
    await ended(store, lease, of, Status.COMPLETED)
    assert (await store.executions(status="running")).items == []
    assert [e.id for e in (await store.executions(status="completed")).items] == [of.id]


async def test_a_page_without_room_is_refused(store: Store) -> None:
    for asked in (
        store.executions(limit=0),
        store.workflows(limit=-1),
        store.entries("x", limit=0),
        store.questions(limit=0),
        store.artifacts(limit=0),
        store.triggers(limit=0),
        store.firings(limit=0),
        store.due_firings(0, limit=0),
        store.lanes(limit=0),
        store.principals(limit=0),
        store.audit(limit=0),
        store.ready(store.worker, now=0, limit=0),
    ):
        with pytest.raises(InvalidInput):
            await asked


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", "9" * 30, "1 OR 1=1", "²"])
async def test_a_cursor_that_was_never_given_out_is_refused(store: Store, cursor: str) -> None:
    for asked in (
        store.questions(after=cursor),
        store.artifacts(after=cursor),
        store.audit(after=cursor),
    ):
        with pytest.raises(InvalidInput, match="cursor"):
            await asked


# Deleting


@pytest.mark.parametrize("status", ENDS)
async def test_an_execution_that_has_ended_is_deleted_with_everything_of_it(
    store: Store, status: Status
) -> None:
    kept, kept_lease = await begun(store, entries=[entry(1)])
    of, lease = await begun(store, entries=[entry(1)])
    artifact = ArtifactInfo(of.id, "a", "log", "log.txt", "0" * 64, 12, "")
    asked = question(of.id, kind=Wait.EVENT, event="done")
    await store.commit(Commit(lease, entry(2), questions=[asked], artifacts=[artifact]))
    await store.post(Message(of.id, Command.PAUSE))
    await store.commit(Commit(lease, execution=replace(of, status=status)))

    await store.delete_execution(of.id)

    with pytest.raises(ExecutionNotFound):
        await store.execution(of.id)
    assert await journal(store, of.id) == []
    assert (await store.questions(status=None)).items == []
    assert (await store.artifacts()).items == []
    assert await store.inbox(store.worker) == []
    assert await store.send(Signal("s", "done", None, None, 1.0)) == []
    with pytest.raises(LeaseLost):
        await store.commit(Commit(lease, entry(3)))
    with pytest.raises(ExecutionNotFound):
        await store.delete_execution(of.id)
    assert await store.execution(kept.id) == kept
    await store.commit(Commit(kept_lease, entry(2)))


async def test_the_lease_of_a_deleted_execution_writes_to_no_other(store: Store) -> None:
    """Even when the next one takes the same id and the same place."""
    of, stale = await begun(store, "e")
    await ended(store, stale, of, Status.FAILED)
    await store.delete_execution("e")
    _, lease = await begun(store, "e")
    with pytest.raises(LeaseLost):
        await store.commit(Commit(stale, entry(1)))
    assert await journal(store, "e") == []
    await store.commit(Commit(lease, entry(1)))


@pytest.mark.parametrize("status", [s for s in Status if not s.terminal])
async def test_an_execution_that_is_open_is_not_deleted(store: Store, status: Status) -> None:
    of = await parked(store, "e", status=status, entries=[entry(1)])
    with pytest.raises(NotPossible, match=f"e is {status}"):
        await store.delete_execution("e")
    assert await store.execution("e") == of
    assert await journal(store, "e") == [entry(1)]


# The store itself


async def test_closing_twice_is_harmless_and_a_closed_store_says_so(store: Store) -> None:
    of, lease = await begun(store)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="is closed"):
        await store.commit(Commit(lease, entry(1)))
    with pytest.raises(StoreError, match="is closed"):
        await store.execution(of.id)


async def test_closing_writes_what_is_pending(store: Store) -> None:
    _, lease = await begun(store)
    committing = asyncio.ensure_future(store.commit(Commit(lease, entry(1))))
    await asyncio.sleep(0)  # the call has begun
    await store.close()
    assert await committing


async def test_everything_is_there_when_the_store_is_opened_again(lasting_url: str) -> None:
    store = await connect(lasting_url)
    of, lease = await begun(store, entries=[entry(1)])
    asked = question(of.id)
    waiting = replace(of, status=Status.WAITING)
    await store.commit(Commit(lease, entry(2), waiting, questions=[asked]))
    await store.post(Message(of.id, Command.STOP, {"reason": "r"}))
    await store.close()

    again = await connect(lasting_url)
    try:
        assert again.worker != store.worker
        assert await again.execution(of.id) == waiting
        assert await journal(again, of.id) == [entry(1), entry(2)]
        assert (await again.question(asked.id)).path == "ask"
        assert await again.claim(of.id, again.worker)
        (message,) = await again.inbox(again.worker)
        assert (message.command, message.data) == (Command.STOP, {"reason": "r"})
    finally:
        await again.close()
