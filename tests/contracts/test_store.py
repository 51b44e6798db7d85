"""What every `Store` owes of executions and their journals."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.errors import ExecutionNotFound, InvalidInput, StoreError
from assay.graphs.event import Event, EventType
from assay.graphs.execution import Cost, Execution, Exit, Failure, Status, StepResult, new_id
from assay.graphs.ports import Commit, Decision
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

_EXECUTION = {"workflow": "build", "version": "1", "digest": "d1", "status": Status.RUNNING}


def execution(id: str = "", **given: Any) -> Execution:
    return Execution(id or new_id(), **{**_EXECUTION, **given})


def result(path: str, seq: int, **given: Any) -> StepResult:
    given = {"step": path, "kind": "set", "status": Status.COMPLETED, **given}
    return StepResult(path, **given, seq=seq)


def event(of: Execution, seq: int, **data: Any) -> Event:
    return Event(of.id, EventType.NOTICE, "2026-01-01T00:00:00Z", "a.b[2]", data, seq)


async def begun(store: Store, **given: Any) -> Execution:
    """An execution that is in the store."""
    new = execution(**given)
    await store.commit(Commit(new.id, execution=new))
    return new


async def test_an_execution_comes_back_as_it_was(store: Store) -> None:
    failure = Failure("exit_status", "It failed: ü", "a.b", rollback=True)
    full = execution(
        status=Status.FAILED,
        inputs={"n": 1, "deep": {"list": [1.5, None, "\u0000", "𝄞"]}},
        outputs={"o": True},
        artifacts={"log": {"sha256": "0" * 64}},
        error=failure,
        current_step="a.b",
        env={"CI": "true"},
        cost=Cost(1, 2, 3, 0.25),
        notices=("a notice", "another"),
        created_at="2026-01-01T00:00:00Z",
        completed_at="2026-01-02T00:00:00Z",
    )
    await store.commit(Commit(full.id, execution=full))
    assert await store.execution(full.id) == full


async def test_results_come_back_as_they_were_in_the_order_of_the_journal(store: Store) -> None:
    of = await begun(store)
    second = result(
        "each[1].fetch",
        4,
        status=Status.FAILED,
        output={"rows": [1, 2]},
        outputs={"x": None},
        artifacts={"f": "g"},
        error=Failure("terminal", "No", "each[1].fetch", rollback=True),
        attempts=3,
        cost=Cost(5, 6, 1, None),
        cached=True,
        cache_key="k",
        context={"tries": 2},
        exit=Exit.STOP,
        reason="because",
    )
    first = result("z", 2)
    await store.commit(Commit(of.id, results=[second]))
    await store.commit(Commit(of.id, results=[first]))
    read = (await store.execution(of.id)).steps
    assert list(read.items()) == [("z", first), ("each[1].fetch", second)]
    assert (await store.execution(of.id, steps=False)).steps == {}
    history = (await store.history(of.id)).results
    assert list(history.items()) == list(read.items())


async def test_decisions_come_back_by_path_and_name(store: Store) -> None:
    of = await begun(store)
    decisions = [Decision("a", "when", False), Decision("a", "items", [1, {"b": None}])]
    await store.commit(Commit(of.id, decisions=decisions))
    history = await store.history(of.id)
    assert history.decisions == {("a", "when"): False, ("a", "items"): [1, {"b": None}]}


async def test_history_knows_the_highest_number_given_out(store: Store) -> None:
    of = await begun(store)
    assert (await store.history(of.id)).seq == 0
    await store.commit(Commit(of.id, events=[event(of, 1), event(of, 3)]))
    assert (await store.history(of.id)).seq == 3
    await store.commit(Commit(of.id, results=[result("a", 7)]))
    assert (await store.history(of.id)).seq == 7


async def test_an_unknown_id_has_an_empty_history_and_no_events(store: Store) -> None:
    history = await store.history(new_id())
    assert (history.results, history.decisions, history.seq) == ({}, {}, 0)
    assert (await store.events(new_id())).items == []


async def test_what_happens_to_a_value_after_the_call_does_not_matter(store: Store) -> None:
    of = await begun(store)
    output = ["before"]
    committing = asyncio.ensure_future(
        store.commit(Commit(of.id, results=[result("a", 1, output=output)]))
    )
    await asyncio.sleep(0)  # the call has begun
    output[0] = "after"
    await committing
    assert (await store.execution(of.id)).steps["a"].output == ["before"]


async def test_events_are_read_in_order_after_a_number_in_pages(store: Store) -> None:
    of, other = await begun(store), await begun(store)
    events = [event(of, seq, n=seq) for seq in range(1, 6)]
    await store.commit(Commit(of.id, events=events[:3]))
    await store.commit(Commit(other.id, events=[event(other, 1)]))
    await store.commit(Commit(of.id, events=events[3:]))
    assert (await store.events(of.id)).items == events
    page = await store.events(of.id, after=1, limit=2)
    assert page.items == events[1:3]
    assert page.cursor == "3"
    last = await store.events(of.id, after=int(page.cursor), limit=2)
    assert last.items == events[3:]
    assert last.cursor is None


@pytest.mark.parametrize(
    "second",
    [
        {"results": [result("a", 9)]},
        {"results": [result("b", 1)]},
        {"results": [result("c", 8), result("c", 9)]},
        {"decisions": [Decision("a", "when", True)]},
        {"events": "same seq"},
    ],
    ids=["path", "result number", "path within one commit", "decision", "event number"],
)
async def test_a_place_in_the_journal_is_taken_only_once(
    store: Store, second: dict[str, Any]
) -> None:
    """And the commit that tried leaves nothing behind."""
    of = await begun(store)
    events = [event(of, 1)]
    decisions = [Decision("a", "when", False)]
    await store.commit(Commit(of.id, [result("a", 1)], decisions, events))
    before = await store.history(of.id)

    if "events" in second:
        second = {"events": [event(of, 2), event(of, 1, n="other")]}
    fresh = {"results": [result("fresh", 5)], "execution": replace(of, current_step="x")}
    whole: dict[str, Any] = {**fresh, **second}
    with pytest.raises(StoreError, match=of.id):
        await store.commit(Commit(of.id, **whole))
    assert await store.history(of.id) == before
    assert (await store.events(of.id)).items == events
    assert (await store.execution(of.id, steps=False)) == of


async def test_a_compensated_result_replaces_the_completed_one_in_its_place(
    store: Store,
) -> None:
    of = await begun(store)
    await store.commit(Commit(of.id, results=[result("a", 1, output=1), result("b", 2)]))
    undone = result("a", 1, output=1, status=Status.COMPENSATED)
    await store.commit(Commit(of.id, results=[undone], events=[event(of, 3)]))
    steps = (await store.execution(of.id)).steps
    assert list(steps.items()) == [("a", undone), ("b", result("b", 2))]


@pytest.mark.parametrize(
    ("path", "seq"),
    [("failed", 1), ("other", 2), ("completed", 3), ("twice", 4)],
    ids=["a failed step", "an unknown step", "another number", "a second time"],
)
async def test_only_a_completed_step_is_compensated(store: Store, path: str, seq: int) -> None:
    of = await begun(store)
    failed = result("failed", 1, status=Status.FAILED)
    await store.commit(Commit(of.id, results=[failed, result("completed", 2), result("twice", 4)]))
    undone = result("twice", 4, status=Status.COMPENSATED)
    await store.commit(Commit(of.id, results=[undone]))
    before = await store.history(of.id)
    results = [result("fresh", 9), result(path, seq, status=Status.COMPENSATED)]
    with pytest.raises(StoreError, match=repr(path)):
        await store.commit(Commit(of.id, results=results))
    assert await store.history(of.id) == before


@pytest.mark.parametrize("seq", [0, -1])
async def test_what_has_no_number_is_not_durable(store: Store, seq: int) -> None:
    of = await begun(store)
    with pytest.raises(StoreError, match="numbered from 1"):
        await store.commit(Commit(of.id, results=[result("a", seq)]))
    with pytest.raises(StoreError, match="numbered from 1"):
        await store.commit(Commit(of.id, events=[event(of, seq)]))


@pytest.mark.parametrize("value", [object(), 2**70, "\ud800", {1, 2}])
async def test_a_value_that_is_not_json_is_refused_by_name(store: Store, value: Any) -> None:
    of = await begun(store)
    with pytest.raises(StoreError, match=r"step a\.b"):
        await store.commit(Commit(of.id, results=[result("a.b", 1, output=value)]))
    assert (await store.history(of.id)).results == {}


async def test_a_commit_concerns_one_execution(store: Store) -> None:
    of, other = await begun(store), await begun(store)
    with pytest.raises(StoreError, match=other.id):
        await store.commit(Commit(of.id, events=[event(other, 1)]))
    with pytest.raises(StoreError, match=other.id):
        await store.commit(Commit(of.id, execution=other))


async def test_a_journal_begins_with_the_row_of_its_execution(store: Store) -> None:
    with pytest.raises(StoreError, match="its first commit carries its row"):
        await store.commit(Commit(new_id(), results=[result("a", 1)]))


async def test_of_many_commits_at_once_only_the_wrong_ones_fail(store: Store) -> None:
    of = [await begun(store) for _ in range(50)]
    wrong = {3, 4, 31}
    for number in wrong:
        await store.commit(Commit(of[number].id, results=[result("a", 1)]))
    outcomes = await asyncio.gather(
        *(store.commit(Commit(e.id, results=[result("a", 1)])) for e in of),
        return_exceptions=True,
    )
    assert {n for n, outcome in enumerate(outcomes) if outcome is not None} == wrong
    for number in wrong:
        assert isinstance(outcomes[number], StoreError)
    for each in of:
        assert list((await store.history(each.id)).results) == ["a"]


async def test_of_two_that_race_for_one_place_exactly_one_wins(store: Store) -> None:
    of = await begun(store)
    outcomes = await asyncio.gather(
        *(store.commit(Commit(of.id, results=[result("a", 1, output=n)])) for n in range(2)),
        return_exceptions=True,
    )
    winner = outcomes.index(None)
    assert isinstance(outcomes[1 - winner], StoreError)
    assert (await store.execution(of.id)).steps["a"].output == winner


# Looking executions up


async def test_a_unique_beginning_of_an_id_is_enough(store: Store) -> None:
    one = await begun(store, id="0190aaaa-1")
    two = await begun(store, id="0190aaaa-12")
    assert (await store.execution("0190aaaa-12")).id == two.id
    assert (await store.execution("0190aaaa-1")).id == one.id  # the whole id wins
    three = await begun(store, id="0190b")
    assert (await store.execution("0190b")).id == three.id


async def test_a_beginning_of_several_ids_names_the_candidates(store: Store) -> None:
    for end in "12":
        await begun(store, id=f"0190aaaa-{end}")
    with pytest.raises(ExecutionNotFound, match="0190aaaa-2, 0190aaaa-1") as refused:
        await store.execution("0190")
    assert "more of the id" in refused.value.message


@pytest.mark.parametrize("id", ["", "zz", "%", "0190_", "' OR 1=1 --", "\u0000", "𝄞", "0190é"])
async def test_no_other_text_finds_an_execution(store: Store, id: str) -> None:
    await begun(store, id="0190aaaa")
    with pytest.raises(ExecutionNotFound):
        await store.execution(id)


async def test_executions_are_listed_newest_first_without_steps_in_pages(store: Store) -> None:
    made = [await begun(store, id=f"0190-{number}") for number in (3, 1, 4, 2, 5)]
    await store.commit(Commit(made[0].id, results=[result("a", 1)]))
    ids, after = [], None
    for _ in range(3):
        page = await store.executions(after=after, limit=2)
        ids.append([e.id[-1] for e in page.items])
        after = page.cursor
        assert all(not e.steps for e in page.items)
    assert ids == [["5", "4"], ["3", "2"], ["1"]]
    assert after is None


async def test_executions_are_filtered_by_workflow_and_status(store: Store) -> None:
    for number, (name, status) in enumerate(
        [("a", "failed"), ("b", "failed"), ("a", "running"), ("a", "failed")]
    ):
        await begun(store, id=str(number), workflow=name, status=Status(status))

    async def ids(**filters: Any) -> str:
        return "".join(e.id for e in (await store.executions(**filters)).items)

    assert await ids() == "3210"
    assert await ids(workflow="a") == "320"
    assert await ids(status="failed") == "310"
    assert await ids(workflow="a", status="failed") == "30"
    assert await ids(workflow="a", status="failed", after="3") == "0"
    assert await ids(status="unknown") == ""


async def test_a_status_that_changes_moves_the_execution_between_listings(store: Store) -> None:
    of = await begun(store)
    await store.commit(Commit(of.id, execution=replace(of, status=Status.COMPLETED)))
    assert (await store.executions(status="running")).items == []
    assert [e.id for e in (await store.executions(status="completed")).items] == [of.id]


async def test_a_page_without_room_is_refused(store: Store) -> None:
    for asked in (
        store.executions(limit=0),
        store.workflows(limit=-1),
        store.events("x", limit=0),
    ):
        with pytest.raises(InvalidInput):
            await asked


async def test_closing_twice_is_harmless_and_a_closed_store_says_so(store: Store) -> None:
    of = await begun(store)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="is closed"):
        await store.commit(Commit(of.id, events=[event(of, 1)]))
    with pytest.raises(StoreError, match="is closed"):
        await store.execution(of.id)


async def test_closing_writes_what_is_pending(store: Store) -> None:
    of = execution()
    committing = asyncio.ensure_future(store.commit(Commit(of.id, execution=of)))
    await asyncio.sleep(0)  # the call has begun
    await store.close()
    await committing


async def test_a_journal_is_there_when_the_store_is_opened_again(lasting_url: str) -> None:
    store = await connect(lasting_url)
    of = await begun(store)
    commit = Commit(of.id, [result("a", 2)], [Decision("a", "when", True)], [event(of, 1)])
    await store.commit(commit)
    await store.close()

    again = await connect(lasting_url)
    try:
        assert (await again.execution(of.id)).steps == {"a": result("a", 2)}
        assert (await again.history(of.id)).decisions == {("a", "when"): True}
        assert (await again.events(of.id)).items == [event(of, 1)]
    finally:
        await again.close()
