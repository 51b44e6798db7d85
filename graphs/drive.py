"""One execution being driven in this process: from the lease to its end, or out of memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .desk import Desk
from .ending import ENDINGS, ended, outputs_of, rolled_back, rolls_back
from .engine import Frame, root
from .errors import AssayError, StateCorrupted, StoreUnavailable
from .event import Event, EventType
from .execution import Failure, Status, timestamp
from .journal import PATIENCE, Abandoned, Journal
from .known import Known, read
from .lease import Command, Lease, Message
from .limits import overtime
from .restart import close_restart, schedule_restart
from .run import Definition, Outcome, Run
from .services import Services
from .strands import Gate, Panicked, Parked, Strand
from .worktime import Worktime

WARM = 60.0
"""Seconds for which an execution that waits stays in memory, where an answer reaches it at once."""

OUTCOME = "outcome"
"""The decision, at the path of the execution itself, that says how it ends: from then on it is
only compensated."""

_log = logging.getLogger("assay.drive")


class Drive:
    """Drives one execution until it has ended, has left memory, or was taken over."""

    def __init__(
        self,
        services: Services,
        definition: Definition,
        lease: Lease,
        environ: Mapping[str, str],
        gate: Gate,
        known: Known | None = None,
    ) -> None:
        """`known` spares reading what has just been written; None: read it."""
        self.lease = lease
        self._services = services
        self._definition = definition
        self._environ = environ
        self._gate = gate
        self._known = known
        self._run: Run | None = None
        self._strand: Strand | None = None
        self._damage: str | None = None
        self._heard: set[int] = set()
        self._early: list[Message] = []
        self._stop: Message | None = None
        self._overtime = False
        self._suspended = False
        self._worked: Worktime | None = None
        self._cooling: asyncio.TimerHandle | None = None
        self._parking: asyncio.Task[None] | None = None
        self.task = asyncio.create_task(self._drive(), name=lease.execution_id)

    @property
    def _time(self) -> Worktime:
        assert self._worked is not None
        return self._worked

    def hear(self, message: Message) -> None:
        """Something was put into the inbox. Hearing the same twice is harmless."""
        if message.id in self._heard:
            return
        self._heard.add(message.id)
        if message.command is Command.STOP:
            self._stop = message
            self._cancel()
        elif self._run is None:
            self._early.append(message)
        else:
            self._take(message, self._run)

    def _take(self, message: Message, run: Run) -> None:
        match message.command:
            case Command.PAUSE | Command.RESUME:
                run.journal.paused(message.command is Command.PAUSE)
                run.journal.consume(message.id)
                self._apply_pause(run)
            case _:
                run.desk.hear(message)

    def suspend(self) -> None:
        """Leave memory soon, so that the execution goes on later, here or elsewhere."""
        self._suspended = True
        if self._run is not None and self._strand is not None and self._strand.quiet:
            self._run.unwind()
        elif self._stop is None:
            if self._run is not None:
                self._run.leave()
            self._cancel()

    def _cancel(self) -> None:
        """Once: a second time would cut off the record of the end, or a rollback."""
        if not self.task.cancelling():
            self.task.cancel()

    async def _drive(self) -> None:
        try:
            while not await self._through(await self._begin()):
                self._known = None
        except Abandoned as abandoned:
            _log.error("let go of execution %s: %s", self.lease.execution_id, abandoned.cause)
        finally:
            self._warm(None)
            if self._worked is not None:
                self._worked.stop()
            if self._strand is not None:
                self._strand.end()

    async def _begin(self) -> Run:
        """Everything that a drive needs, as the store has it."""
        store = self._services.store
        self._run = None  # what is heard from now on is for what is read now
        known = self._known or await read(self._services, self.lease.execution_id)
        execution, self._damage = known.execution, known.damage
        if self._strand is not None:
            self._strand.end()
        journal = Journal(
            store,
            self._services.blobs,
            self._services.bus,
            self.lease,
            execution,
            known.history,
            self._trouble,
        )
        strand = Strand(
            gate=self._gate,
            priority=execution.priority,
            on_quiet=self._quiet,
            on_wake=self._woken,
        )
        desk = Desk(journal, store, known.questions)
        run = Run(self._definition, journal, desk, self._services, strand, self._environ)
        self._run, self._strand = run, strand
        limits = self._definition.program.workflow.resource_limits
        limit = None if limits is None else limits.timeout
        self._worked = Worktime(execution.worked, limit, self._too_long)
        early, self._early = self._early, []
        for message in early:
            self._take(message, run)
        close_restart(run, tuple(known.questions))
        return run

    async def _through(self, run: Run) -> bool:
        """One go: whether nothing is left to be done here."""
        assert self._strand is not None
        pinned = run.journal.decided("", OUTCOME)
        if self._damage is not None:
            # Nothing is guessed, and nothing is compensated on such ground.
            lost = Failure(StateCorrupted.code, self._damage)
            return await self._finish(run, Status.FAILED, {}, lost)
        try:
            await self._strand.enter()
            if self._stop is not None:
                return await self._stopped(run)
            self._apply_pause(run)
            self._time.start()
            fresh = self._started(run)
            if pinned is not None:
                failure = Failure(**pinned["failure"])
                return await self._finish(run, Status(pinned["status"]), {}, failure)
            return await self._execute(run, fresh)
        except Parked:
            return await self._parked(run)
        except Panicked as panicked:
            return await self._panicked(run, panicked)
        except asyncio.CancelledError:
            if self._stop is not None:
                return await self._stopped(run)
            return await (self._worked_too_long(run) if self._overtime else self._leave(run))

    async def _parked(self, run: Run) -> bool:
        """Out of memory, unless a message came in between: then there is more to do."""
        if not self._gives_back(run):
            return await run.journal.release() or self._suspended
        self._wait(run)
        if await run.journal.release() or self._suspended:
            return True
        # Its slot may be somebody else's by now, and then it has to wait its turn.
        store = self._services.store
        lease = await store.claim(self.lease.execution_id, store.worker)
        self.lease = lease or self.lease
        return lease is None

    def _gives_back(self, run: Run) -> bool:
        """Whether its slot is free for others while it waits."""
        slot = run.execution.slot
        return slot is not None and slot.hold == "running"

    async def _execute(self, run: Run, fresh: bool) -> bool:
        frame = root(run, run.definition, run.execution.inputs)
        try:
            outcome = await self._insist(frame, fresh)
            failure = outcome.failure
            await run.join()
            outputs = {} if failure else outputs_of(run, outcome)
        except Exception as error:
            # Whatever went wrong, the execution must not be left looking as if it ran.
            code = error.code if isinstance(error, AssayError) else "unexpected"
            why = str(error) if code != "unexpected" else f"{type(error).__name__}: {error}"
            failure, outputs = Failure(code, why), {}
            await run.join()
        status = Status.COMPLETED if failure is None else Status.FAILED
        return await self._finish(run, status, outputs, failure)

    async def _insist(self, frame: Frame, fresh: bool) -> Outcome:
        """Drive the list; again while its checkpoint cannot be written, which repeats no step."""
        delay, longest = PATIENCE
        while True:
            try:
                return await frame.drive_root(self._services.checkpointer, fresh=fresh)
            except StoreUnavailable as error:
                self._trouble(error.message)
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)

    async def _stopped(self, run: Run) -> bool:
        """Nothing of the execution runs on; compensate only where that is the default."""
        assert self._stop is not None
        await run.abandon()
        for question in run.desk.open:
            run.journal.save(replace(question.withdrawn(), revision=question.revision + 1))
        said = self._stop.data.get("reason")
        message = "the execution was stopped" + (f": {said}" if said else "")
        run.journal.consume(self._stop.id)
        failure = Failure("cancelled", message, rollback=rolls_back(run))
        return await self._finish(run, Status.CANCELLED, {}, failure)

    async def _worked_too_long(self, run: Run) -> bool:
        await run.abandon()
        limits = run.definition.program.workflow.resource_limits
        assert limits is not None
        assert limits.timeout is not None
        error = overtime(limits.timeout)
        failure = Failure(error.code, error.message, rollback=rolls_back(run))
        return await self._finish(run, Status.FAILED, {}, failure)

    async def _finish(
        self, run: Run, status: Status, outputs: Mapping[str, Any], failure: Failure | None
    ) -> bool:
        journal = run.journal
        if failure is not None and failure.rollback:
            told = {**failure.to_dict(), "rollback": True}
            journal.decide("", OUTCOME, lambda: {"status": status.value, "failure": told})
            failure = await rolled_back(run, failure)
        last = replace(ended(run, status, outputs, failure), worked=self._time.seconds)
        journal.update(last, ENDINGS[status], status=status.value)
        await journal.release()
        await run.saved()
        return True

    async def _leave(self, run: Run) -> bool:
        """Give the execution back as it is, to go on later."""
        run.leave()
        await run.abandon()
        seconds = self._time.seconds
        paused = run.execution.paused
        status = Status.PAUSED if paused else Status.QUEUED
        type = EventType.EXECUTION_PAUSED if paused else EventType.EXECUTION_QUEUED
        left = replace(run.execution, status=status, current_step=None, worked=seconds)
        run.journal.update(left, type, why="the worker ends")
        await run.journal.release()
        return True

    async def _panicked(self, run: Run, panicked: Panicked) -> bool:
        """The system failed: begin again after a while, as often as `panic` allows."""
        await run.abandon()
        delay = schedule_restart(run, panicked)
        if isinstance(delay, Failure):
            return await self._finish(run, Status.FAILED, {}, delay)
        await run.journal.flush()
        run.strand.end()
        try:
            await asyncio.sleep(delay)
        except asyncio.CancelledError:
            if self._stop is not None:
                return await self._stopped(run)
            await run.journal.release()
            return True
        return False

    def _started(self, run: Run) -> bool:
        """Whether it begins now, and not again."""
        execution = run.execution
        fresh = execution.started_at is None
        if fresh:
            began = replace(execution, status=Status.RUNNING, started_at=timestamp())
            run.journal.update(began, EventType.EXECUTION_STARTED)
        else:
            again = replace(execution, status=Status.RUNNING)
            run.journal.update(again, EventType.EXECUTION_RESUMED)
        return fresh

    def _too_long(self) -> None:
        self._overtime = True
        self._cancel()

    def _apply_pause(self, run: Run) -> None:
        if run.execution.paused:
            run.pause()
        else:
            run.go_on()
        if run.strand.quiet:
            self._quiet()

    def _quiet(self) -> None:
        """Everything waits. (A moment later it may not: then nothing is said of it.)"""
        self._time.stop()
        if self._parking is None or self._parking.done():
            self._parking = asyncio.ensure_future(self._park())

    def _woken(self) -> None:
        self._warm(None)
        run = self._run
        if run is None or run.leaving:
            return
        self._time.start()
        if run.execution.status in (Status.WAITING, Status.PAUSED):
            running = replace(run.execution, status=Status.RUNNING)
            run.journal.update(running, EventType.EXECUTION_RESUMED)

    async def _park(self) -> None:
        run, strand = self._run, self._strand
        assert run is not None
        assert strand is not None
        try:
            await run.journal.flush()
            if not strand.quiet or self.task.done() or self.task.cancelling():
                return
            if self._gives_back(run):
                run.unwind()
                return
            self._wait(run)
            await run.journal.flush()
        except Abandoned:
            self._cancel()
            return
        if strand.quiet and not self.task.cancelling():
            if self._suspended:
                run.unwind()
            else:
                self._warm(run)

    def _wait(self, run: Run) -> None:
        """Say that everything waits, or is paused, and for what."""
        paused = run.paused
        status = Status.PAUSED if paused else Status.WAITING
        type = EventType.EXECUTION_PAUSED if paused else EventType.EXECUTION_WAITING
        seconds = self._time.seconds
        waiting = replace(run.execution, status=status, current_step=None, worked=seconds)
        run.journal.update(waiting, type, questions=[q.id for q in run.asked[:100]])

    def _warm(self, run: Run | None) -> None:
        """Stay in memory for a while longer, or no more."""
        if self._cooling is not None:
            self._cooling.cancel()
            self._cooling = None
        if run is not None:
            self._cooling = asyncio.get_running_loop().call_later(WARM, run.unwind)

    def _trouble(self, message: str) -> None:
        data = {"message": f"the store cannot be written to; waiting: {message}"}
        event = Event(self.lease.execution_id, EventType.NOTICE, timestamp(), data=data)
        self._services.live(event)
