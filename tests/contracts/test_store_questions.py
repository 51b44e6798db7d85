"""What every `Store` owes of questions, their answers, and events from outside."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, execution, parked, question

from assay.graphs.errors import QuestionNotFound, StoreError
from assay.graphs.execution import Status
from assay.graphs.lease import Command
from assay.graphs.question import Answer, Question, QuestionStatus, Signal, Wait
from assay.graphs.stored import Commit

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


def answered(asked: Question, value: Any = "yes", by: str = "ann") -> Question:
    changed = asked.answered(Answer(value, by, at="2026-01-01T00:00:00Z"))
    return replace(changed, revision=asked.revision + 1)


def waiting_for(execution_id: str, event: str, key: str | None = None, path: str = "w") -> Question:
    return question(execution_id, path, Wait.EVENT, event=event, key=key)


async def ask(store: Store, *questions: Question, id: str = "e") -> None:
    await parked(store, id, *questions)


async def told(store: Store, execution_id: str) -> list[Any]:
    """Command and data of what lies in its inbox; leaves it with a lease."""
    assert await store.claim(execution_id, store.worker)
    messages = await store.inbox(store.worker)
    return [(m.command, m.data) for m in messages if m.execution_id == execution_id]


# Questions


async def test_a_question_comes_back_as_it_was(store: Store) -> None:
    full = Question(
        "q1",
        "e",
        "each[1].ask",
        Wait.APPROVAL,
        "Ship it, Ñ?",
        {"type": "object", "properties": {"n": {"type": "integer"}}},
        123.5,
        ("ann", "role:admin"),
        2,
        50.25,
        ("bob",),
        asked_at="2026-01-01T00:00:00Z",
        votes=(Answer({"n": 1}, "ann", "fine", "2026-01-01T00:00:01Z", approved=False),),
        choices={"a": "A", "b": "B"},
    )
    await ask(store, full)
    assert (await store.question("q1")).to_dict() == full.to_dict()
    event = waiting_for("e2", "done", "k")
    await ask(store, event, id="e2")
    assert (await store.question(event.id)).to_dict() == event.to_dict()


async def test_a_unique_beginning_of_its_id_is_enough(store: Store) -> None:
    made = [replace(question("e", id), id=id) for id in ("qa1", "qa12", "qb")]
    await ask(store, *made)
    assert (await store.question("qb")).path == "qb"
    assert (await store.question("qa12")).path == "qa12"
    assert (await store.question("qa1")).path == "qa1"
    with pytest.raises(QuestionNotFound, match=r"qa1, qa12.*more of the id"):
        await store.question("qa")
    for id in ("", "x", "%", "\u0000", "qb "):
        with pytest.raises(QuestionNotFound):
            await store.question(id)


async def test_questions_are_listed_oldest_first_in_pages(store: Store) -> None:
    asked = [question("e", f"p{number}") for number in range(5)]
    await ask(store, *asked[:2])
    lease = await store.claim("e", store.worker)
    assert lease is not None
    await store.commit(Commit(lease, questions=asked[2:]))
    paths, after = [], None
    for _ in range(3):
        page = await store.questions(after=after, limit=2)
        paths.append([q.path for q in page.items])
        after = page.cursor
    assert paths == [["p0", "p1"], ["p2", "p3"], ["p4"]]
    assert after is None


async def test_questions_are_filtered_by_execution_and_status(store: Store) -> None:
    one, two, three = question("e", "one"), question("e", "two"), question("f", "three")
    await ask(store, one, two)
    await ask(store, three, id="f")
    await store.answer(answered(two))

    async def paths(**filters: Any) -> list[str]:
        return [q.path for q in (await store.questions(**filters)).items]

    assert await paths() == ["one", "three"]
    assert await paths(status=None) == ["one", "two", "three"]
    assert await paths(status="answered") == ["two"]
    assert await paths(execution_id="e") == ["one"]
    assert await paths(execution_id="e", status=None) == ["one", "two"]
    assert await paths(execution_id="nothing") == []


# Answers


async def test_an_answer_is_kept_and_told_in_one_commit(store: Store) -> None:
    asked = question("e")
    await ask(store, asked)
    assert await store.answer(answered(asked))
    found = await store.question(asked.id)
    assert (found.status, found.revision) == (QuestionStatus.ANSWERED, 1)
    assert found.answer is not None
    assert (found.answer.value, found.answer.by) == ("yes", "ann")
    assert await store.ready(store.worker, now=0) == ["e"]
    assert await told(store, "e") == [(Command.ANSWER, {"question": asked.id})]


async def test_a_vote_that_decides_nothing_is_kept_and_told_to_nobody(store: Store) -> None:
    asked = question("e", wanted=2)
    await ask(store, asked)
    voted = replace(asked, votes=(Answer("yes", "ann"),), revision=1)
    assert await store.answer(voted)
    assert (await store.question(asked.id)).votes == (Answer("yes", "ann"),)
    assert await store.ready(store.worker, now=0) == []
    assert await store.answer(replace(answered(asked), revision=2))
    assert await told(store, "e") == [(Command.ANSWER, {"question": asked.id})]


@pytest.mark.parametrize("revision", [0, 2, 3])
async def test_only_the_next_revision_is_taken(store: Store, revision: int) -> None:
    asked = question("e")
    await ask(store, asked)
    assert not await store.answer(replace(answered(asked), revision=revision))
    assert (await store.question(asked.id)).status is QuestionStatus.OPEN


async def test_of_many_who_answer_at_once_exactly_one_is_first(
    two_stores: tuple[Store, Store],
) -> None:
    asked = question("e")
    await ask(two_stores[0], asked)
    outcomes = await asyncio.gather(
        *(two_stores[n % 2].answer(answered(asked, n)) for n in range(12))
    )
    assert outcomes.count(True) == 1
    found = await two_stores[1].question(asked.id)
    assert found.answer is not None
    assert found.answer.value == outcomes.index(True)
    assert len(await told(two_stores[0], "e")) == 1


@pytest.mark.parametrize("how", ["answered", "withdrawn"])
async def test_what_is_closed_is_answered_no_more(store: Store, how: str) -> None:
    asked = question("e")
    await ask(store, asked)
    closed = answered(asked) if how == "answered" else replace(asked.withdrawn(), revision=1)
    assert await store.answer(closed)
    assert not await store.answer(replace(answered(asked, "late"), revision=2))
    assert (await store.question(asked.id)).to_dict() == closed.to_dict()


async def test_an_answer_to_nothing_is_too_late(store: Store) -> None:
    assert not await store.answer(answered(question("e")))
    await ask(store)
    with pytest.raises(StoreError, match="step ask"):
        await store.answer(answered(question("e"), object()))


# What the driver says of its questions


async def test_asking_again_after_a_crash_changes_nothing(store: Store) -> None:
    """The answer that came meanwhile stays."""
    asked, other = question("e", "a"), question("e", "b")
    await ask(store, asked, other)
    await store.answer(answered(asked))
    lease = await store.claim("e", store.worker)
    assert lease is not None
    again = [replace(asked, message="again"), replace(other, message="again")]
    await store.commit(Commit(lease, questions=again))
    assert (await store.question(asked.id)).to_dict() == answered(asked).to_dict()
    assert (await store.question(other.id)).to_dict() == other.to_dict()


async def test_the_driver_withdraws_what_is_open(store: Store) -> None:
    asked = question("e")
    await ask(store, asked)
    await store.answer(replace(asked, votes=(Answer("yes", "ann"),), revision=1))
    lease = await store.claim("e", store.worker)
    assert lease is not None
    await store.commit(Commit(lease, questions=[replace(asked.withdrawn(), revision=1)]))
    found = await store.question(asked.id)
    assert (found.status, found.revision) == (QuestionStatus.WITHDRAWN, 2)
    assert not await store.answer(replace(answered(asked), revision=2))


async def test_the_driver_who_withdraws_too_late_leaves_the_answer(store: Store) -> None:
    asked = question("e")
    await ask(store, asked)
    await store.answer(answered(asked))
    lease = await store.claim("e", store.worker)
    assert lease is not None
    await store.commit(Commit(lease, questions=[replace(asked.withdrawn(), revision=1)]))
    assert (await store.question(asked.id)).status is QuestionStatus.ANSWERED


async def test_a_higher_revision_asks_anew(store: Store) -> None:
    asked = question("e")
    await ask(store, asked)
    await store.answer(answered(asked))
    lease = await store.claim("e", store.worker)
    assert lease is not None
    await store.commit(Commit(lease, questions=[replace(asked, revision=2, message="2")]))
    assert [q.message for q in (await store.questions()).items] == ["2"]
    assert await store.answer(replace(answered(asked), revision=3))


async def test_time_that_is_waited_for_is_the_drivers_alone(store: Store) -> None:
    sleeping = question("e", kind=Wait.RETRY, due=10.0)
    await ask(store, sleeping)
    lease = await store.claim("e", store.worker)
    assert lease is not None
    waiting = replace(execution("e"), status=Status.WAITING)
    over = answered(sleeping)
    await store.commit(Commit(lease, execution=waiting, questions=[over]))
    assert (await store.question(sleeping.id)).status is QuestionStatus.ANSWERED
    await store.commit(Commit(lease, questions=[replace(sleeping, due=20.0)], release=True))
    assert await store.ready(store.worker, now=10) == []
    assert await store.ready(store.worker, now=20) == ["e"]


# Events from outside


async def test_an_event_is_told_to_whoever_waits_for_it(store: Store) -> None:
    keyed, any_key = waiting_for("a", "done", "k1"), waiting_for("b", "done")
    await ask(store, keyed, id="a")
    await ask(store, any_key, id="b")
    await ask(store, waiting_for("c", "done", "k2"), id="c")
    await ask(store, waiting_for("d", "other"), id="d")
    await ask(store, question("x", event="done"), id="x")

    signal = Signal("s1", "done", "k1", {"n": [1, None]}, 5.5)
    assert await store.send(signal) == ["a", "b"]
    assert await store.ready(store.worker, now=0) == ["a", "b"]
    data = {
        "id": "s1",
        "name": "done",
        "key": "k1",
        "payload": {"n": [1, None]},
        "at": 5.5,
        "source": "",
    }
    assert await told(store, "a") == [
        (Command.SIGNAL, {"question": keyed.id, "signal": data}),
    ]
    assert await told(store, "b") == [
        (Command.SIGNAL, {"question": any_key.id, "signal": data}),
    ]


async def test_an_event_without_a_key_fits_only_those_who_want_none(store: Store) -> None:
    await ask(store, waiting_for("a", "done", "k"), id="a")
    await ask(store, waiting_for("b", "done"), id="b")
    assert await store.send(Signal("s1", "done", None, None, 1.0)) == ["b"]


async def test_each_question_that_an_event_fits_gets_a_message(store: Store) -> None:
    asked = [waiting_for("e", "done", path=path) for path in ("a", "b")]
    closed = waiting_for("e", "done", path="c")
    await ask(store, *asked, closed)
    await store.answer(answered(closed))
    assert await store.send(Signal("s1", "done", None, None, 1.0)) == ["e"]
    signals = [data["question"] for command, data in await told(store, "e") if command == "signal"]
    assert signals == [asked[0].id, asked[1].id]


async def test_the_same_event_again_changes_nothing(store: Store) -> None:
    await ask(store, waiting_for("e", "done"))
    assert await store.send(Signal("s1", "done", None, 1, 1.0)) == ["e"]
    assert await store.send(Signal("s1", "done", None, 2, 2.0)) == []
    assert len(await told(store, "e")) == 1
    assert await store.signals("done", None, since=0) == [Signal("s1", "done", None, 1, 1.0)]


async def test_an_event_that_came_before_is_found(store: Store) -> None:
    sent = [
        Signal("s1", "done", "k1", 1, 10.0),
        Signal("s2", "done", None, 2, 30.0),
        Signal("s3", "done", "k1", "three", 20.0),
        Signal("s4", "other", "k1", 4, 40.0),
    ]
    for signal in sent:
        await store.send(signal)
    s1, s2, s3, _ = sent
    assert await store.signals("done", None, since=0) == [s1, s3, s2]
    assert await store.signals("done", "k1", since=0) == [s1, s3]
    assert await store.signals("done", "k1", since=10.0) == [s1, s3]
    assert await store.signals("done", "k1", since=10.1) == [s3]
    assert await store.signals("nothing", None, since=0) == []


async def test_events_of_any_name_are_told_in_the_order_of_their_times(store: Store) -> None:
    """A few at a time, also of one and the same moment."""
    sent = [Signal(f"s{n % 3}-{n}", f"name-{n % 2}", None, n, n // 4 * 1.0) for n in range(12)]
    for signal in reversed(sent):
        await store.send(signal)
    expected = sorted(sent, key=lambda signal: (signal.at, signal.id))
    assert list(await store.sent(since=0)) == expected
    assert list(await store.sent(since=1.0)) == expected[4:]
    for limit in (1, 3, 5):
        told: list[Signal] = []
        while page := await store.sent(since=0.5, after=told[-1] if told else None, limit=limit):
            assert len(page) <= limit
            told += page
        assert told == expected[4:]


async def test_an_event_says_which_execution_emitted_it(store: Store) -> None:
    signal = Signal("s1", "done", None, 1, 1.0, "some-execution")
    await store.send(signal)
    assert await store.signals("done", None, since=0) == [signal]


async def test_an_event_is_forgotten_after_thirty_days(store: Store) -> None:
    day = 24 * 3600.0
    old, young = Signal("s1", "a", None, 1, 1 * day), Signal("s2", "a", None, 2, 3 * day)
    await store.send(old)
    await store.send(young)
    await store.send(Signal("s3", "b", None, 3, 31.5 * day))
    assert await store.signals("a", None, since=0) == [young]


async def test_an_event_from_the_far_future_ends_no_other(store: Store) -> None:
    now = Signal("s1", "a", None, 1, time.time())
    await store.send(now)
    await store.send(Signal("s2", "a", None, 2, 1e12))
    assert (await store.signals("a", None, since=0))[0] == now


async def test_a_step_emits_an_event_with_its_commit(store: Store) -> None:
    """To whoever waits, its own execution included."""
    _, lease = await begun(store, "sender")
    await ask(store, waiting_for("e", "done"))
    own = waiting_for("sender", "done")
    await store.commit(Commit(lease, questions=[own]))
    signal = Signal("s1", "done", None, {"n": 1}, 1.0)
    await store.commit(Commit(lease, signals=[signal]))
    assert await store.signals("done", None, since=0) == [signal]
    assert [command for command, _ in await told(store, "e")] == [Command.SIGNAL]
    assert [command for command, _ in await told(store, "sender")] == [Command.SIGNAL]


async def test_an_event_that_is_no_json_is_refused_by_name(store: Store) -> None:
    with pytest.raises(StoreError, match="'done'"):
        await store.send(Signal("s1", "done", None, object(), 1.0))
    assert await store.signals("done", None, since=0) == []


async def test_a_question_or_an_event_comes_first_and_the_other_finds_it(
    two_stores: tuple[Store, Store],
) -> None:
    """Whoever asks looks for events after its question is kept: no event falls in between."""
    one, other = two_stores
    for number in range(20):
        id, event = f"e{number}", f"event-{number}"
        _, lease = await begun(one, id)
        _, reached = await asyncio.gather(
            one.commit(Commit(lease, questions=[waiting_for(id, event)])),
            other.send(Signal(f"s{number}", event, None, None, 1.0)),
        )
        assert reached == [id] or await one.signals(event, None, since=0)
