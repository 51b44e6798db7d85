"""The front desk: everything that starts, reads or steers work comes through here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answers import voted
from .beginning import beginning
from .errors import ExecutionFailed, NotPossible
from .event import Event
from .execution import HERE, Execution, Status, new_id, timestamp
from .fold import events as events_of
from .fold import load
from .forking import Fork
from .forks import Forks
from .history import History
from .inputs import accept_inputs
from .known import Known
from .launch import Launch
from .launching import Definition, Launches, Surroundings, programs
from .lease import Command, Message, Slot
from .load import Loader
from .logged import logged
from .profiles import bounded
from .program import Program
from .question import Answer, Question, QuestionStatus, Signal
from .services import Services
from .stored import Page, WorkflowInfo
from .workflow import Workflow

if TYPE_CHECKING:
    from .ports import Store
    from .providers.langgraph import LangGraphProvider

_LOOK = 0.2
"""Seconds between two looks at an execution that another process drives."""

_log = logging.getLogger("assay.manager")


class Manager:
    """Validates, then delegates to a provider, and logs both ends.

    `provider` drives everything that is kept here, also what others execute; `default` is the
    name of the one that executes what asks for none; with `leaves`, other processes drive what is
    begun here.
    """

    def __init__(
        self,
        services: Services,
        loader: Loader,
        provider: LangGraphProvider,
        surroundings: Surroundings,
        *,
        default: str = HERE,
    ) -> None:
        """Raises `ProviderNotFound`."""
        self.services = services
        self.provider = provider
        self.default = services.providers.get(default).name()
        self.launches = Launches(services.store, loader, surroundings)
        self._forks = Forks(services, self.launches)
        self.leaves = False
        self.heard: Callable[[Signal], Awaitable[None]] | None = None
        provider.launches(self.launches.of)

    @property
    def store(self) -> Store:
        return self.services.store

    async def load(self, definition: Definition) -> Program:
        """The program a definition means; raises `InvalidSpec` or `WorkflowNotFound`."""
        return await self.launches.load(definition)

    async def register(self, definition: Definition) -> Workflow:
        """Keep a definition under its name and version, for good.

        The same content again changes nothing; other content raises `WorkflowConflict`.
        """
        workflow = (await self.load(definition)).workflow
        provider = self.services.providers.get(self.default)
        with logged(f"create {workflow.name}@{workflow.version} with {self.default}"):
            provider.validate(workflow)
            if self.default != HERE:
                await self.store.register(workflow)
            await provider.create_workflow(workflow)
        return workflow

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        """Forget one version or all that nothing runs on; how many are gone."""
        with logged(f"delete {name}@{version or '*'}"):
            gone = await self.store.delete_workflow(name, version)
            if gone and self.default != HERE:
                await self.services.providers.get(self.default).delete_workflow(name, version)
        return gone

    def providers(self) -> Sequence[str]:
        """The names of everything that can execute workflows."""
        return self.services.providers.list()

    async def start(
        self,
        definition: Definition,
        inputs: Mapping[str, Any] | None = None,
        *,
        priority: int = 0,
        fuse: bool = True,
        id: str = "",
        provider: str = "",
        profile: str = "",
        firing: str = "",
    ) -> Execution:
        """Begin an execution; returns it `queued`, as soon as it is durable. `id`: of `new_id`;
        `provider`: what executes it; `profile`: what no step of it exceeds (empty: any);
        `firing`: the id of what began it.

        Raises `InvalidSpec`, `InvalidInput`, `WorkflowNotFound`, `ProviderNotFound`, `NotAllowed`
        or `ConcurrencyLimit`; then nothing has been started. A file or mapping is run as it is,
        without registering it.
        """
        program = await self.load(definition)
        accepted = accept_inputs(program.workflow, inputs or {})
        beside = Path(definition).parent if isinstance(definition, str | Path) else Path()
        launch = await self.launches.launch(program, beside, fuse)
        queued = self.launches.queued(launch, accepted, provider or self.default, bounded(profile))
        execution = replace(queued, priority=priority, id=id or queued.id, firing=firing)
        return await self._begin(execution, launch)

    async def _begin(
        self, execution: Execution, launch: Launch, history: History | None = None
    ) -> Execution:
        self.services.providers.get(execution.provider).validate(launch.program.workflow)
        begun = beginning(execution, history)
        store, blobs = self.services.store, self.services.blobs
        with logged(f"start {execution.id} of {execution.workflow}@{execution.version}"):
            for program in programs(launch):
                await store.keep(program.workflow)
            for data in begun.blobs.values():
                await blobs.put(data)  # also what is there: it is not swept away meanwhile
            driver = "" if self.leaves else store.worker
            with self.provider.astray.doubted(execution.id, driver):
                lease = await store.create(execution, begun.entries, driver)
        self.services.bus.publish(begun.events)
        if lease is not None:
            self.provider.drive(lease, launch, Known(execution, begun.history))
        elif self.leaves:
            self.services.bus.ring(execution.id)
        else:
            await self.provider.wait_turn(execution)
        return execution

    def serve(self) -> None:
        """From now on drive whatever nobody alive drives, also what other processes began."""
        self.provider.serve()

    async def drain(self, grace: float) -> Sequence[str]:
        """Take nothing more; let steps that run end, for so many seconds at most, and the rest
        go on elsewhere. Returns executions whose steps still run: closing cuts them off."""
        return await self.provider.drain(grace)

    async def wait(self, execution_id: str, *, until: Sequence[Status] = ()) -> Execution:
        """The execution when it has ended, or has one of the statuses wanted."""
        if not until and (ended := await self.provider.wait(execution_id)) is not None:
            return ended
        while True:
            execution = await self.services.store.execution(execution_id)
            if execution.status.terminal or execution.status in until:
                return await self.get(execution.id)
            following = self.follow(execution.id)
            # Between the look and the subscription something may have been said.
            execution = await self.services.store.execution(execution.id)
            if not (execution.status.terminal or execution.status in until):
                await _next_change(following)
            await following.aclose()  # type: ignore[attr-defined]

    async def run(
        self, definition: Definition, inputs: Mapping[str, Any] | None = None
    ) -> Execution:
        """Start and wait; raises `ExecutionFailed` unless it completed."""
        started = await self.start(definition, inputs)
        execution = await self.wait(started.id)
        if execution.status is not Status.COMPLETED:
            error = execution.error
            where = f" at {error.path}" if error and error.path else ""
            why = f"{where}: {error.message}" if error else ""
            raise ExecutionFailed(
                f"execution {execution.id} of {execution.workflow!r} {execution.status}{why}"
            )
        return execution

    async def get(self, execution_id: str) -> Execution:
        """One execution with its steps; a unique prefix of the id is enough.

        A value that has been lost reads as null, and a notice says so.
        """
        execution = await self.services.store.execution(execution_id)
        lost: list[str] = []
        history = await load(
            self.services.store,
            self.services.blobs,
            execution.id,
            lambda _, why: lost.append(why),
        )
        current = None if execution.status.terminal else history.current
        return replace(
            execution,
            steps=history.results,
            current_step=current,
            notices=(*execution.notices, *lost),
        )

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        """Executions, newest first, without their steps."""
        return await self.services.store.executions(
            workflow=workflow, status=status, after=after, limit=limit
        )

    async def workflows(self, *, after: str | None = None, limit: int = 100) -> Page[WorkflowInfo]:
        return await self.services.store.workflows(after=after, limit=limit)

    async def events(self, execution_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The durable events there are now, in order."""
        while True:
            page = await self.services.store.entries(execution_id, after=after)
            for entry in page.items:
                for event in events_of(entry, execution_id):
                    if event.seq > after:
                        yield event
                after = max(after, entry.last)
            if page.cursor is None:
                return

    def follow(self, execution_id: str | None = None, *, own: bool = False) -> AsyncIterator[Event]:
        """Events from now on, live ones included; of every execution when None, or of all that
        this process drives itself (`own`)."""
        return self.services.bus.here() if own else self.services.bus.subscribe(execution_id)

    async def stop(self, execution_id: str, reason: str = "") -> Execution:
        """Stop an execution, wherever it runs; returns when nothing of it does any more."""
        execution = await self.services.store.execution(execution_id)
        with logged(f"stop {execution.id}"):
            await self.provider.stop_execution(execution.id, reason)
        return await self.get(execution.id)

    async def pause(self, execution_id: str) -> Execution:
        """Let the steps that run end, and begin no other; returns at once.

        Raises `NotPossible` for an execution that has ended.
        """
        return await self._tell(execution_id, Command.PAUSE)

    async def resume(self, execution_id: str) -> Execution:
        """Go on after a pause or a crash, here if nobody else drives it.

        Raises `NotPossible` for an execution that has ended.
        """
        return await self._tell(execution_id, Command.RESUME)

    async def _tell(self, execution_id: str, command: Command) -> Execution:
        execution = await self.services.store.execution(execution_id)
        if command is Command.PAUSE and execution.provider != HERE:
            raise NotPossible(f"the provider {execution.provider!r} cannot pause; stop it instead")
        if execution.status.terminal:
            raise NotPossible(
                f"execution {execution.id} is {execution.status}: there is nothing to "
                f"{command.value}; `retry` or `fork` begin a new one from it"
            )
        await self.services.store.post(Message(execution.id, command))
        self.provider.knock(execution.id)
        await self.provider.take(execution.id)
        return await self.services.store.execution(execution.id)

    async def plan_fork(self, execution_id: str, path: str | None = None) -> Fork:
        """What a fork from a step or iteration would keep and run again; nothing is started.

        Without a path: from everything that failed or was cancelled. Raises `InvalidInput`.
        """
        execution = await self.services.store.execution(execution_id)
        return await self._forks.plan(execution, path)

    async def retry(
        self, execution_id: str, *, path: str | None = None, profile: str = ""
    ) -> Execution:
        """Begin a new execution that goes on from a step (from whatever failed) of one that
        has ended, with the same inputs. Raises `NotPossible` for one that has not.
        """
        execution = await self.services.store.execution(execution_id)
        if not execution.status.terminal:
            raise NotPossible(
                f"execution {execution.id} is {execution.status}; stop it first, or fork it"
            )
        forked = await self._forks.forked(execution, path, execution.inputs, "retry", profile)
        return await self._begin(*forked)

    async def fork(
        self,
        execution_id: str,
        path: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        profile: str = "",
    ) -> Execution:
        """Begin a new execution from a step or iteration of another, which goes on as it is.

        `inputs` replace those of the same names. What it inherits it never compensates, and no
        step of it exceeds the other's profile, or this one.
        """
        execution = await self.services.store.execution(execution_id)
        given = {**execution.inputs, **(inputs or {})}
        return await self._begin(*await self._forks.forked(execution, path, given, "fork", profile))

    async def questions(
        self,
        *,
        execution_id: str | None = None,
        status: str | None = "open",
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Question]:
        """What executions wait for, oldest first."""
        return await self.services.store.questions(
            execution_id=execution_id, status=status, after=after, limit=limit
        )

    async def answer(
        self,
        question_id: str,
        value: Any = None,
        *,
        approved: bool = True,
        by: str = "",
        comment: str = "",
    ) -> Question:
        """Answer a question; the same answer again changes nothing.

        Raises `QuestionNotFound`, `QuestionClosed` when it has another answer, `InvalidInput`
        for a value that its schema refuses, `NotAuthorized` when `by` may not answer it.
        """
        store = self.services.store
        answer = Answer(value, by, comment, timestamp(), approved)
        while True:
            question = await store.question(question_id)
            changed = voted(question, answer, now=time.time())
            if changed is None:
                return question
            if await store.answer(changed):
                break
        _log.info("%s answered question %s", by or "somebody", question.id)
        if changed.status is not QuestionStatus.OPEN:
            self.provider.knock(changed.execution_id)
        return changed

    async def send_event(
        self, name: str, payload: Any = None, *, key: str | None = None, id: str | None = None
    ) -> Sequence[str]:
        """Tell every execution that waits for it; returns their ids.

        It is kept for those that begin to wait later. The same `id` again changes nothing.
        """
        signal = Signal(id or new_id(), name, key, payload, time.time())
        told = await self.services.store.send(signal)
        for execution_id in told:
            self.provider.knock(execution_id)
        if self.heard is not None:
            await self.heard(signal)
        return told

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        """Who holds units of a concurrency key, then who waits for one."""
        return await self.services.store.slots(key)

    async def delete(self, execution_id: str) -> None:
        """Forget an execution that has ended; else raises `NotPossible`."""
        execution = await self.services.store.execution(execution_id)
        await self.services.store.delete_execution(execution.id)


async def _next_change(following: AsyncIterator[Event]) -> None:
    """Until an execution may have another status; or a while, if it runs elsewhere."""
    try:
        async with asyncio.timeout(_LOOK):
            async for event in following:
                if event.type.settles:
                    return
    except TimeoutError:
        pass
