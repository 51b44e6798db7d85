"""What the next commit of a journal will hold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from .execution import Execution
from .lease import Lease
from .question import Question, Signal
from .records import Encoder
from .stored import ArtifactInfo, Commit, Entry
from .verdicts import Verdict


class Batch:
    """`after` is the `seq` before it, `last` its last one."""

    __slots__ = (
        *("after", "artifacts", "consumed", "current", "last", "questions", "records"),
        *("release", "row", "signals", "verdicts", "waiters", "written"),
    )

    def __init__(self, after: int, records: Sequence[bytes] = ()) -> None:
        self.after = self.last = after
        self.records = list(records)
        self.questions: dict[str, Question] = {}
        self.consumed: list[int] = []
        self.signals: list[Signal] = []
        self.artifacts: list[ArtifactInfo] = []
        self.verdicts: list[Verdict] = []
        self.waiters: list[asyncio.Future[None]] = []
        self.current: str | None = None
        self.written: Entry | None = None
        self.row = False
        self.release = False

    def __bool__(self) -> bool:
        happened = self.last > self.after
        return bool(happened or self.questions or self.consumed or self.row or self.release)

    def followed(self) -> Batch:
        """The batch after this one; decisions without an event wait for it."""
        return Batch(self.last, () if self.last > self.after else self.records)

    def commit(self, lease: Lease, encoder: Encoder, row: Execution | None) -> Commit:
        if self.last > self.after and self.written is None:
            self.written = encoder.entry(self.after + 1, self.last, self.records)
        return Commit(
            lease,
            self.written,
            row,
            tuple(self.questions.values()),
            self.consumed,
            self.signals,
            self.artifacts,
            self.release,
            self.verdicts,
        )

    def settle(self, error: BaseException | None) -> None:
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
