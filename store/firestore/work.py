"""A commit on its way: what of it is to be written, and who waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...graphs.errors import StoreError
from ...graphs.execution import Status
from ...graphs.stored import Commit
from . import artifacts, executions, journal, verdicts
from .questions import Asked
from .signals import Sent

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ...graphs.lease import SlotRequest
    from .database import Database
    from .names import Clock


_MOST_QUESTIONS = 300
_ROOM = 1_500_000  # bytes


class Work:
    """A commit, encoded so that nothing can change it afterwards."""

    def __init__(self, database: Database, clock: Clock, commit: Commit) -> None:
        """Raises `StoreError` when a value is not JSON or belongs to another execution."""
        self.commit = commit
        id, execution = commit.lease.execution_id, commit.execution
        if execution is not None:
            _own(id, execution.id)
        for question in commit.questions:
            _own(id, question.execution_id)
        for artifact in commit.artifacts:
            _own(id, artifact.execution_id)
        self.entry = None
        if commit.entry is not None:
            lease = commit.lease
            self.entry = journal.Written(database, id, commit.entry, lease.worker, lease.epoch)
        self.status = None if execution is None else execution.status
        self.row = None if execution is None else executions.changing(execution)
        self.questions = [Asked(question) for question in commit.questions]
        self.signals = [Sent(signal) for signal in commit.signals]
        self.artifacts: list[dict[str, Any]] = [
            artifacts.fields(each, clock.next()) for each in commit.artifacts
        ]
        self.verdicts = [verdicts.fields(each, clock.next()) for each in commit.verdicts]
        self.consumed = tuple(commit.consumed)
        self.gives_up = _gives_up(execution)
        self.release = commit.release
        self.after: Work | None = None
        """What has to be written before it."""
        self.failed: Exception | None = None
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        small = len(self.row["changing"]) if self.row else 0
        self.size = 2000 + small + (self.entry.size if self.entry else 0)

    def __len__(self) -> int:
        """How many documents it writes, about."""
        return 3 + len(self.consumed) + len(self.artifacts) + len(self.verdicts)

    @property
    def plain(self) -> bool:
        """It may share a commit: nothing of it depends on what is there."""
        return not (self.questions or self.signals or self.gives_up or self.release)

    def ahead(self, database: Database, clock: Clock) -> list[Work]:
        """Works that ask the questions for which this one has no room; it follows them.

        A question may be there before the entry that says so: it is asked again by a resume.
        """
        ahead: list[Work] = []
        while len(self.questions) > _MOST_QUESTIONS or self._asking > _ROOM:
            work = Work(database, clock, Commit(self.commit.lease))
            while self.questions and len(work.questions) < _MOST_QUESTIONS and work._asking < _ROOM:
                work.questions.append(self.questions.pop(0))
            work.after = ahead[-1] if ahead else None
            work.future.add_done_callback(asyncio.Future.exception)  # nobody waits for it
            ahead.append(work)
        self.after = ahead[-1] if ahead else None
        return ahead

    @property
    def _asking(self) -> int:
        """Bytes of its questions."""
        return sum(len(asked.document) + 500 for asked in self.questions)

    def landed(self) -> None:
        """All of it is written; whether the lease was given back has to be seen."""
        self.entry = self.row = self.status = self.gives_up = None
        self.questions, self.signals, self.artifacts, self.verdicts = [], [], [], []

    def finish(self, released: bool) -> None:
        if not self.future.done():  # else its caller was cancelled
            self.future.set_result(released or not self.release)

    def fail(self, error: Exception) -> None:
        self.failed = error
        if not self.future.done():
            self.future.set_exception(error)


def _gives_up(execution: Execution | None) -> SlotRequest | None:
    """The slot that it does not need any more."""
    if execution is None or execution.slot is None:
        return None
    parked = execution.status in (Status.WAITING, Status.PAUSED)
    goes = execution.status.terminal or (parked and execution.slot.hold == "running")
    return execution.slot if goes else None


def _own(execution_id: str, other: str) -> None:
    if other != execution_id:
        raise StoreError(
            f"A commit for execution {execution_id} holds something of {other}; "
            "commit each execution by itself."
        )
