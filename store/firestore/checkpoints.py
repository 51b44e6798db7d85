"""LangGraph's checkpoints in Firestore: one commit for all that a superstep leaves behind.

Each commit to a thread changes the thread's document, on condition that nobody else has done so
since it was last seen. While that holds, a writer needs to read nothing; nothing is locked.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from itertools import count, groupby
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..checkpointing.refusals import cannot_copy, cannot_go_on
from ..checkpointing.rows import Put, PutWrites, Remove
from ..checkpointing.saver import Saver
from .checkpoint_documents import (
    blob_fields,
    blob_name,
    checkpoint_fields,
    checkpoint_name,
    chunk_name,
    copied,
    thread_name,
    writes_documents,
)
from .database import Conflict, again
from .inventory import Inventory
from .parts import Change, Part, add, cut, cut_deletions
from .snapshot import Snapshot, Tip, tip_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from ..checkpointing import rows
    from .database import Database
    from .drive import Drive
    from .parts import Name

T = TypeVar("T")

_THREADS = 1000
"""Threads of which to remember what was written last."""
_RECENT = 64
"""Checkpoints, and chunks, of a thread that are known to be there."""


def saver_for(
    database: Database,
    *,
    serde: SerializerProtocol | None = None,
    may_prune: Callable[[str], Awaitable[bool]] | None = None,
    drive_of: Callable[[str], Drive | None] = lambda _: None,
) -> Saver:
    """A checkpointer over an open database. Call it in the event loop that will use it.

    `drive_of` a thread is the lease that is needed to add to it; None: none is.
    """
    checkpoints = FirestoreCheckpoints(database, drive_of)
    return Saver(checkpoints, serde=serde, may_prune=may_prune)


class FirestoreCheckpoints:
    """The `Checkpoints` port over the collections of `checkpoint_documents`.

    What exceeds one commit (3 MB, 400 documents) is cut so that a crash in between leaves no
    checkpoint without what it needs: chunks and blobs are written before whatever names them,
    writes before checkpoints; checkpoints are deleted from the newest on, chunks last.
    """

    def __init__(
        self, database: Database, drive_of: Callable[[str], Drive | None] = lambda _: None
    ) -> None:
        self._database = database
        self._drive_of = drive_of
        self._known: dict[str, _Known] = {}

    async def read(self, work: Callable[[rows.Rows], Coroutine[Any, Any, T]]) -> T:
        return await work(Snapshot(self._database))

    async def write(self, thread: str, changes: Sequence[rows.Change]) -> None:
        await self._unless_moved(thread, partial(self._make, thread, changes))

    async def revise(
        self,
        thread: str,
        work: Callable[[rows.Rows], Coroutine[Any, Any, Sequence[rows.Change]]],
    ) -> None:
        async def revised() -> None:
            snapshot = Snapshot(self._database)
            self._remember(thread, _Known(await snapshot.tip(thread)))
            await self._make(thread, await work(snapshot))

        await self._unless_moved(thread, revised)

    async def delete(self, thread: str) -> None:
        async def deleted() -> None:
            tip, inventory = await self._look(thread)
            names = inventory.all()
            if tip is None and not names:
                return
            if tip is None:  # somebody left chunks who never got as far as the commit
                tip = await self._commit(thread, None, [])
            *first, last = cut_deletions(names)
            for part in first:
                tip = await self._commit(thread, tip, part)
            await self._commit(thread, tip, last, forget=True)

        await self._unless_moved(thread, deleted)
        self._known.pop(thread, None)

    async def copy(self, source: str, target: str) -> None:
        """What is too large for one commit is copied from the oldest checkpoint on."""
        snapshot = Snapshot(self._database)
        if await snapshot.tip(source) is None:
            return
        tip = await Snapshot(self._database).tip(target)
        if tip is not None:
            raise cannot_copy(source, target)
        part = Part()
        try:
            async with aclosing(snapshot.everything(source)) as documents:
                async for document in documents:
                    change = Change(*copied(document.name, document.fields, source, target))
                    if full := part.take(change):
                        tip = await self._commit(target, tip, full)
            await self._commit(target, tip, part.changes)
        except _Moved:
            raise cannot_copy(source, target) from None

    async def _make(self, thread: str, changes: Sequence[rows.Change]) -> None:
        for is_remove, some in groupby(changes, lambda change: isinstance(change, Remove)):
            if is_remove:
                await self._remove(thread, [c for c in some if isinstance(c, Remove)])
            else:
                await self._keep(thread, [c for c in some if not isinstance(c, Remove)])

    async def _keep(self, thread: str, changes: Sequence[Put | PutWrites]) -> None:
        """One commit where it fits; else what nobody can see yet goes before."""
        puts = [change for change in changes if isinstance(change, Put)]
        known = await self._check(thread, puts)
        tip = known.tip
        chunks = {digest: data for change in changes for digest, data in change.chunks.items()}
        early = [
            Change(chunk_name(thread, digest), {"data": data})
            for digest, data in chunks.items()
            if digest not in known.chunks
        ]
        early += [Change(name, blob_fields(blob)) for name, blob in _blobs(puts).items()]
        writes = [w for change in changes if isinstance(change, PutWrites) for w in change.writes]
        number = 1 if tip is None else tip.number + 1
        late = [Change(*document) for document in writes_documents(thread, writes, number)]
        late += [Change(_name(put), checkpoint_fields(put.head)) for put in puts]

        parts = cut([*early, *late])
        if len(parts) > 1:
            for part in cut(early):
                batch = add(self._database.batch(), self._database, part)
                await self._database.commit(batch, "Keeping state")
            parts = cut(late)
        drive = self._drive_of(thread)
        for part in parts:
            tip = await self._commit(thread, tip, part, drive=drive)
        checkpoints = (*known.checkpoints, *map(_name, puts))[-_RECENT:]
        self._remember(thread, _Known(tip, checkpoints, (*known.chunks, *chunks)[-_RECENT:]))

    async def _check(self, thread: str, puts: Sequence[Put]) -> _Known:
        """What is known of the thread. Refuses checkpoints that could never be read again."""
        known = self._known.get(thread)
        there = set(known.checkpoints if known else ())
        unsure: dict[Name, Put] = {}
        for put in puts:
            if put.relies and _parent(put) not in there:
                unsure[_name(put)] = put
            there.add(_name(put))
        if known is not None and not unsure:
            return known
        snapshot, mark = Snapshot(self._database), thread_name(thread)
        parents = {_parent(put) for put in unsure.values()}
        found = await snapshot.get({mark, *parents}, only=["number", "by", "in_thread"])
        made = _blobs(puts)
        for put in unsure.values():
            if _parent(put) in found:
                continue
            relied = {blob_name(thread, put.head.namespace, key): key for key in put.relies}
            kept = await snapshot.get(relied.keys() - made.keys(), only=["apart"])
            if lost := relied.keys() - made.keys() - kept.keys():
                raise cannot_go_on(put.head, [relied[name] for name in lost])
        tip = tip_of(found.get(mark))
        return known if known is not None and known.tip == tip else _Known(tip)

    async def _remove(self, thread: str, removes: Sequence[Remove]) -> None:
        tip, inventory = await self._look(thread)
        known = self._known.get(thread)
        if known is not None and known.tip != tip:
            raise _Moved
        for part in cut_deletions(inventory.without(thread, removes)):
            tip = await self._commit(thread, tip, part)
        self._remember(thread, _Known(tip))

    async def _look(self, thread: str) -> tuple[Tip | None, Inventory]:
        snapshot = Snapshot(self._database)
        return await snapshot.tip(thread), await Inventory.of(snapshot, thread)

    async def _commit(
        self,
        thread: str,
        tip: Tip | None,
        changes: Sequence[Change],
        *,
        forget: bool = False,
        drive: Drive | None = None,
    ) -> Tip:
        """Make the changes if the thread is as it was at the tip. Raises `_Moved` if it is not,
        `LeaseLost` if somebody else drives the execution by now."""
        number, by = 1 if tip is None else tip.number + 1, token_hex(8)
        batch = self._database.batch()
        mark = self._database.at(*thread_name(thread))
        if forget and tip is not None:
            batch.delete(mark, tip.changed)
        elif tip is not None:
            batch.update(mark, {"number": number, "by": by}, tip.changed)
        else:
            batch.create(mark, {"thread": thread, "number": number, "by": by})
        add(batch, self._database, changes)
        if drive is not None:
            await drive.fence(batch)
        try:
            times = await self._database.commit(batch, "Keeping state")
        except Conflict as conflict:
            seen = await Snapshot(self._database).tip(thread) if conflict.unsure else tip
            if seen is not None and seen.by == by:
                return seen  # an earlier try got through, only its answer did not
            if drive is not None:
                await drive.check()
            raise _Moved from None
        return Tip(number, by, times[0])

    async def _unless_moved(self, thread: str, attempt: Callable[[], Awaitable[None]]) -> None:
        """Make the attempt, again when somebody else changed the thread meanwhile."""
        for number in count():
            try:
                await attempt()
            except _Moved:
                self._known.pop(thread, None)
                await again(number, f"Thread {thread!r}")
            else:
                return

    def _remember(self, thread: str, known: _Known) -> None:
        self._known.pop(thread, None)
        self._known[thread] = known
        if len(self._known) > _THREADS:
            del self._known[next(iter(self._known))]


class _Known(NamedTuple):
    """What is known of a thread, as long as its tip is this one."""

    tip: Tip | None
    checkpoints: tuple[Name, ...] = ()
    """Some of those that are there."""
    chunks: tuple[bytes, ...] = ()
    """Some of those that are there, by their digests."""


class _Moved(Exception):
    """Somebody else has changed the thread; nothing was written."""


def _name(put: Put) -> Name:
    return checkpoint_name(put.head.thread, put.head.namespace, put.head.id)


def _parent(put: Put) -> Name:
    """Of a checkpoint without one it is a document that is never there."""
    return checkpoint_name(put.head.thread, put.head.namespace, put.head.parent or "")


def _blobs(puts: Sequence[Put]) -> dict[Name, rows.Blob]:
    return {
        blob_name(put.head.thread, blob.namespace, (blob.channel, blob.version)): blob
        for put in puts
        for blob in put.blobs
    }
