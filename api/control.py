"""What somebody may ask for, whichever surface asks: decided, done and audited in one place."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..graphs.errors import (
    ArtifactNotFound,
    ExecutionNotFound,
    InvalidInput,
    QuestionNotFound,
    StoreError,
)
from ..graphs.execution import Execution, Status, new_id
from ..graphs.listing import every
from ..graphs.question import Wait
from ..graphs.stored import Page
from .access import Operation, covers
from .administering import Stats
from .deciding import MOST, Asker, size
from .digest import digest_of
from .feed import Placed, Where, cursor_of, events_of_all
from .streams import follow
from .triggers import Triggering

if TYPE_CHECKING:
    from pathlib import Path

    from ..graphs.event import Event
    from ..graphs.forking import Fork
    from ..graphs.lease import Slot
    from ..graphs.ports import Store
    from ..graphs.question import Question
    from ..graphs.stored import ArtifactInfo

__all__ = ["MOST", "Asker", "Begun", "Control", "Stats"]

KEPT = 24 * 3600.0
"""Seconds for which a key of `start_once` is known."""


_QUESTION = re.compile(r"q[0-9a-f]{19}")


class Begun(NamedTuple):
    """An execution, and whether it had begun before this was asked for."""

    execution: Execution
    replayed: bool = False


class Control(Triggering):
    """Everything that one asker may do. Cheap to make: one for each request.

    Each method raises `NotAuthorized` when the asker's role does not allow it, and the error
    of a thing that is not there for what no scope of the asker covers. A change is audited
    with the rule that decided, before the caller is answered.
    """

    async def start(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        priority: int = 0,
        id: str = "",
    ) -> Execution:
        """Begin an execution of a registered workflow; returns it as soon as it is durable. No
        step of it exceeds the asker's security profile.

        `id` is of `new_id`; one that exists raises `StoreError`.
        """
        self._there(name)
        document = await self._store.workflow(name, version)
        start = partial(self._manager.start, document, inputs, priority=priority, id=id)
        return await self._change(
            Operation.START_EXECUTION,
            name,
            name,
            partial(start, profile=self._profile),
            {"version": version, "priority": priority, "profile": self._profile},
        )

    async def start_once(
        self,
        key: str | None,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        priority: int = 0,
    ) -> Begun:
        """Begin an execution, or tell the one that the asker began with this key in the last
        `KEPT` seconds. Raises `InvalidInput` when that was to be another."""
        start = partial(self.start, name, inputs, version=version, priority=priority)
        if key is None or not self.may(Operation.START_EXECUTION, name):
            return Begun(await start())
        wanted = digest_of([name, version, dict(inputs or {}), priority])
        # Either may hold any character: `a/b` and `c` are not `a` and `b/c`.
        at, id = f"start/{digest_of([self.asker.principal.id, key])}", new_id()
        kept = await self._store.first(at, f"{id} {wanted}", time.time() + KEPT)
        first, _, what = kept.partition(" ")
        if what != wanted:
            raise InvalidInput(f"the key {key!r} began something else; give another key")
        if first != id and (begun := await self._begun(first)) is not None:
            return Begun(begun, replayed=True)
        try:
            # Whoever came first may have been cut off before it began.
            return Begun(await start(id=first))
        except StoreError:
            if (begun := await self._begun(first)) is None:
                raise
            return Begun(begun, replayed=True)

    async def _begun(self, id: str) -> Execution | None:
        try:
            return await self._store.execution(id)
        except ExecutionNotFound:
            return None

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        """Executions, newest first, without their steps."""
        self._allow(Operation.READ_EXECUTIONS)
        if status is not None and status not in list(Status):
            raise InvalidInput(f"{status!r} is no status; there are: {', '.join(Status)}")

        async def name(execution: Execution) -> str:
            return execution.workflow

        read = partial(self._manager.executions, workflow=workflow, status=status)
        return await self._page(read, name, after, limit)

    async def execution(self, id: str) -> Execution:
        """One execution with its steps."""
        self._allow(Operation.READ_EXECUTIONS)
        execution = await self._row(id)
        self._visible(execution)
        return await self._manager.get(execution.id)

    async def events(self, id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The durable events there are now, in order."""
        execution = await self._of(id, Operation.READ_EXECUTIONS)
        return self._manager.events(execution.id, after=after)

    async def follow(self, id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """Every durable event after that one, the live ones between, until the execution ends.

        Raises `InvalidInput` for one that has not been: whoever waited behind it would be told
        nothing, not even the end.
        """
        execution = await self._of(id, Operation.READ_EXECUTIONS)
        if after and not execution.status.terminal:
            known = await self._store.entries(execution.id, after=after - 1, limit=1)
            if not known.items:
                raise InvalidInput(
                    f"execution {id} has no event {after} yet: go on after the last one that "
                    "came, or from the beginning, after 0"
                )
        return follow(self._manager, execution.id, after=after)

    async def cursor(self, after: str | None = None) -> str:
        """A place to begin at in `events_of_all`: that cursor, or the one of now."""
        self._allow(Operation.READ_EXECUTIONS)
        return await cursor_of(self._manager, after)

    def events_of_all(
        self,
        where: Where | None = None,
        *,
        after: str | None = None,
        reached: Callable[[str], None] = lambda _: None,
    ) -> AsyncGenerator[Placed]:
        """Every durable event of every execution there is for the asker, as `feed` says."""
        self._allow(Operation.READ_EXECUTIONS)
        visible = partial(covers, self.asker.principal)
        return events_of_all(self._manager, where, after=after, visible=visible, reached=reached)

    async def events_end(self) -> str:
        """The cursor behind every event that there is now, for `events_of_all`."""
        self._allow(Operation.READ_EXECUTIONS)
        return await self._store.log_end()

    async def begin(
        self, name: str, inputs: Mapping[str, Any] | None = None
    ) -> tuple[Execution, AsyncGenerator[Event]]:
        """As `start`, and everything that is said from the first moment on."""
        self._allow(Operation.READ_EXECUTIONS)
        id = new_id()
        heard = self._manager.follow(id)
        execution = await self.start(name, inputs, id=id)
        return execution, follow(self._manager, id, heard=heard)

    async def stop(self, id: str, reason: str = "") -> Execution:
        """Stop an execution, wherever it runs; returns when nothing of it does any more."""
        return await self._to(
            id, Operation.STOP_EXECUTION, partial(self._manager.stop, reason=reason)
        )

    async def pause(self, id: str) -> Execution:
        return await self._to(id, Operation.PAUSE_EXECUTION, self._manager.pause)

    async def resume(self, id: str) -> Execution:
        return await self._to(id, Operation.RESUME_EXECUTION, self._manager.resume)

    async def plan_fork(self, id: str, path: str | None = None) -> Fork:
        """What a retry or a fork would keep and run again; nothing is started."""
        execution = await self._of(id, Operation.READ_EXECUTIONS)
        return await self._manager.plan_fork(execution.id, path)

    async def retry(self, id: str, path: str | None = None) -> Execution:
        """Bound as the other, and as `start`."""
        retry = partial(self._manager.retry, path=path, profile=self._profile)
        return await self._to(id, Operation.RETRY_EXECUTION, retry, {"profile": self._profile})

    async def fork(self, id: str, path: str, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Bound as the other, and as `start`."""
        fork = partial(self._manager.fork, path=path, inputs=inputs, profile=self._profile)
        return await self._to(id, Operation.FORK_EXECUTION, fork, {"profile": self._profile})

    async def delete(self, id: str) -> None:
        """Forget an execution that has ended."""
        await self._to(id, Operation.DELETE_EXECUTION, self._manager.delete)

    async def questions(
        self,
        *,
        execution_id: str | None = None,
        status: str | None = "open",
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Question]:
        """What executions wait for, oldest first."""
        self._allow(Operation.READ_QUESTIONS)
        if execution_id is not None:
            execution_id = (await self._of(execution_id, Operation.READ_QUESTIONS)).id
        read = partial(self._manager.questions, execution_id=execution_id, status=status)
        return await self._page(read, _WorkflowOf(self._store), after, limit)

    async def question(self, id: str) -> Question:
        self._allow(Operation.READ_QUESTIONS)
        question, _ = await self._asked(id)
        return question

    async def answer(
        self, id: str, value: Any = None, *, approved: bool | None = None, comment: str = ""
    ) -> Question:
        """Answer a question as this asker; the same answer again changes nothing.

        `approved` None: not said, as where it is not asked. Raises `InvalidInput` where it is:
        nothing is approved by leaving it out. A value that an approval wants says yes.
        """
        question, execution = await self._asked(id)

        async def answered() -> Question:
            if approved is None and question.kind is Wait.APPROVAL and value is None:
                raise InvalidInput(
                    f"question {question.id} wants a yes or no: say `approved`, true or false"
                )
            return await self._manager.answer(
                question.id,
                value,
                approved=approved is not False,
                by=self.asker.principal.name,
                comment=comment,
            )

        return await self._change(
            Operation.ANSWER_QUESTION,
            execution.workflow,
            question.id,
            answered,
            {"approved": approved},
        )

    async def send_event(
        self, name: str, payload: Any = None, *, key: str | None = None, id: str | None = None
    ) -> Sequence[str]:
        """Tell every execution that waits for it; the ids of those."""
        digest_of(payload)  # or refuse it
        return await self._change(
            Operation.SEND_EVENT,
            None,
            name,
            partial(self._manager.send_event, name, payload, key=key, id=id),
            {"key": key, "id": id},
        )

    async def artifacts(
        self, execution_id: str, *, after: str | None = None, limit: int = 50
    ) -> Page[ArtifactInfo]:
        """Files that the execution's steps kept."""
        execution = await self._of(execution_id, Operation.READ_ARTIFACTS)
        return await self._store.artifacts(
            execution_id=execution.id, after=after, limit=size(limit)
        )

    async def artifact(self, execution_id: str, sha256: str) -> tuple[ArtifactInfo, bytes | Path]:
        """A file that the execution's steps kept, and its bytes or where they are.

        Raises `ArtifactNotFound`.
        """
        async for info in every(self.artifacts, execution_id, limit=MOST):
            if info.sha256 == sha256:
                blobs = self._manager.services.blobs
                return info, blobs.path(sha256) or await blobs.get(sha256)
        raise ArtifactNotFound(f"execution {execution_id} kept no file {sha256}")

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        """Who holds units of a concurrency key, then who waits for one."""
        self._allow(Operation.READ_SLOTS)
        found = await self._manager.slots(key)
        return [slot for slot in found if covers(self.asker.principal, slot.workflow)]

    async def _asked(self, id: str) -> tuple[Question, Execution]:
        """By the whole id, as an execution is, and whose question it is."""
        if not _QUESTION.fullmatch(id):
            raise QuestionNotFound.of(id)
        question = await self._store.question(id)
        execution = await self._store.execution(question.execution_id)
        if not covers(self.asker.principal, execution.workflow):
            raise QuestionNotFound.of(id)
        return question, execution


class _WorkflowOf:
    """The workflow of a question's execution; each execution is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, str] = {}

    async def __call__(self, question: Question) -> str:
        id = question.execution_id
        if id not in self._known:
            self._known[id] = (await self._store.execution(id)).workflow
        return self._known[id]
