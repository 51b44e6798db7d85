"""The store of this machine as a site: what is begun here is driven by this process."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphs.errors import ConfigurationError
from ...graphs.event import Event
from ...graphs.execution import Execution, Status
from ...graphs.fold import events as events_of
from ...graphs.fold import load
from ...graphs.listing import every
from ...store.blobs import FolderBlobs
from ..settings import read_settings
from ..streams import LAST, POLL, follow
from .local_triggers import LocalTriggerRecords, LocalTriggers
from .lookup import MANY, open_questions, whole_id
from .site import Ear, Plan

if TYPE_CHECKING:
    from ...graphs.lease import Slot
    from ...graphs.memory import MemoryInfo
    from ...graphs.ports import Store
    from ...graphs.program import Program
    from ...graphs.question import Question
    from ...graphs.scoring import ModelStats
    from ...graphs.stored import ArtifactInfo
    from ..app import App


def me() -> str:
    """Who sits here, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return ""


class LocalRecords(LocalTriggerRecords):
    """A store alone, which needs no LangGraph."""

    far = False

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        folder = read_settings().home / "blobs"
        self._blobs = store.blobs(folder)
        self.kept = FolderBlobs(folder).path

    async def whole_id(self, given: str) -> str:
        return await whole_id(self._store, given)

    async def row(self, id: str) -> Execution:
        return await self._store.execution(id)

    async def get(self, id: str) -> Execution:
        execution = await self._store.execution(id)
        lost: list[str] = []
        history = await load(self._store, self._blobs, id, lambda _, why: lost.append(why))
        return replace(
            execution,
            steps=history.results,
            current_step=None if execution.status.terminal else history.current,
            notices=(*execution.notices, *lost),
        )

    async def driven(self, id: str) -> bool:
        return await self._store.holder(id) is not None

    async def executions(
        self, workflow: str | None, status: str | None, limit: int
    ) -> AsyncIterator[Execution]:
        after: str | None = None
        while limit > 0:
            page = await self._store.executions(
                workflow=workflow, status=status, after=after, limit=min(limit, MANY)
            )
            for execution in page.items:
                yield execution
            limit -= len(page.items)
            after = page.cursor
            if after is None:
                return

    async def events(self, id: str, *, follow: bool = False) -> AsyncIterator[Event]:
        seen = 0
        while True:
            page = await self._store.entries(id, after=seen)
            for entry in page.items:
                for event in events_of(entry, id):
                    yield event
                    if event.type in LAST:
                        return
                seen = entry.last
            if page.cursor is None:
                if not follow:
                    return
                await asyncio.sleep(POLL)

    def questions(self, id: str | None, status: str | None) -> AsyncIterator[Question]:
        return every(self._store.questions, execution_id=id, status=status, limit=MANY)

    async def question(self, id: str) -> Question:
        return await self._store.question(id)

    async def open_questions(self, id: str | None = None) -> Sequence[Question]:
        return await open_questions(self._store, id)

    def artifacts(self, id: str) -> AsyncIterator[ArtifactInfo]:
        return every(self._store.artifacts, execution_id=id)

    async def fetch(self, artifact: ArtifactInfo, target: Path) -> None:
        data = await self._blobs.get(artifact.sha256)
        try:
            target.write_bytes(data)
        except OSError as error:
            raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error

    async def slots(self, key: str | None) -> Sequence[Slot]:
        return await self._store.slots(key)

    async def model_stats(self, workflow: str | None, step: str | None) -> Sequence[ModelStats]:
        from ...graphs.scoring import model_stats

        return await model_stats(self._store, workflow, step)

    def memories(self, workflow: str | None) -> AsyncGenerator[MemoryInfo]:
        return every(self._store.memories, workflow=workflow)


class LocalSite(LocalTriggers, LocalRecords):
    """An app, with all that drives executions."""

    def __init__(self, app: App) -> None:
        super().__init__(app.manager.store)
        self._app = app
        self._manager = app.manager
        self.me = me()

    async def get(self, id: str) -> Execution:
        return await self._manager.get(id)

    async def load(self, definition: str) -> Program:
        return await self._manager.load(definition)

    async def program(self, execution: Execution) -> Program:
        document = await self._store.workflow_by_digest(execution.digest)
        return await self._manager.load(document)

    async def check(self, file: Path) -> None:
        await self._manager.load(file)

    async def register(self, file: Path) -> tuple[str, str, str]:
        kept = await self._app.register(file)
        return kept.name, kept.version, kept.digest

    def hear(self, id: str | None = None) -> Ear:
        return Ear(self._manager.follow(id))

    def follow(self, id: str, ear: Ear, after: int) -> AsyncIterator[Event]:
        return follow(self._manager, id, after=after, heard=ear.heard)

    async def driving(self, id: str) -> None:
        await self._manager.wait(id)

    async def start(self, definition: str, inputs: Mapping[str, Any]) -> Execution:
        return await self._manager.start(definition, inputs)

    async def turn(self, execution: Execution) -> str | None:
        slot = execution.slot
        if slot is None or await self._store.holder(execution.id) is not None:
            return None
        return slot.key

    async def elsewhere(self, id: str) -> bool:
        return await self._store.holder(id) not in (None, self._store.worker)

    async def stop(self, id: str, reason: str = "") -> Execution:
        return await self._manager.stop(id, reason)

    async def pause(self, id: str) -> None:
        await self._manager.pause(id)

    async def paused(self, id: str) -> None:
        await self._manager.wait(id, until=(Status.PAUSED,))

    async def resume(self, id: str) -> Execution:
        return await self._manager.resume(id)

    async def plan_fork(self, id: str, path: str | None) -> Plan:
        from ...graphs.forking import describe

        plan = await self._manager.plan_fork(id, path)
        return Plan(plan.kept_count, plan.begins, plan.again, describe(plan))

    async def retry(self, id: str, path: str | None) -> Execution:
        return await self._manager.retry(id, path=path)

    async def fork(self, id: str, path: str, inputs: Mapping[str, Any]) -> Execution:
        return await self._manager.fork(id, path, inputs=inputs)

    async def delete(self, id: str) -> None:
        await self._manager.delete(id)

    async def answer(
        self,
        id: str,
        value: Any = None,
        *,
        approved: bool,
        by: str | None = None,
        comment: str = "",
    ) -> Question:
        return await self._manager.answer(
            id, value, approved=approved, by=self.me if by is None else by, comment=comment
        )

    async def send_event(self, name: str, payload: Any, key: str | None) -> Sequence[str]:
        return await self._manager.send_event(name, payload, key=key)

    async def feedback(self, id: str, path: str, *, passed: bool, comment: str) -> str:
        from ...graphs.scoring import feedback

        execution, said = await self.row(id), {"by": self.me, "comment": comment}
        verdict = await feedback(self._store, self._blobs, execution, path, passed=passed, **said)
        return verdict.model

    async def forget_memory(self, workflow: str, key: str) -> int:
        return await self._store.forget(workflow, key)
