"""Where savers keep their state: each place opens savers, and lets a test look behind them."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from base64 import b32decode
from collections import Counter
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import httpx
from google.cloud.firestore import AsyncClient

from assay.checkpoint import FirestoreSaver, SqliteSaver
from assay.store.firestore.checkpoint_documents import BLOBS, CHECKPOINTS, CHUNKS, THREADS, WRITES
from assay.store.firestore.checkpoints import FirestoreCheckpoints
from assay.store.firestore.database import Database as Firestore
from assay.store.sqlite.checkpoints import SqliteCheckpoints
from assay.store.sqlite.database import Database
from assay.store.sqlite.reader import Reader
from assay.store.sqlite.writer import Writer

from ... import indexes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from assay.store.checkpointing.rows import Checkpoints
    from assay.store.checkpointing.saver import Saver

Row: TypeAlias = dict[str, Any]

KINDS = ["checkpoints", "blobs", "writes", "chunks"]
"""What is kept, besides "threads"."""


class Place(ABC):
    """A store of its own. Rows are told by the columns of SQLite, threads by their ids."""

    arguments: list[str]
    """What leads another process here: see `stepper.py`."""

    @abstractmethod
    def open(self, **options: Any) -> AbstractAsyncContextManager[Saver]:
        """A saver over what is there."""

    @abstractmethod
    def checkpoints(self) -> AbstractAsyncContextManager[Checkpoints]:
        """What a saver is made over."""

    @abstractmethod
    async def rows(self, kind: str) -> list[Row]: ...

    @abstractmethod
    async def edit(self, kind: str, change: Callable[[Row], Row | None]) -> None:
        """Make each row what `change` makes of it; None removes it."""

    @abstractmethod
    async def everything(self) -> bytes:
        """All that is kept, in whatever form."""

    async def count(self, kind: str) -> int:
        return len(await self.rows(kind))


class SqlitePlace(Place):
    """One file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arguments = ["sqlite", str(path)]

    def open(self, **options: Any) -> AbstractAsyncContextManager[Saver]:
        return SqliteSaver.open(self.path, **options)

    @asynccontextmanager
    async def checkpoints(self) -> AsyncIterator[Checkpoints]:
        database = Database(self.path)
        writer, reader = Writer(database, database.create()), Reader(database)
        yield SqliteCheckpoints(writer, reader)
        await reader.close()
        await writer.close()

    async def rows(self, kind: str) -> list[Row]:
        table = kind if kind == "checkpoints" else f"checkpoint_{kind}"
        thread = (
            "id" if kind == "threads" else "(SELECT id FROM checkpoint_threads WHERE key = thread)"
        )
        sql = f"SELECT rowid AS here, *, {thread} AS thread_id FROM {table}"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(sql)]
        return [row | {"thread": row["thread_id"]} for row in rows]

    async def edit(self, kind: str, change: Callable[[Row], Row | None]) -> None:
        table = kind if kind == "checkpoints" else f"checkpoint_{kind}"
        with closing(sqlite3.connect(self.path)) as connection:
            for row in await self.rows(kind):
                changed = change(row)
                if changed is None:
                    connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row["here"],))
                    continue
                for column in [column for column in row if changed[column] != row[column]]:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? WHERE rowid = ?",
                        (changed[column], row["here"]),
                    )
            connection.commit()

    async def everything(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.path.parent.iterdir())


_COLLECTIONS = {
    "threads": THREADS,
    "checkpoints": CHECKPOINTS,
    "blobs": BLOBS,
    "writes": WRITES,
    "chunks": CHUNKS,
}


class FirestorePlace(Place):
    """A project of its own on the emulator."""

    def __init__(self) -> None:
        self.project = f"test-{uuid4().hex[:12]}"
        self.arguments = ["firestore", self.project]
        self.calls: Counter[str] = Counter()
        """Made in this process while `watch` watches, of each kind: `commit`, `get`, `query`."""

    def watch(self, call: str, of: Any) -> None:
        indexes.check(call, of)
        self.calls[call] += 1

    def open(self, **options: Any) -> AbstractAsyncContextManager[Saver]:
        return FirestoreSaver.open(project=self.project, **options)

    @asynccontextmanager
    async def checkpoints(self) -> AsyncIterator[Checkpoints]:
        database = Firestore(self.project, "(default)")
        yield FirestoreCheckpoints(database)
        await database.close()

    async def rows(self, kind: str) -> list[Row]:
        found: list[Row] = []

        def note(row: Row) -> Row:
            found.append(row)
            return row

        await self.edit(kind, note)
        return found

    async def edit(self, kind: str, change: Callable[[Row], Row | None]) -> None:
        async with self.client() as client:
            threads = {t.id: t.get("thread") async for t in client.collection(THREADS).stream()}
            async for document in client.collection(_COLLECTIONS[kind]).stream():
                fields = document.to_dict() or {}
                whole = fields.get("row", fields)
                thread, _, digest = document.id.partition("-")
                at = {"thread": threads[thread]}
                if kind == "chunks":
                    at["digest"] = b32decode(digest.upper() + "====")
                rows = whole.pop("writes") if kind == "writes" else [whole]
                changed = [change({**whole, **row, **at}) for row in rows]
                kept = [
                    {column: after[column] for column in row}
                    for row, after in zip(rows, changed, strict=True)
                    if after is not None
                ]
                if not kept:
                    await document.reference.delete()
                elif kept != rows and kind == "writes":
                    await document.reference.update({"row": {**whole, "writes": kept}})
                elif kept != rows:
                    await document.reference.update(
                        {"row": kept[0]} if "row" in fields else kept[0]
                    )

    async def everything(self) -> bytes:
        async with self.client() as client:
            documents = [d async for c in client.collections() async for d in c.stream()]
        return "".join(f"{document.id} {document.to_dict()}\n" for document in documents).encode()

    def clear(self) -> None:
        """Give the emulator, which keeps all in memory, its space back."""
        host = os.environ["FIRESTORE_EMULATOR_HOST"]
        place = f"projects/{self.project}/databases/(default)/documents"
        httpx.delete(f"http://{host}/emulator/v1/{place}", timeout=60).raise_for_status()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncClient]:
        client = AsyncClient(project=self.project)
        yield client
        await client._firestore_api.transport.close()
