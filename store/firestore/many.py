"""The `Bulk` port: what is read for many at once, each beside the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from . import artifacts, executions, journal, questions, workflows

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ...graphs.question import Question
    from ...graphs.stored import ArtifactInfo, Entry, WorkflowInfo
    from .database import Database


class Many:
    """The part of a store that reads for many at once."""

    _database: Database

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
