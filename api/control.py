"""What somebody may ask for, whichever surface asks: decided, done and audited in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ..graphs.errors import (
    InvalidInput,
    QuestionNotFound,
)
from ..graphs.execution import Execution, Status
from ..graphs.stored import AuditEntry, Page, Principal, WorkflowInfo
from .access import Operation, covers
from .deciding import MOST, Asker, Deciding, size
from .keys import Issued, issue
from .streams import follow

if TYPE_CHECKING:
    from ..graphs.event import Event
    from ..graphs.forking import Fork
    from ..graphs.lease import Slot
    from ..graphs.ports import Store
    from ..graphs.program import Program
    from ..graphs.question import Question
    from ..graphs.stored import ArtifactInfo
    from ..graphs.workflow import Workflow

__all__ = ["MOST", "Asker", "Control"]


class Control(Deciding):
    """Everything that one asker may do. Cheap to make: one for each request.

    Each method raises `NotAuthorized` when the asker's role does not allow it, and the error
    of a thing that is not there for what no scope of the asker covers. A change is audited
    with the rule that decided, before the caller is answered.
    """

    async def workflows(self, *, after: str | None = None, limit: int = 50) -> Page[WorkflowInfo]:
        """Registered versions by name, newest version first."""
        self._allow(Operation.READ_WORKFLOWS)

        async def name(info: WorkflowInfo) -> str:
            return info.name

        return await self._page(self._manager.workflows, name, after, limit)

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """The document of a version, of the newest one when none is named."""
        self._allow(Operation.READ_WORKFLOWS)
        self._there(name)
        return await self._store.workflow(name, version)

    async def validate(self, document: Mapping[str, Any]) -> Program:
        """The program a definition means. Raises `InvalidSpec` with every problem in it."""
        self._allow(Operation.VALIDATE_WORKFLOW)
        return await self._manager.load(document)

    async def register(self, document: Mapping[str, Any]) -> Workflow:
        """Keep a definition; the same again changes nothing. Raises `WorkflowConflict`."""
        program = await self._manager.load(document)
        name = program.workflow.name
        what = {"version": program.workflow.version, "digest": program.workflow.digest}
        return await self._change(
            Operation.REGISTER_WORKFLOW, name, name, partial(self._manager.register, document), what
        )

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        """Forget one version or all that nothing runs on; how many are gone."""
        self._there(name)
        return await self._change(
            Operation.DELETE_WORKFLOW,
            name,
            name,
            partial(self._store.delete_workflow, name, version),
            {"version": version},
        )

    async def start(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        priority: int = 0,
    ) -> Execution:
        """Begin an execution of a registered workflow; returns it as soon as it is durable."""
        self._there(name)
        self._allow(Operation.START_EXECUTION, name)
        document = await self._store.workflow(name, version)
        return await self._change(
            Operation.START_EXECUTION,
            name,
            name,
            partial(self._manager.start, document, inputs, priority=priority),
            {"version": version, "priority": priority},
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
        execution = await self._manager.get(id)
        self._visible(execution)
        return execution

    async def events(self, id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The durable events there are now, in order."""
        execution = await self._of(id, Operation.READ_EXECUTIONS)
        return self._manager.events(execution.id, after=after)

    async def follow(self, id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Every durable event after that one, the live ones between, until the execution ends."""
        execution = await self._of(id, Operation.READ_EXECUTIONS)
        return follow(self._manager, execution.id, after=after)

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
        return await self._to(
            id, Operation.RETRY_EXECUTION, partial(self._manager.retry, path=path)
        )

    async def fork(self, id: str, path: str, inputs: Mapping[str, Any] | None = None) -> Execution:
        return await self._to(
            id, Operation.FORK_EXECUTION, partial(self._manager.fork, path=path, inputs=inputs)
        )

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
        question = await self._store.question(id)
        await self._asked(question)
        return question

    async def answer(
        self, id: str, value: Any = None, *, approved: bool = True, comment: str = ""
    ) -> Question:
        """Answer a question as this asker; the same answer again changes nothing."""
        question = await self._store.question(id)
        execution = await self._asked(question)
        return await self._change(
            Operation.ANSWER_QUESTION,
            execution.workflow,
            question.id,
            partial(
                self._manager.answer,
                question.id,
                value,
                approved=approved,
                by=self.asker.principal.name,
                comment=comment,
            ),
            {"approved": approved},
        )

    async def send_event(
        self, name: str, payload: Any = None, *, key: str | None = None, id: str | None = None
    ) -> Sequence[str]:
        """Tell every execution that waits for it; the ids of those."""
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

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        """Who holds units of a concurrency key, then who waits for one."""
        self._allow(Operation.READ_SLOTS)
        found = await self._manager.slots(key)
        return [slot for slot in found if covers(self.asker.principal, slot.workflow)]

    async def keys(self, *, after: str | None = None, limit: int = 50) -> Page[Principal]:
        self._allow(Operation.READ_KEYS)
        return await self._store.principals(after=after, limit=size(limit))

    async def create_key(
        self,
        name: str,
        role: str,
        scopes: Sequence[str] = (),
        lasts: timedelta | None = None,
    ) -> Issued:
        """A new principal, and its key, which is told this one time."""
        issued = issue(name, role, scopes, tenant=self.asker.tenant, lasts=lasts)
        await self._change(
            Operation.CREATE_KEY,
            None,
            issued.principal.id,
            partial(self._store.put_principal, issued.principal),
            {"name": name, "role": role, "scopes": list(scopes)},
        )
        return issued

    async def revoke_key(self, id: str) -> None:
        """From now on nobody is let in with it. One that is not there changes nothing."""
        await self._change(
            Operation.REVOKE_KEY, None, id, partial(self._store.delete_principal, id), {}
        )

    async def audit(
        self, *, target: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[AuditEntry]:
        """Who changed what, newest first."""
        self._allow(Operation.READ_AUDIT)
        return await self._store.audit(target=target, after=after, limit=size(limit))

    async def _asked(self, question: Question) -> Execution:
        execution = await self._store.execution(question.execution_id)
        if not covers(self.asker.principal, execution.workflow):
            raise QuestionNotFound(f"no question {question.id!r}")
        return execution


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
