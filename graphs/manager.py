"""The front desk: everything that starts, reads or steers work comes through here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from .answers import voted
from .drive import Known
from .errors import ExecutionFailed, NotPossible, WorkflowNotFound
from .event import Event, EventType
from .execution import Execution, Status, new_id, timestamp
from .fold import events as events_of
from .fold import load
from .history import Decision, History
from .inputs import accept_inputs
from .launch import Launch
from .lease import Command, Message, Slot, SlotRequest
from .load import SUFFIXES, Loader
from .policy import every_step
from .program import Program
from .question import Answer, Question, QuestionStatus, Signal
from .records import Encoder
from .scope import Scope
from .services import Services
from .stored import Entry, Page, WorkflowInfo
from .workflow import Workflow

if TYPE_CHECKING:
    from .ports import Store
    from .providers.langgraph import LangGraphProvider

Definition = Workflow | Mapping[str, Any] | str | Path
"""What a caller may hand over: a workflow, a mapping, a file, or a registered name."""

_DEPTH = 8
"""How deep `workflow` steps may call each other."""

_PROGRAMS = 256
"""How many programs are kept ready; loading one again takes milliseconds."""

_LOOK = 0.2
"""Seconds between two looks at an execution that another process drives."""

_log = logging.getLogger("assay.manager")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where executions work, and which variables they may read."""

    workspace: Path
    environ: Mapping[str, str]


class Manager:
    """Validates, then delegates to the provider, and logs both ends."""

    def __init__(
        self,
        services: Services,
        loader: Loader,
        provider: LangGraphProvider,
        surroundings: Surroundings,
    ) -> None:
        self._services = services
        self._loader = loader
        self._provider = provider
        self._surroundings = surroundings
        self._programs: OrderedDict[bytes, Program] = OrderedDict()
        provider.launches(self._launch_of)

    @property
    def store(self) -> Store:
        return self._services.store

    async def load(self, definition: Definition) -> Program:
        """The program a definition means; raises `InvalidSpec` or `WorkflowNotFound`."""
        if isinstance(definition, Workflow):
            return self._program(definition.document, definition.name)
        if isinstance(definition, Mapping):
            return self._program(definition)
        path = Path(definition)
        if path.suffix in SUFFIXES or isinstance(definition, Path) or path.exists():
            return self._loader.file(path)
        name, _, version = definition.partition("@")
        document = await self._services.store.workflow(name, version or None)
        return self._program(document, name)

    def _program(self, document: Mapping[str, Any], name: str = "workflow") -> Program:
        """Loaded once: a definition of equal content is the same program."""
        try:
            key = orjson.dumps(document)
        except TypeError:
            return self._loader.mapping(document, name)  # which says what is wrong with it
        if (known := self._programs.get(key)) is not None:
            self._programs.move_to_end(key)
            return known
        program = self._programs[key] = self._loader.mapping(document, name)
        if len(self._programs) > _PROGRAMS:
            self._programs.popitem(last=False)
        return program

    async def register(self, definition: Definition) -> Workflow:
        """Keep a definition under its name and version, for good.

        The same content again changes nothing; other content raises `WorkflowConflict`.
        """
        workflow = (await self.load(definition)).workflow
        self._provider.validate(workflow)
        await self._provider.create_workflow(workflow)
        _log.info("registered %s@%s", workflow.name, workflow.version)
        return workflow

    async def start(
        self,
        definition: Definition,
        inputs: Mapping[str, Any] | None = None,
        *,
        priority: int = 0,
        fuse: bool = True,
    ) -> Execution:
        """Begin an execution; returns it `queued`, as soon as it is durable.

        Raises `InvalidSpec`, `InvalidInput`, `WorkflowNotFound` or `ConcurrencyLimit`; then
        nothing has been started. A file or mapping is run as it is, without registering it.
        """
        program = await self.load(definition)
        accepted = accept_inputs(program.workflow, inputs or {})
        beside = Path(definition).parent if isinstance(definition, str | Path) else Path()
        launch = await self._launch(program, beside, fuse, 0)
        execution = replace(self._queued(launch, accepted), priority=priority)
        return await self._begin(execution, launch)

    async def _begin(
        self, execution: Execution, launch: Launch, history: History | None = None
    ) -> Execution:
        self._provider.validate(launch.program.workflow)
        for program in _programs(launch):
            await self._services.store.keep(program.workflow)
        entries, events, known = _beginning(execution, history)
        store = self._services.store
        lease = await store.create(execution, entries, store.worker)
        await self._services.bus.publish(events)
        if lease is not None:
            self._provider.drive(lease, launch, Known(execution, known))
        else:
            self._provider.wait_turn(execution.id)
        workflow = launch.program.workflow
        _log.info("started %s of %s@%s", execution.id, workflow.name, workflow.version)
        return execution

    async def wait(self, execution_id: str, *, until: Sequence[Status] = ()) -> Execution:
        """The execution when it has ended, or has one of the statuses wanted."""
        if not until:
            await self._provider.wait(execution_id)
        while True:
            execution = await self._services.store.execution(execution_id)
            if execution.status.terminal or execution.status in until:
                return await self.get(execution.id)
            following = self.follow(execution.id)
            # Between the look and the subscription something may have been said.
            execution = await self._services.store.execution(execution.id)
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
        execution = await self._services.store.execution(execution_id)
        lost: list[str] = []
        history = await load(self._services.store, self._services.blobs, execution.id, lost.append)
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
        return await self._services.store.executions(
            workflow=workflow, status=status, after=after, limit=limit
        )

    async def workflows(self, *, after: str | None = None, limit: int = 100) -> Page[WorkflowInfo]:
        return await self._services.store.workflows(after=after, limit=limit)

    async def events(self, execution_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The durable events there are now, in order."""
        while True:
            page = await self._services.store.entries(execution_id, after=after)
            for entry in page.items:
                for event in events_of(entry, execution_id):
                    if event.seq > after:
                        yield event
                after = max(after, entry.last)
            if page.cursor is None:
                return

    def follow(self, execution_id: str) -> AsyncIterator[Event]:
        """Events from now on, live ones included."""
        return self._services.bus.subscribe(execution_id)

    async def stop(self, execution_id: str, reason: str = "") -> Execution:
        """Stop an execution, wherever it runs; returns when nothing of it does any more."""
        execution = await self._services.store.execution(execution_id)
        await self._provider.stop_execution(execution.id, reason)
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
        execution = await self._services.store.execution(execution_id)
        if execution.status.terminal:
            raise NotPossible(
                f"execution {execution.id} is {execution.status}: there is nothing to "
                f"{command.value}; `retry` or `fork` begin a new one from it"
            )
        await self._services.store.post(Message(execution.id, command))
        self._provider.ring()
        await self._provider.take(execution.id)
        return await self._services.store.execution(execution.id)

    async def questions(
        self,
        *,
        execution_id: str | None = None,
        status: str | None = "open",
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Question]:
        """What executions wait for, oldest first."""
        return await self._services.store.questions(
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
        store = self._services.store
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
            self._provider.ring()
        return changed

    async def send_event(
        self, name: str, payload: Any = None, *, key: str | None = None, id: str | None = None
    ) -> Sequence[str]:
        """Tell every execution that waits for it; returns their ids.

        It is kept for those that begin to wait later. The same `id` again changes nothing.
        """
        signal = Signal(id or new_id(), name, key, payload, time.time())
        told = await self._services.store.send(signal)
        self._provider.ring()
        return told

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        """Who holds units of a concurrency key, then who waits for one."""
        return await self._services.store.slots(key)

    async def delete(self, execution_id: str) -> None:
        """Forget an execution that has ended; else raises `NotPossible`."""
        execution = await self._services.store.execution(execution_id)
        await self._services.store.delete_execution(execution.id)
        await self._services.checkpointer.adelete_thread(execution.id)

    def _queued(self, launch: Launch, inputs: Mapping[str, Any]) -> Execution:
        workflow, now = launch.program.workflow, timestamp()
        names = frozenset[str]().union(*(p.env for p in _programs(launch)))
        env = {name: launch.environ.get(name, "") for name in sorted(names)}
        return Execution(
            new_id(),
            workflow.name,
            workflow.version,
            workflow.digest,
            Status.QUEUED,
            inputs,
            env=env,
            slot=_slot(launch.program, inputs, env),
            pins=_pins(launch),
            workspace=str(launch.workspace),
            fuse=launch.fuse,
            created_at=now,
            updated_at=now,
        )

    async def _launch(self, program: Program, beside: Path, fuse: bool, depth: int) -> Launch:
        """The program with every workflow that its steps name, pinned to what it is now."""
        children: dict[tuple[str, str | None], Launch] = {}
        for step in every_step(program.workflow.steps):
            if step.kind != "workflow":
                continue
            named: Any = step
            if depth == _DEPTH:
                raise WorkflowNotFound(
                    f"`workflow` steps call each other more than {_DEPTH} deep, at {step.id!r}; "
                    "do they call each other in a circle?"
                )
            child, folder = await self._child(named.workflow, named.version, beside)
            key = (named.workflow, named.version)
            children[key] = await self._launch(child, folder, fuse, depth + 1)
        here = self._surroundings
        return Launch(program, children, here.workspace, here.environ, fuse)

    async def _child(self, name: str, version: str | None, beside: Path) -> tuple[Program, Path]:
        if Path(name).suffix in SUFFIXES:
            path = beside / name
            return self._loader.file(path), path.parent
        document = await self._services.store.workflow(name, version)
        return self._program(document, name), beside

    async def _launch_of(self, execution: Execution) -> Launch:
        """What an execution is pinned to, whatever has been registered since."""
        return await self._pinned(execution, execution.digest)

    async def _pinned(self, execution: Execution, digest: str) -> Launch:
        document = await self._services.store.workflow_by_digest(digest)
        program = self._program(document, execution.workflow)
        children = {}
        for step in every_step(program.workflow.steps):
            if step.kind == "workflow":
                named: Any = step
                key = (named.workflow, named.version)
                pin = execution.pins[_pin(digest, *key)]
                children[key] = await self._pinned(execution, pin)
        workspace = Path(execution.workspace)
        return Launch(program, children, workspace, self._surroundings.environ, execution.fuse)


def _programs(launch: Launch) -> list[Program]:
    """The program and those that its steps name, at any depth."""
    return [launch.program, *(p for child in launch.children.values() for p in _programs(child))]


def _pins(launch: Launch) -> dict[str, str]:
    pins: dict[str, str] = {}
    for name, child in launch.children.items():
        pins[_pin(launch.program.workflow.digest, *name)] = child.program.workflow.digest
        pins |= _pins(child)
    return pins


def _pin(digest: str, name: str, version: str | None) -> str:
    return f"{digest}/{name}@{version or ''}"


def _slot(
    program: Program, inputs: Mapping[str, Any], env: Mapping[str, str]
) -> SlotRequest | None:
    """The unit of a concurrency key that an execution needs; raises `ExpressionError`."""
    wanted = program.workflow.concurrency
    if wanted is None:
        return None
    scope = Scope(inputs=inputs, env=env, readonly=program.workflow.context.readonly)
    key = program.workflow.name if program.slot is None else program.slot.text(scope)
    return SlotRequest(key, wanted.limit, wanted.overflow, wanted.hold)


def _beginning(
    execution: Execution, history: History | None
) -> tuple[list[Entry], list[Event], History]:
    """The journal that an execution begins with, its events, and what it folds to.

    A fork begins with what it inherits.
    """
    encoder = Encoder(execution.created_at)
    now = execution.created_at
    queued = Event(execution.id, EventType.EXECUTION_QUEUED, now, seq=1)
    records = [encoder.event(queued)]
    if history is None:
        return [encoder.entry(1, 1, records)], [queued], History(seq=1)
    results = {}
    seq = 1
    for (path, name), value in history.decisions.items():
        records.append(encoder.decision(Decision(path, name, value)))
    for result in history.results.values():
        seq += 1
        results[result.path] = result.with_seq(seq)
        records.append(encoder.result(results[result.path], result.completed_at or now))
    inherited = replace(history, results=results, seq=seq)
    return [encoder.entry(1, seq, records)], [queued], inherited


async def _next_change(following: AsyncIterator[Event]) -> None:
    """Until an execution may have another status; or a while, if it runs elsewhere."""
    try:
        async with asyncio.timeout(_LOOK):
            async for event in following:
                if event.type in _CHANGES:
                    return
    except TimeoutError:
        pass


_CHANGES = frozenset(
    {
        EventType.EXECUTION_COMPLETED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_CANCELLED,
        EventType.EXECUTION_WAITING,
        EventType.EXECUTION_PAUSED,
    }
)
