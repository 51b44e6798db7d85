"""One lease at work: writes an execution's commits, in order, each with as few calls as can be.

Every commit carries the fence as it was when the lease was taken, and writes nothing when it
has moved. What is known from before (the end of the journal, that the inbox is empty) is not
read again: a commit that relied on what has changed writes nothing either, and is made anew
from what is read then.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from ...graphs.errors import LeaseLost, StoreError, StoreUnavailable
from . import (
    artifacts,
    executions,
    inbox,
    journal,
    leases,
    names,
    questions,
    signals,
    slots,
    verdicts,
)
from .database import LARGEST, MOST_WRITES, Conflict, again
from .work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ...graphs.lease import Lease
    from ...graphs.stored import Commit
    from .database import Batch, Database, Found
    from .leases import LeaseDocument
    from .names import Clock

_log = logging.getLogger(__name__)


class Drive:
    """Writes what is committed under one lease."""

    def __init__(self, database: Database, clock: Clock, lease: Lease) -> None:
        self.lease = lease
        self.over = False
        """Nothing is likely to be committed any more."""
        self.given_up = False
        self.forget: Callable[[], object] = lambda: None
        """Called when it is over."""
        self.on_turn: Callable[[str], None] = lambda _: None
        """As `Store` promises it."""
        self._database, self._clock = database, clock
        self._what = f"A commit of execution {lease.execution_id}"
        name = names.name(lease.execution_id)
        self._fence_at = database.at(names.FENCES, name)
        self._lease_at = database.at(names.LEASES, name)
        self._row_at = executions.place(database, lease.execution_id)
        self._waiting: list[Work] = []
        self.working: asyncio.Task[None] | None = None
        # What is known; None: not known.
        self._fence: Any = None
        self._document: LeaseDocument | None = None
        self._mail: set[int] | None = None
        self._last: int | None = None
        self._parked: bool | None = None
        self._unsure = False

    def know(
        self,
        document: LeaseDocument,
        fence: Any,
        last: int | None,
        mail: Collection[int] = (),
        *,
        parked: bool | None = None,
    ) -> None:
        """What taking the lease has shown: the documents' times, the end of the journal."""
        self._parked = parked
        self._document, self._fence, self._last, self._mail = document, fence, last, set(mail)

    async def fence(self, batch: Batch) -> None:
        """Have a batch of something else write nothing if the lease is lost meanwhile.

        Raises `LeaseLost` when it is lost already; `check` does so later.
        """
        if self._fence is None:
            await self._check_fence()
        batch.update(self._fence_at, {"epoch": self.lease.epoch}, self._fence)

    async def check(self) -> None:
        """Raises `LeaseLost` when somebody else has the lease."""
        await self._check_fence()

    def commit(self, commit: Commit) -> asyncio.Future[bool]:
        """Begin to write it. Raises `StoreError` at once for what cannot be kept."""
        if self.given_up:
            raise self._lapsed()
        work = Work(self._database, self._clock, commit)
        self._waiting += [*work.ahead(self._database, self._clock), work]
        if self.working is None:
            self.working = asyncio.create_task(self._work())
            self.working.add_done_callback(self._worked)
        return work.future

    def give_up(self) -> None:
        """Write nothing more: the lease may soon be another's. Who waits gets `LeaseLost`."""
        self.given_up = True
        if self.working is not None:
            self.working.cancel()

    def _worked(self, task: asyncio.Task[None]) -> None:
        if self.working is task:  # it was given up before it began
            self.working = None
            for work in self._waiting:
                work.fail(self._lapsed())
            self._waiting.clear()
            if self.over:
                self.forget()

    async def _work(self) -> None:
        group: list[Work] = []
        try:
            while self._waiting:
                group = self._take()
                before = group[0].after
                if before is not None and before.failed is not None:
                    group[0].fail(before.failed)
                elif not await self._done(group) and len(group) > 1:
                    for work in group:  # one of them cannot be written: the others can
                        await self._done([work])
        except asyncio.CancelledError:
            for work in (*group, *self._waiting):
                work.fail(self._lapsed())
            self._waiting.clear()
        finally:
            self.working = None
            if self.over:
                self.forget()

    async def _done(self, group: Sequence[Work]) -> bool:
        """Write them and say so; False, and nothing said, when one of several cannot be."""
        try:
            await self._write(group)
        except Exception as error:
            self._unsure = self._unsure or isinstance(error, StoreUnavailable)
            self._last = None
            passing = isinstance(error, (LeaseLost, StoreUnavailable))
            if len(group) > 1 and not passing:
                return False
            for work in group:
                work.fail(error)
        return True

    def _take(self) -> list[Work]:
        """The next works that one commit can hold."""
        group, size = [self._waiting.pop(0)], 0
        last = group[0].entry.last if group[0].entry else 0
        while self._waiting and group[-1].plain and not self._unsure:
            work = self._waiting[0]
            size += group[-1].size
            follows = work.entry is None or work.entry.first > last
            if not (work.plain and follows) or work.after or size + work.size > LARGEST:
                break
            if sum(len(each) for each in group) + len(work) > MOST_WRITES:
                break
            last = work.entry.last if work.entry else last
            group.append(self._waiting.pop(0))
        return group

    async def _write(self, group: Sequence[Work]) -> None:
        if self._fence is None:
            await self._check_fence()
        await self._find_places(group)
        await journal.put_parts(self._database, [w.entry for w in group if w.entry], LARGEST)
        released = await self._commit(group)
        self._unsure = False
        for work in group:
            work.finish(released)

    async def _find_places(self, group: Sequence[Work]) -> None:
        """See that nothing has the places of the entries. Raises `StoreError`."""
        for work in group:
            entry = work.entry
            if entry is None:
                continue
            if self._last is None:
                self._last = await journal.last(self._database, self.lease.execution_id)
            if entry.first <= self._last:
                id = self.lease.execution_id
                there = await journal.overlapped(self._database, id, entry)
                if there is not None:
                    await self._check_fence()
                    if not (self._unsure and there == work.commit.entry):
                        raise _taken(id, entry)
                    work.landed()
                    await self._database.stamp([entry.place], self._what)  # maybe just now
            self._last = max(self._last, entry.last)

    async def _commit(self, group: Sequence[Work]) -> bool:
        """What comes of the last one's `release`."""
        last, attempt = group[-1], 0
        while True:
            seen = _Seen()
            if attempt or self._has_to_look(last):
                seen = await self._look(last)
            batch = self._database.batch()
            fenced = batch.update(self._fence_at, {"epoch": self.lease.epoch}, self._fence)
            document, written = await self._fill(batch, group, seen)
            try:
                times = await self._database.commit(batch, self._what)
            except Conflict as conflict:
                await self._check_fence()
                self._unsure = self._unsure or conflict.unsure
                self._last = None
                await self._find_places(group)
                await again(attempt, self._what)
                attempt += 1
                continue
            break
        self._fence = times[fenced]
        self._learn(group, document, None if written is None else times[written])
        for sent in last.signals:
            if sent.signal.id not in seen.sent:
                await self._tell(sent)
        for id in seen.turned:
            self.on_turn(id)
        return not last.release or document is None or not document.worker

    def _has_to_look(self, work: Work) -> bool:
        """Is something needed that is not known?"""
        if not all(asked.new for asked in work.questions):
            return True
        if not work.release:
            return False
        if self._document is None or self._mail is None or self._mail - set(work.consumed):
            return True
        return work.status is None and self._parked is None

    async def _look(self, work: Work) -> _Seen:
        database = self._database
        places = [questions.place(database, asked.question.id) for asked in work.questions]
        places += [signals.place(database, sent.signal.id) for sent in work.signals]
        needed = (*leases.FIELDS, "status", "revision", "asked")
        found = await database.get(self._lease_at, self._row_at, *places, only=needed)
        lease, row, *rest = found
        if lease is None or row is None:
            raise self._lost()
        seen = _Seen()
        ids = [asked.question.id for asked in work.questions]
        seen.asked = dict(zip(ids, rest, strict=False))
        later = zip(work.signals, rest[len(ids) :], strict=True)
        seen.sent = {sent.signal.id for sent, there in later if there is not None}
        self._document = leases.read(lease)
        self._parked = row["status"] in leases.PARKED
        self._mail = None  # what was known of it is older than the lease now
        if work.release:
            # After the lease: what comes later changes that.
            mail = await inbox.of_execution(database, self._document.name)
            self._mail = {int(each["number"]) for each in mail}
        return seen

    async def _fill(
        self, batch: Batch, group: Sequence[Work], seen: _Seen
    ) -> tuple[LeaseDocument | None, int | None]:
        """What the commit writes; the lease document after it, and its place in the batch."""
        database, last = self._database, group[-1]
        id = self.lease.execution_id
        status = next((work.status for work in reversed(group) if work.status), None)
        row = next((work.row for work in reversed(group) if work.row), None)
        if row is not None:
            batch.update(self._row_at, row)
        for work in group:
            if work.entry is not None:
                work.entry.create(batch)
            inbox.consume(database, batch, id, work.consumed)
            for fields in work.artifacts:
                artifacts.create(database, batch, fields)
            for fields in work.verdicts:
                verdicts.put(database, batch, fields)
        for asked in last.questions:
            there = seen.asked.get(asked.question.id)
            questions.keep(database, batch, self._clock, asked, there)
        for sent in last.signals:
            if sent.signal.id not in seen.sent:
                sent.create(database, batch, self._clock)
        if last.gives_up is not None:
            queue = await slots.load(database, last.gives_up.key)
            seen.turned = await slots.turn(database, batch, queue, id)
        return self._fill_lease(batch, group, status)

    def _fill_lease(
        self, batch: Batch, group: Sequence[Work], status: Any
    ) -> tuple[LeaseDocument | None, int | None]:
        last, ends = group[-1], status is not None and status.terminal
        if not last.release:
            if ends:
                # Blindly: whoever posts to it meanwhile sees that it has changed.
                batch.update(self._lease_at, {"ended": True, "queue_key": None})
            return None, None
        assert self._document is not None
        assert self._mail is not None
        document = dataclasses.replace(self._document)
        if not document.worker:
            return document, None  # given back before
        document.ended = document.ended or ends
        if self._mail - set(last.consumed):
            if ends:
                batch.update(self._lease_at, {"ended": True, "queue_key": None})
            return document, None
        parked = status.value in leases.PARKED if status is not None else bool(self._parked)
        document.let_go(parked=parked)
        return document, document.write(self._database, batch)

    def _learn(self, group: Sequence[Work], document: LeaseDocument | None, time: Any) -> None:
        """What is known after a commit that was written."""
        for work in group:
            if work.status is not None:
                self._parked = work.status.value in leases.PARKED
                if work.status.terminal:
                    self._document = None  # its time is not known: see `_fill_lease`
            if self._mail is not None:
                self._mail -= set(work.consumed)
        if time is not None and document is not None:
            document.time = time
            self._document = document
            self.over = True

    async def _check_fence(self) -> None:
        """Raises `LeaseLost` when it has moved."""
        (found,) = await self._database.get(self._fence_at)
        lease = self.lease
        if found is None or (found["birth"], found["epoch"]) != (lease.handle, lease.epoch):
            self.over = True
            raise self._lost()
        self._fence = found.time

    async def _tell(self, sent: signals.Sent) -> None:
        try:
            await signals.tell(self._database, self._clock, sent.signal)
        except StoreError as error:
            # It is durable, and others will tell of it.
            _log.warning("event %r is told later: %s", sent.signal.name, error.message)

    def _lapsed(self) -> LeaseLost:
        return LeaseLost(
            f"Execution {self.lease.execution_id} is let go of: {self._database.name} has not "
            "answered for so long that another worker may drive it."
        )

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"Execution {self.lease.execution_id} is driven by another worker now, or was "
            "deleted; nothing was written."
        )


@dataclasses.dataclass(slots=True)
class _Seen:
    """What was read for a commit: questions by id, the events that are there already, and whose
    turn it will be at the slot that it gives up."""

    asked: dict[str, Found | None] = dataclasses.field(default_factory=dict)
    sent: set[str] = dataclasses.field(default_factory=set)
    turned: list[str] = dataclasses.field(default_factory=list)


def _taken(execution_id: str, entry: journal.Written) -> StoreError:
    return StoreError(
        f"Execution {execution_id} cannot take an entry from {entry.first} to {entry.last}: its "
        "journal has that place already. Is another process driving this execution?"
    )
