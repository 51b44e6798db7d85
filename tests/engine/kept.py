"""Large values and files where a store keeps them: looked at, lost, damaged and brought back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import running

if TYPE_CHECKING:
    from assay.store.firestore.database import Database


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that the apps whose state is in the folder have kept, as they were when looked at."""

    folder: Path
    sha256: str
    data: bytes

    async def gone(self) -> None:
        if running.store_kind == "sqlite":
            self._path.unlink()
            return
        async with _database(self.folder) as database:
            batch = database.batch()
            batch.delete(database.at("blobs", self.sha256))
            await database.commit(batch, "a loss")

    async def damaged(self) -> None:
        await self._write(self.data[:-1] + b"?")

    async def back(self) -> None:
        await self._write(self.data)

    async def _write(self, data: bytes) -> None:
        if running.store_kind == "sqlite":
            self._path.unlink(missing_ok=True)
            self._path.write_bytes(data)
            return
        async with _database(self.folder) as database:
            batch = database.batch()
            batch.put(database.at("blobs", self.sha256, "chunks", "000000"), {"data": data})
            batch.put(database.at("blobs", self.sha256), {"chunks": 1})
            await database.commit(batch, "a change")

    @property
    def _path(self) -> Path:
        return self.folder / "home" / "blobs" / self.sha256[:2] / self.sha256


async def kept(folder: Path) -> list[Kept]:
    """Everything that has been kept, the smallest first."""
    if running.store_kind == "sqlite":
        files = (p for p in (folder / "home" / "blobs").rglob("*") if p.is_file())
        found = [Kept(folder, path.name, path.read_bytes()) for path in files]
    else:
        from assay.store.firestore.blobs import FirestoreBlobs

        async with _database(folder) as database:
            blobs = FirestoreBlobs(database)
            every = database.all("blobs").order_by("__name__")
            names = [each.id for each in await database.find(every)]
            found = [Kept(folder, name, await blobs.get(name)) for name in names]
    return sorted(found, key=lambda each: len(each.data))


async def data_in_firestore(folder: Path) -> tuple[int, int, int]:
    """Bytes of data in journals, in checkpoints, and in the rows of executions and questions."""
    async with _database(folder) as database:
        of = {each.id: await _data(each) async for each in database.client.collections()}
    checkpoints = sum(size for name, size in of.items() if name.startswith("checkpoint"))
    return of["journal"], checkpoints, of["executions"] + of.get("questions", 0)


async def _data(collection: Any) -> int:
    size = 0
    async for place in collection.list_documents():
        fields = (await place.get()).to_dict() or {}
        size += sum(len(value) for value in fields.values() if isinstance(value, bytes))
        size += sum([await _data(each) async for each in place.collections()])
    return size


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[Database]:
    from assay.store.firestore.database import Database

    project = running.store_url(folder / "home").removeprefix("firestore://")
    database = Database(project, "(default)")
    try:
        yield database
    finally:
        await database.close()
