"""A server as a site: what is begun there is driven there, and only watched from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphs.errors import (
    ExecutionNotFound,
    InvalidInput,
    InvalidSpec,
    NotAuthorized,
    QuestionNotFound,
    WorkflowNotFound,
)
from ...graphs.execution import Execution, Status
from ...graphs.load import SUFFIXES
from ..client.client import Client
from .definitions import Reader
from .lookup import LATEST, MANY, only
from .remote_triggers import RemoteTriggers
from .site import Ear, Plan

if TYPE_CHECKING:
    from ...graphs.event import Event
    from ...graphs.lease import Slot
    from ...graphs.memory import MemoryInfo
    from ...graphs.program import Program
    from ...graphs.question import Question
    from ...graphs.scoring import ModelStats
    from ...graphs.stored import ArtifactInfo

_WHOLE = {"execution": 36, "question": 20}
"""Characters of an id."""

_LOOK = 0.3
"""Seconds between two looks at an execution that is to come to rest."""


class RemoteSite(RemoteTriggers):
    far = True
    me = ""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._named: dict[str, str] = {}

    def kept(self, sha256: str) -> Path | None:
        """Nothing of it is here."""
        del sha256
        return None

    async def whole_id(self, given: str) -> str:
        if len(given) == _WHOLE["execution"]:
            return given.lower()
        found = [e.id async for e in self.executions(None, None, 1 if given == LATEST else MANY)]
        if given == LATEST:
            if not found:
                raise ExecutionNotFound("nothing has been executed there yet")
            return found[0]
        return only("execution", given, found) or _lost(ExecutionNotFound, "execution", given)

    async def row(self, id: str) -> Execution:
        return await self._client.execution(id)

    async def get(self, id: str) -> Execution:
        return await self._client.execution(id)

    async def driven(self, id: str) -> bool:
        return True

    async def executions(
        self, workflow: str | None, status: str | None, limit: int
    ) -> AsyncIterator[Execution]:
        async with aclosing(self._client.executions(workflow=workflow, status=status)) as found:
            async for execution in found:
                yield execution
                limit -= 1
                if limit <= 0:
                    return

    async def events(self, id: str, *, follow: bool = False) -> AsyncIterator[Event]:
        if follow:
            async with aclosing(self._client.follow(id)) as told:
                async for event in told:
                    if event.seq:
                        yield event
            return
        async for event in self._client.history(id):
            yield event

    def questions(self, id: str | None, status: str | None) -> AsyncIterator[Question]:
        return self._client.questions(execution_id=id, status=status)

    async def question(self, id: str) -> Question:
        if len(id) != _WHOLE["question"]:
            found = [q.id for q in await self.open_questions()]
            id = only("question", id, found) or _lost(QuestionNotFound, "question", id)
        return await self._client.question(id)

    async def open_questions(self, id: str | None = None) -> Sequence[Question]:
        found = []
        async with aclosing(self._client.questions(execution_id=id)) as asked:
            async for question in asked:
                found.append(question)
                if len(found) == MANY:
                    break
        return found

    def artifacts(self, id: str) -> AsyncIterator[ArtifactInfo]:
        return self._client.artifacts(id)

    async def fetch(self, artifact: ArtifactInfo, target: Path) -> None:
        await self._client.download(artifact, target)

    async def slots(self, key: str | None) -> Sequence[Slot]:
        return await self._client.slots(key)

    async def model_stats(self, workflow: str | None, step: str | None) -> Sequence[ModelStats]:
        return await self._client.model_stats(workflow, step)

    def memories(self, workflow: str | None) -> AsyncGenerator[MemoryInfo]:
        return self._client.memories(workflow)

    async def forget_memory(self, workflow: str, key: str) -> int:
        return await self._client.forget_memory(workflow, key)

    async def load(self, definition: str) -> Program | None:
        """A file is registered: the server runs what it keeps."""
        path = Path(definition)
        if path.suffix in SUFFIXES or path.exists():
            name, version = await self._registered(path)
            self._named[definition] = f"{name}@{version}"
        else:
            name, _, version = definition.partition("@")
        return _program(await self._client.workflow(name, version or None))

    async def _registered(self, path: Path) -> tuple[str, str]:
        try:
            kept = await self._client.register(path)
            return kept.name, kept.version
        except NotAuthorized:
            # Who may not register may yet run what is registered just so.
            workflow = Reader().program(str(path)).workflow
            try:
                document = await self._client.workflow(workflow.name, workflow.version)
            except WorkflowNotFound:
                document = {}
            if document != workflow.document:
                raise
            return workflow.name, workflow.version

    async def program(self, execution: Execution) -> Program | None:
        try:
            document = await self._client.workflow(execution.workflow, execution.version)
        except WorkflowNotFound:
            return None
        return _program(document)

    async def check(self, file: Path) -> None:
        await self._client.validate(file)

    async def register(self, file: Path) -> tuple[str, str, str]:
        return await self._client.register(file)

    def hear(self, id: str | None = None) -> Ear:
        return Ear()

    def follow(self, id: str, ear: Ear, after: int) -> AsyncIterator[Event]:
        return self._client.follow(id, after=after)

    async def driving(self, id: str) -> None:
        """It never is."""

    async def start(self, definition: str, inputs: Mapping[str, Any]) -> Execution:
        return await self._client.start(self._named.get(definition, definition), inputs)

    async def turn(self, execution: Execution) -> str | None:
        waits = [s for s in await self._client.slots() if s.execution_id == execution.id]
        return next((slot.key for slot in waits if not slot.held), None)

    async def elsewhere(self, id: str) -> bool:
        return True

    async def stop(self, id: str, reason: str = "") -> Execution:
        return await self._client.stop(id, reason)

    async def pause(self, id: str) -> None:
        await self._client.pause(id)

    async def paused(self, id: str) -> None:
        while True:
            status = (await self._client.execution(id)).status
            if status is Status.PAUSED or status.terminal:
                return
            await asyncio.sleep(_LOOK)

    async def resume(self, id: str) -> Execution:
        return await self._client.resume(id)

    async def plan_fork(self, id: str, path: str | None) -> Plan:
        return Plan(*await self._client.plan_fork(id, path))

    async def retry(self, id: str, path: str | None) -> Execution:
        return await self._client.retry(id, path=path)

    async def fork(self, id: str, path: str, inputs: Mapping[str, Any]) -> Execution:
        return await self._client.fork(id, path, inputs=inputs)

    async def delete(self, id: str) -> None:
        await self._client.delete(id)

    async def answer(
        self,
        id: str,
        value: Any = None,
        *,
        approved: bool,
        by: str | None = None,
        comment: str = "",
    ) -> Question:
        if by is not None:
            raise InvalidInput("a server knows by its key who answers; leave out --as")
        return await self._client.answer(id, value, approved=approved, comment=comment)

    async def send_event(self, name: str, payload: Any, key: str | None) -> Sequence[str]:
        return await self._client.send_event(name, payload, key=key)

    async def feedback(self, id: str, path: str, *, passed: bool, comment: str) -> str:
        return await self._client.record_feedback(id, path, passed=passed, comment=comment)


def _program(document: Mapping[str, Any]) -> Program | None:
    """None for what only the server can run."""
    try:
        return Reader().mapping(document)
    except InvalidSpec:
        return None


def _lost(kind: type[ExecutionNotFound | QuestionNotFound], what: str, given: str) -> str:
    raise kind(f"no {what} {given!r} is among the last {MANY} there; give the whole id")
