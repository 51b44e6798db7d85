"""The trial finds what it is for: each broken promise, made up here, is told."""

from __future__ import annotations

import pytest

from assay.graphs.event import EventType
from assay.graphs.execution import Status, StepResult
from assay.graphs.records import Encoder
from assay.graphs.stored import Entry
from assay.store.firestore.checkpoint_documents import thread_name

from ..durability.ledger import Account
from .commits import Written
from .trial import in_epochs, late_writers, of_drivers

AT = "2026-01-01T00:00:00.000000Z"
CHECKPOINT = f"checkpoints/{thread_name('e').id}-x"


def entry(seq: int, path: str = "") -> Entry:
    """A step's result, or an event of the whole execution."""
    encoder = Encoder(AT)
    if path:
        result = StepResult(path, path, "python", Status.COMPLETED, started_at=AT, completed_at=AT)
        record = encoder.result(result.with_seq(seq), AT)
    else:
        record = encoder.event(EventType.EXECUTION_RESUMED, seq, AT, "", {})
    return encoder.entry(seq, seq, [record])


def commit(worker: str, at: int, epoch: int | None, *documents: str) -> Written:
    fence = ["fences/e"] if epoch is not None else []
    epochs = {"e": epoch} if epoch is not None else {}
    return Written(worker, str(at), [*fence, *documents], epochs)


TAKEN_OVER = [
    commit("one", 1, 0, "executions/e"),
    commit("one", 2, 1, "journal/e/entries/2"),
    commit("two", 3, 2, "leases/e"),
    commit("two", 4, 2, "journal/e/entries/3"),
    commit("two", 5, None, CHECKPOINT),
    commit("one", 6, None, "leases/e", "inbox/e-1", "journal/other/entries/1"),
    commit("one", 7, None, "journal/e/parts/4-x"),
]


def test_a_takeover_is_no_late_write() -> None:
    assert list(late_writers(TAKEN_OVER, ["e"])) == []


@pytest.mark.parametrize(
    "late",
    [
        commit("one", 8, 1, "journal/e/entries/4"),
        commit("one", 8, 2, "journal/e/entries/4"),
        commit("one", 8, None, CHECKPOINT),
        commit("one", 8, None, "executions/e"),
    ],
)
def test_a_worker_that_writes_after_another_has_taken_over_is_found(late: Written) -> None:
    assert len(list(late_writers([*TAKEN_OVER, late], ["e"]))) == 1


def test_two_drivers_of_one_epoch_are_found_in_the_journal_and_in_the_ledger() -> None:
    alone = [("one", 0, entry(1)), ("one", 1, entry(2)), ("two", 2, entry(3))]
    lines = ["begin a 1 10 1 one", "begin a 1 11 2 two", "end a 1 11 2 two"]
    assert list(of_drivers(alone, lines)) == []
    assert list(of_drivers([*alone, ("one", 2, entry(4))], lines)) == [
        "epoch 2 was driven by ['one', 'two']"
    ]
    assert list(of_drivers(alone, [*lines, "begin b 1 10 2 one"])) == [
        "epoch 2 was driven by ['one', 'two']"
    ]
    assert len(list(of_drivers([*alone, ("one", 1, entry(4))], lines))) == 1
    assert list(of_drivers(alone, [*lines, lines[1]])) == ["begin a 1 2 2 times"]


def test_a_step_that_runs_again_in_a_later_epoch_than_its_result_is_found() -> None:
    written = [("one", 1, entry(1, "a")), ("two", 2, entry(2))]
    begun = "begin a 1 10 1 one"
    fine = Account.of(in_epochs(written, [begun, "begin b 1 11 2 two"], "e"))
    assert fine.again == []
    again = Account.of(in_epochs(written, [begun, "begin a 1 11 2 two"], "e"))
    assert again.again == ["begin a 1 11"]
