"""The ports `Bulk` (what is read for many at once), `Verdicts` and `Memories`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...graphs.verdicts import REMEMBERED
from . import artifacts, executions, journal, memories, questions, verdicts, workflows

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ...graphs.memory import Fact, MemoryInfo, Turn
    from ...graphs.question import Question
    from ...graphs.stored import ArtifactInfo, Entry, Page, WorkflowInfo
    from ...graphs.verdicts import Verdict
    from .database import Database
    from .names import Clock


class Many:
    """The part of a store that reads for many at once, and learns from many."""

    _database: Database
    _clock: Clock

    async def executions_of(self, ids: Sequence[str]) -> Sequence[Execution]:
        return await executions.of(self._database, ids)

    async def versions_of(self, named: Sequence[tuple[str, str]]) -> Sequence[WorkflowInfo]:
        return await workflows.of(self._database, named)

    async def asked_by(self, execution_ids: Sequence[str], *, each: int = 20) -> Sequence[Question]:
        return await questions.open_of(self._database, execution_ids, each)

    async def journals_of(
        self, execution_ids: Sequence[str], *, after: int = 0, each: int | None = None
    ) -> Mapping[str, Sequence[Entry]]:
        wanted = list(dict.fromkeys(execution_ids))
        found = await asyncio.gather(
            *(journal.some(self._database, id, after, each) for id in wanted)
        )
        return {id: entries for id, entries in zip(wanted, found, strict=True) if entries}

    async def artifacts_of(
        self, execution_ids: Sequence[str], *, each: int = 20
    ) -> Sequence[ArtifactInfo]:
        wanted = list(dict.fromkeys(execution_ids))
        found = await asyncio.gather(
            *(artifacts.listing(self._database, id, None, each) for id in wanted)
        )
        return [artifact for page in found for artifact in page.items]

    async def judge(self, verdict: Verdict) -> None:
        await verdicts.judge(self._database, self._clock, verdict)

    async def verdicts(
        self,
        *,
        workflow: str | None = None,
        step: str | None = None,
        after: str | None = None,
        limit: int = REMEMBERED,
    ) -> Page[Verdict]:
        return await verdicts.listing(self._database, workflow, step, after, limit)

    async def forget_verdicts(self, before: str) -> int:
        return await verdicts.forget(self._database, before)

    async def remember(self, workflow: str, key: str, turn: Turn) -> None:
        await memories.add(self._database, self._clock, workflow, key, turn)

    async def remembered(self, workflow: str, key: str, *, limit: int) -> Sequence[Turn]:
        return await memories.newest(self._database, workflow, key, limit)

    async def note(self, workflow: str, key: str, fact: Fact) -> None:
        await memories.put(self._database, self._clock, workflow, key, fact)

    async def facts(self, workflow: str, key: str) -> Sequence[Fact]:
        return await memories.noted(self._database, workflow, key)

    async def memories(
        self, *, workflow: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[MemoryInfo]:
        return await memories.listing(self._database, workflow, after, limit)

    async def forget(self, workflow: str, key: str, *, before: str | None = None) -> int:
        return await memories.clear(self._database, workflow, key, before)
