"""One execution being driven in this process: from the lease to its end, or out of memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from .desk import Desk
from .ending import (
    ENDINGS,
    Verdict,
    ended,
    let_go,
    rolled_back,
    stopped,
    worked_too_long,
)
from .errors import LeaseLost, StateCorrupted, StoreError
from .event import Event, EventType
from .execute import call_off, execute
from .execution import Execution, Failure, Status, timestamp
from .journal import Abandoned, Journal
from .known import Known, read
from .lease import Command, Lease, Message
from .restart import await_restart, schedule_restart
from .run import Definition, Run
from .services import Services
from .stored import Commit
from .strands import Gate, Panicked, Parked, Strand
from .worktime import Worktime

WARM = 60.0
"""Seconds for which an execution that waits stays in memory, where an answer reaches it at once."""

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
        """`known` spares reading what has just been written; None: read it. `ended` is the
        execution with its steps, once it has; `failed` why it cannot be driven on; `astray`:
        nobody drives it, and the lease may be ours still."""
        self.lease = lease
        self.ended: Execution | None = None
        self.failed: StoreError | None = None
        self.astray = False
        self._services = services
        self._definition = definition
        self._environ = environ
        self._gate = gate
        self._known = known
        self._run: Run | None = None
        self._damage: str | None = None
        self._heard: set[int] = set()
        self._early: list[Message] = []
        self._stop: Message | None = None
        self._overtime = False
        self._ending = False
        self._suspended = False
        self._draining = False
        self._worked: Worktime | None = None
        self._cooling: asyncio.TimerHandle | None = None
        self._parking: asyncio.Task[None] | None = None
        self._unsaid = False
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
        if self._run is None or self._run.leaving:
            # What leaves memory can do nothing with it: it stays in the inbox, for the next go.
            self._early.append(message)
        else:
            self._take(message, self._run)

    def _take(self, message: Message, run: Run) -> None:
        match message.command:
            case Command.STOP if self._ending:
                run.journal.consume(message.id)  # it ends already
            case Command.STOP:
                self._stop = message
                self._interrupt()
            case Command.PAUSE | Command.RESUME:
                if message.command is Command.RESUME:
                    run.resumed.set()
                run.journal.paused(message.command is Command.PAUSE)
                run.journal.consume(message.id)
                self._apply_pause(run)
            case _:
                run.desk.hear(message)

    @property
    def busy(self) -> bool:
        """Something of it runs, or could; else it only waits, in memory."""
        return not self.task.done() and (self._run is None or not self._run.strand.quiet)

    def drain(self) -> None:
        """Let the steps that run end, begin no other, and leave memory then."""
        self._draining = True
        if (run := self._run) is not None:
            run.drain()
            if run.strand.quiet or not run.strand.entered:
                self.suspend()

    def suspend(self) -> None:
        """Leave memory soon, so that the execution goes on later, here or elsewhere."""
        self._suspended = True
        if self._run is None:
            return  # it looks at this when it has begun
        if self._run.strand.quiet:
            self._run.unwind()
        elif self._stop is None or self._ending:
            self._run.leave()
            self._interrupt()

    @property
    def _leaves(self) -> bool:
        return self._suspended or self._draining

    @property
    def _ends(self) -> bool:
        return self.task.done() or self.task.cancelling() > 0

    def _interrupt(self) -> None:
        """Cancel what it does. A second time would cut off the record of the end."""
        if not self.task.cancelling() and self.ended is None:
            self.task.cancel()

    async def _drive(self) -> None:
        try:
            while not await self._through(await self._begin()):
                self._known = None
        except Abandoned as abandoned:
            _log.error("let go of execution %s: %s", self.lease.execution_id, abandoned.cause)
            self.astray = isinstance(abandoned.cause, LeaseLost)
            if not self.astray:
                self.failed = abandoned.cause
            self.ended = None
        except StoreError as error:
            _log.error("execution %s cannot be read: %s", self.lease.execution_id, error)
            self.failed = error
            try:
                await self._services.store.commit(Commit(self.lease, release=True))
            except StoreError:  # it is away, or was for so long that nothing is written for us
                self.astray = True
        finally:
            self._close()

    def _close(self) -> None:
        """What belongs to a go, and would outlive it."""
        self._warm(None)
        if self._worked is not None:
            self._worked.stop()
        if self._run is not None:
            self._run.end()
        self._run = None

    async def _begin(self) -> Run:
        """Everything that a drive needs, as the store has it."""
        store = self._services.store
        self._close()  # what is heard from now on is for what is read now
        known = self._known or await read(self._services, self.lease.execution_id)
        execution, self._damage = known.execution, known.damage
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
        run.when_panicked(self._interrupt)
        limits = self._definition.program.workflow.resource_limits
        limit = None if limits is None else limits.timeout
        self._worked = Worktime(execution.worked, limit, self._too_long)
        self._run, self._ending = run, Verdict.pinned(run) is not None
        early, self._early = self._early, []
        for message in early:
            self._take(message, run)
        return run

    async def _through(self, run: Run) -> bool:
        """One go: whether nothing is left to be done here."""
        try:
            verdict = await self._work(run)
            self._ending = True
            return await self._finish(run, verdict.pin(run))
        except Parked:
            return await self._parked(run)
        except Panicked as panicked:
            return await self._panicked(run, panicked)
        except asyncio.CancelledError:
            return self.ended is not None or await self._leave(run)

    async def _work(self, run: Run) -> Verdict:
        """Run the list of steps, until it ends or somebody wants it to."""
        if self._damage is not None:
            # Nothing is guessed, and nothing is compensated on such ground.
            lost = Failure(StateCorrupted.code, self._damage)
            return Verdict(Status.FAILED, failure=lost)
        try:
            if self._leaves:
                raise asyncio.CancelledError
            await await_restart(run)
            await run.strand.enter()
            self._apply_pause(run)
            self._time.start()
            self._started(run)
            return Verdict.pinned(run) or await execute(run)
        except asyncio.CancelledError:
            if run.panicked is not None:
                raise run.panicked from None
            if self._stop is None and not self._overtime:
                raise
            # From here on it ends, and may be interrupted once more: to leave memory.
            self._stop_cancelling()
            await run.abandon()
            run.cancel_begun()
            why = "" if self._stop is None else str(self._stop.data.get("reason") or "")
            await call_off(run, why)
            return worked_too_long(run) if self._stop is None else stopped(run, self._stop)

    async def _parked(self, run: Run) -> bool:
        """Out of memory, unless a message came in between: then there is more to do."""
        if not self._gives_back(run):
            return await run.journal.release() or self._leaves
        self._wait(run)
        if await run.journal.release() or self._leaves:
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

    async def _finish(self, run: Run, verdict: Verdict) -> bool:
        failure = verdict.failure
        if failure is not None and failure.rollback:
            failure = await rolled_back(run, failure)
        run.desk.close()
        last = ended(run, verdict, failure, self._time.seconds)
        # From here on nothing may interrupt: two ends would contradict each other.
        self.ended = replace(last, steps=run.journal.results)
        run.journal.update(last, ENDINGS[verdict.status], status=verdict.status.value)
        await let_go(run)
        self.ended = replace(run.execution, steps=run.journal.results)
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
        if not paused:
            self._services.bus.ring(left.id)  # whoever hears it goes on with it
        return True

    async def _panicked(self, run: Run, panicked: Panicked) -> bool:
        """The system failed: begin again after a while, as often as `panic` allows."""
        self._stop_cancelling()
        await run.abandon()
        last = schedule_restart(run, panicked, self._time.seconds)
        if last is not None:
            return await self._finish(run, Verdict(Status.FAILED, failure=last))
        await run.journal.flush()
        return False

    def _stop_cancelling(self) -> None:
        while self.task.cancelling():
            self.task.uncancel()

    def _started(self, run: Run) -> None:
        execution = run.execution
        if execution.started_at is None:
            began = replace(execution, status=Status.RUNNING, started_at=timestamp())
            run.journal.update(began, EventType.EXECUTION_STARTED)
        else:
            again = replace(execution, status=Status.RUNNING)
            run.journal.update(again, EventType.EXECUTION_RESUMED)

    def _too_long(self) -> None:
        if not self._ending:
            self._overtime = True
            self._interrupt()

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
        self._unsaid = True
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
        if (run := self._run) is None:
            return
        strand = run.strand
        try:
            await run.journal.flush()
            if not strand.quiet or self._ends:
                return
            if self._draining and run.held(strand) and not run.paused:
                run.leave()  # It could go on: it is not said to wait, and another takes it.
                self._interrupt()
                return
            if self._gives_back(run):
                run.unwind()
                return
            while self._unsaid and strand.quiet and not self._ends:
                # Once more when it went on and came to a halt while that was written.
                self._unsaid = False
                self._wait(run)
                await run.journal.flush()
        except Abandoned:
            self._interrupt()
            return
        if strand.quiet and not self.task.cancelling():
            if self._leaves:
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
