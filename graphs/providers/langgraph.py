"""The default provider: workflows run as LangGraph graphs, every step journaled."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from weakref import WeakValueDictionary

from ..astray import Astray, patiently
from ..compile import CompileCache
from ..drive import Drive
from ..errors import AssayError, ExecutionNotFound, StoreUnavailable
from ..execution import HERE, Execution
from ..known import Known
from ..launch import Launch
from ..lease import Command, Lease, Message
from ..plan import plan
from ..run import Definition
from ..services import Services
from ..strands import Gate
from ..workflow import Workflow
from ..workspace.copy import tidy

KNOCK = "execution"
"""The member of a message to every process that names an execution with something in its inbox."""

GRACE = 30.0
"""Seconds in which executions leave memory when their process ends."""

_log = logging.getLogger("assay.provider")

Launcher = Callable[[Execution], Awaitable[Launch]]
"""What an execution needs beside its record, as it was pinned when it was created."""


class LangGraphProvider:
    """Drives executions in this process; one task of the event loop each."""

    def __init__(self, services: Services, *, at_once: int) -> None:
        """`at_once`: executions that run; those that wait for an answer do not count."""
        self._services = services
        self._compiled = CompileCache()
        self._gate = Gate(at_once)
        self._driving: dict[str, Drive] = {}
        self._taking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._own: set[str] = set()
        self._refused: set[str] = set()
        self.astray = Astray(self._take_one, self._watch)
        self._launcher: Launcher | None = None
        self._rung = asyncio.Event()
        self._freed = asyncio.Event()
        self._watching: list[asyncio.Task[None]] = []
        self._turns: asyncio.Queue[str] = asyncio.Queue()
        services.store.on_turn = self._turn
        self._rings: AsyncIterator[str] | None = None
        self._called = 0
        self.begun = 0
        """How many executions have been taken to be driven here, so far."""
        self._serving = False
        self._draining = False
        self._closed = False

    def name(self) -> str:
        return HERE

    def validate(self, workflow: Workflow) -> None:
        """Every valid workflow can be executed."""

    async def create_workflow(self, workflow: Workflow) -> None:
        await self._services.store.register(workflow)

    def launches(self, launcher: Launcher) -> None:
        """Say how a `Launch` is made of an execution's record."""
        self._launcher = launcher

    async def start_execution(self, execution: Execution) -> Execution:
        """Drive what the store holds, unless somebody alive does or it has to wait its turn."""
        await self.take(execution.id)
        return await self._services.store.execution(execution.id)

    def drive(self, lease: Lease, launch: Launch, known: Known | None = None) -> None:
        """Drive an execution whose lease is ours."""
        definition = self.definition(launch)
        drive = Drive(self._services, definition, lease, launch.environ, self._gate, known)
        id = lease.execution_id
        self._driving[id] = drive
        self.begun += 1
        self._own.add(id)
        drive.task.add_done_callback(lambda _: self._ended(id, drive))
        if self._draining:
            drive.drain()
        self._watch()

    async def wait_turn(self, execution: Execution) -> None:
        """Drive it as soon as the slot that it needs is free; end whom it replaces, here if nobody
        drives it."""
        self._own.add(execution.id)
        self._watch()
        if execution.slot is not None and execution.slot.overflow == "replace":
            for slot in await self._services.store.slots(execution.slot.key):
                if slot.execution_id != execution.id:
                    self._own.add(slot.execution_id)
                    self.knock(slot.execution_id)  # a STOP lies in its inbox
            self._freed.set()

    def _turn(self, execution_id: str) -> None:
        """It has got its slot, by what was written here: whoever can drive it is to do so."""
        ours = execution_id in self._own or (self._serving and not self._gate.full)
        if ours and not (self._draining or self._closed):
            self._turns.put_nowait(execution_id)
        else:
            self._services.bus.ring(execution_id)

    async def take(self, execution_id: str, *, slotless: bool = False) -> bool:
        """Take the lease and drive; False when somebody else has it, or it must wait."""
        assert self._launcher is not None
        store = self._services.store
        # One at a time, for a second claim ends the lease that the first one got.
        async with self._taking.setdefault(execution_id, asyncio.Lock()):
            if execution_id in self._driving:
                return True
            if self._draining:
                return False
            # First, for an execution that cannot be launched here must stay free for others.
            execution = await store.execution(execution_id)
            self._services.providers.get(execution.provider)
            launch = await self._launcher(execution)
            with self.astray.doubted(execution_id, store.worker):
                lease = await store.claim(execution_id, store.worker, slotless=slotless)
            self._own.add(execution_id)
            self._watch()
            if lease is None:
                return False
            # Before it begins: a pause that lies there is for its first step.
            messages: Sequence[Message] = ()
            with suppress(StoreUnavailable):
                messages = await store.inbox(store.worker)
            self.drive(lease, launch)
            self._hand_out(messages)
        return True

    async def wait(self, execution_id: str) -> Execution | None:
        """Return when nothing of the execution runs here any more; what it was at its end, if
        it has ended here just now. Raises what kept it from being driven on."""
        ended = None
        while (drive := self._driving.get(execution_id)) is not None:
            await asyncio.wait([drive.task])
            ended = drive.ended
            if drive.failed is not None:
                raise drive.failed
            drive.task.result()
        return ended

    async def get_execution_status(self, execution_id: str) -> Execution:
        return await self._services.store.execution(execution_id)

    async def stop_execution(self, execution_id: str, reason: str = "") -> Execution:
        """Stop it, wherever it runs, and wait until nothing of it does."""
        store = self._services.store
        execution = await store.execution(execution_id)
        if not execution.status.terminal:
            await store.post(Message(execution_id, Command.STOP, {"reason": reason}))
            self.knock(execution_id)
        while not execution.status.terminal:
            if not await self.take(execution_id, slotless=True):
                await asyncio.sleep(
                    self._services.store.pace.listen
                )  # it runs elsewhere: nobody here is told of its end
            await self.wait(execution_id)
            execution = await store.execution(execution_id)
        return execution

    async def delete_workflow(self, name: str, version: str | None = None) -> None:
        await self._services.store.delete_workflow(name, version)

    def ring(self) -> None:
        """Something was put into an inbox, or an execution waits for a driver: look now."""
        self._rung.set()

    def knock(self, execution_id: str) -> None:
        """Something was put into its inbox: whoever drives it should look, or take it."""
        self.ring()
        if execution_id not in self._driving:
            self._services.bus.tell({KNOCK: execution_id})
            self._services.bus.ring(execution_id)

    def serve(self, *, rings: bool = True) -> None:
        """From now on drive whatever nobody drives, also what others began; `rings`: look at
        what the bus rings for."""
        if self._serving:
            return
        self._serving = True
        self._watch()
        if rings:
            self._watching.append(asyncio.ensure_future(self._answer_rings()))

    @property
    def busy(self) -> int:
        """How many executions run here, or could; those that wait do not count."""
        return sum(drive.busy for drive in self._driving.values())

    @property
    def draining(self) -> bool:
        return self._draining or self._closed

    @property
    def alive(self) -> bool:
        """Nothing that looks after executions here has come to an unexpected end."""
        return self.draining or not any(task.done() for task in self._watching)

    async def wanted(self) -> bool:
        """Whether an execution waits for a driver, and it could be this process."""
        store = self._services.store
        return not self._refused.issuperset(await store.ready(store.worker, now=time.time()))

    async def answer(self, execution_id: str) -> bool:
        """Look at an execution that somebody rings for; False when there is no room here.

        True: it is driven here, or elsewhere, or there is nothing to drive.
        """
        if execution_id in self._driving:
            return True
        if self.draining or self.busy + self._called >= self._gate.limit:
            return False
        self._called += 1
        try:
            await self._take_one(execution_id)
        finally:
            self._called -= 1
        return not self._draining

    async def drain(self, grace: float) -> list[str]:
        """Take nothing more, and let the steps that run end, for so many seconds; each
        execution is let go of at its next step. Those still driven then; `close` cuts them off.
        """
        self._draining = True
        if self._rings is not None:
            await self._rings.aclose()  # type: ignore[attr-defined]
        for drive in list(self._driving.values()):
            drive.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._driving:
                    await asyncio.wait([drive.task for drive in self._driving.values()])
        return list(self._driving)

    async def close(self) -> None:
        """Let go of every execution, so that each goes on later, and wait for that."""
        self._closed = True
        for task in self._watching:
            task.cancel()
        await self._let_go(list(self._driving.values()))
        await asyncio.gather(*self._watching, return_exceptions=True)

    def definition(self, launch: Launch) -> Definition:
        """The compiled form of a launch's programs."""
        program, kinds = launch.program, self._services.kinds
        make = partial(plan, program, lambda step: kinds.get(step.kind).family, fuse=launch.fuse)
        block = self._compiled.get(program.workflow.digest, launch.fuse, make)
        children = {name: self.definition(child) for name, child in launch.children.items()}
        return Definition(program, block, children)

    async def _let_go(self, drives: Sequence[Drive]) -> None:
        for drive in drives:
            drive.suspend()
        tasks = [drive.task for drive in drives]
        _, stuck = await asyncio.wait(tasks, timeout=GRACE) if tasks else (None, [])
        for task in stuck:  # it waits for a store that may never come back
            task.cancel()

    def _ended(self, id: str, drive: Drive) -> None:
        if self._driving.get(id) is drive:
            del self._driving[id]
        if not drive.task.cancelled() and (error := drive.task.exception()) is not None:
            _log.error("execution %s is left: %r", id, error, exc_info=error)
        if drive.failed is not None and not isinstance(drive.failed, StoreUnavailable):
            self._refused.add(id)
        if drive.astray:
            self.astray.add(id)
        if drive.ended is not None:
            self._own.discard(id)
        # What it held may be what another one waits for; what failed is tried again later.
        if drive.failed is None:
            self._freed.set()

    def _watch(self) -> None:
        if not self._watching and not self._closed:
            self._watching = [
                asyncio.ensure_future(self._listen()),
                asyncio.ensure_future(self._sweep()),
                asyncio.ensure_future(self._take_turns()),
                asyncio.ensure_future(self._be_told()),
                asyncio.ensure_future(self._lapse()),
            ]

    async def _listen(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._services.store.pace.listen):
                    await self._rung.wait()
            self._rung.clear()
            if self._driving:
                await patiently(self._hear)

    async def _hear(self) -> None:
        self._hand_out(await self._services.store.inbox(self._services.store.worker))

    def _hand_out(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if (drive := self._driving.get(message.execution_id)) is not None:
                drive.hear(message)

    async def _be_told(self) -> None:
        """Another process has put something into an inbox: is it one of ours?"""
        async for message in self._services.bus.told():
            if message.get(KNOCK) in self._driving:
                self.ring()

    async def _take_turns(self) -> None:
        """One after another: whoever came first goes on first."""
        while True:
            id = await self._turns.get()
            await patiently(partial(self._take_one, id))

    async def _answer_rings(self) -> None:
        """Executions that wait for a driver, one by one while there is room for them."""
        self._rings = rings = self._services.bus.rings()
        while not self._draining:
            await self._gate.room()
            if (id := await anext(rings, None)) is not None:
                await patiently(partial(self._take_one, id))

    async def _sweep(self) -> None:
        await patiently(partial(tidy, self._services.workspaces.folder, self._services.store))
        scatter = random.random()
        while True:
            with suppress(TimeoutError):
                # Not all of a thousand workers that began together, at the same moments.
                async with asyncio.timeout(self._services.store.pace.sweep * scatter):
                    await self._freed.wait()
            self._freed.clear()
            scatter = random.uniform(0.5, 1.5)
            if self._draining:
                return
            await self.astray.take_up()
            if (self._serving and not self._gate.full) or self._own - self._driving.keys():
                await patiently(self._take_ready)

    async def _take_ready(self) -> None:
        store, rung = self._services.store, self._services.bus.patience if self._serving else 0
        ready = await store.ready(store.worker, now=time.time(), rung=rung)
        following = 0
        for at, id in enumerate(ready):
            if id in self._own:
                await self._take_one(id)
            # What others may drive is left to them when there is no room here.
            elif at >= following and self._serving and not self._gate.full:
                following = at + 1
                if not await self._take_one(id):
                    # Another goes through the same list: leave what comes next to it.
                    following += random.randint(0, (len(ready) - at) // 2)

    async def _take_one(self, id: str) -> bool:
        """False when somebody else has it."""
        if id in self._refused:
            return True
        try:
            return await self.take(id)
        except StoreUnavailable:
            raise  # it may be possible later
        except ExecutionNotFound:
            return True
        except AssayError as error:
            _log.error("execution %s cannot be driven here: %s", id, error.message)
            self._refused.add(id)
            return True

    async def _lapse(self) -> None:
        """Let go of everything before others may take it, and take up again what they have not."""
        store = self._services.store
        while True:
            await store.lapse()
            driving = dict(self._driving)
            if driving:
                _log.error("the store is away: %d executions are let go of here", len(driving))
            await self._let_go(list(driving.values()))
            for id in driving:
                while not await patiently(partial(self._take_one, id)):  # noqa: ASYNC110
                    await asyncio.sleep(store.pace.listen)
            await asyncio.sleep(store.pace.listen)
