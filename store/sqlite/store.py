"""The `Store` port over one SQLite database; what each method owes is said there."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from . import cache, executions, journal, workflows
from .database import Database
from .reader import Reader
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ...graphs.event import Event
    from ...graphs.execution import Execution, StepResult
    from ...graphs.ports import Commit, History, Page, WorkflowInfo
    from ...graphs.workflow import Workflow


class SqliteStore:
    """Several processes may open one file; each execution is written to by one at a time."""

    def __init__(self, writer: Writer, reader: Reader | None) -> None:
        """Use `open`. Without a reader the writer's connection reads too."""
        self._writer = writer
        self._reader = reader
        self._kept: set[str] = set()
        self._write = writer.run
        self._read = writer.run if reader is None else reader.run

    @classmethod
    async def open(cls, path: Path | None) -> Self:
        """The database of that file, made when absent; None: one in memory, gone when closed.

        Raises `StoreError` when the file is not a database of ours, was written by a newer
        Assay, or may not be written to.
        """
        database = Database(path)
        connection = await asyncio.to_thread(database.create)
        # A database in memory belongs to its one connection.
        return cls(Writer(database, connection), None if path is None else Reader(database))

    async def register(self, workflow: Workflow) -> None:
        await self._write(partial(workflows.register, workflow=workflow))

    async def keep(self, workflow: Workflow) -> None:
        if workflow.digest not in self._kept:
            await self._write(partial(workflows.keep, workflow=workflow))
            self._kept.add(workflow.digest)

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        return await self._read(partial(workflows.document, name=name, version=version))

    async def workflow_by_digest(self, digest: str) -> Mapping[str, Any]:
        return await self._read(partial(workflows.document_by_digest, digest=digest))

    async def workflows(self, *, after: str | None = None, limit: int = 100) -> Page[WorkflowInfo]:
        return await self._read(partial(workflows.listing, after=after, limit=limit))

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        return await self._write(partial(workflows.delete, name=name, version=version))

    async def commit(self, commit: Commit) -> None:
        await self._write(journal.Entry(commit).write)

    async def history(self, execution_id: str) -> History:
        return await self._read(partial(journal.history, execution_id=execution_id))

    async def execution(self, execution_id: str, *, steps: bool = True) -> Execution:
        return await self._read(partial(executions.find, execution_id=execution_id, steps=steps))

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        return await self._read(
            partial(executions.listing, workflow=workflow, status=status, after=after, limit=limit)
        )

    async def events(self, execution_id: str, *, after: int = 0, limit: int = 1000) -> Page[Event]:
        return await self._read(
            partial(journal.events, execution_id=execution_id, after=after, limit=limit)
        )

    async def cached(self, key: str) -> StepResult | None:
        return await self._read(partial(cache.get, key=key))

    async def cache(self, key: str, result: StepResult, *, ttl: float | None) -> None:
        await self._write(partial(cache.put, key=key, result=result, ttl=ttl))

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
        await self._writer.close()
