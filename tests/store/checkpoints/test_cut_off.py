"""On Firestore, what is too large for one commit is cut: nothing half done is ever seen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import ServiceUnavailable

from assay.graphs.errors import StoreError
from assay.store.checkpointing import values
from assay.store.checkpointing.rows import Query, Remove
from assay.store.checkpointing.saver import Saver
from assay.store.firestore import inventory, parts, snapshot
from assay.store.firestore.checkpoints import FirestoreCheckpoints
from assay.store.firestore.database import Batch, Database

from .places import KINDS
from .states import at, follow, pending, state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from assay.store.checkpointing.rows import Change, Rows

    from .places import FirestorePlace

pytestmark = pytest.mark.anyio

CHECKPOINTS = 12


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, commits and pages so small that everything takes several."""
    monkeypatch.setattr(values, "CHUNK", 9_000)
    monkeypatch.setattr(parts, "MOST_WRITES", 12)
    monkeypatch.setattr(parts, "LARGEST", 40_000)
    monkeypatch.setattr(snapshot, "_SMALL", 7)
    monkeypatch.setattr(snapshot, "_LARGE", 3)
    monkeypatch.setattr(inventory, "_NAMES", 7)


class Died(Exception):
    """The process is no more."""


class Mortal(Database):
    """Makes so many commits, then none."""

    left = 10**6

    async def commit(self, batch: Batch, what: str) -> Sequence[Any]:
        if self.left == 0:
            raise Died
        self.left -= 1
        return await super().commit(batch, what)


class Deaf(Database):
    """Does not hear the first answers to its commits."""

    lost = 0

    def batch(self) -> Batch:
        batch = super().batch()
        commit = batch.writes.commit

        async def unheard(**how: Any) -> Any:
            changes = batch.writes._write_pbs
            results = await commit(**how)
            if self.lost:
                self.lost -= 1
                batch.writes._write_pbs = changes  # it forgets them with the answer
                raise ServiceUnavailable("the connection broke")  # type: ignore[no-untyped-call]
            return results

        batch.writes.commit = unheard
        return batch


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Saver]:
    yield Saver(FirestoreCheckpoints(database))
    await database.close()


async def fill(saver: Saver) -> None:
    """A thread of many checkpoints, each with a write; some large values, one for all."""
    config = await follow(saver, at(), {"kept": "k" * 5000, "n": -1, "large": b"l" * 20_000})
    for n in range(CHECKPOINTS):
        await saver.aput_writes(config, [("n", str(n) * 2000)], "task")
        config = await follow(saver, config, {"n": n, "large": f"{n}" * 6_000 if n == 7 else n})


async def delete(saver: Saver) -> None:
    await saver.adelete_thread("t")


async def copy(saver: Saver) -> None:
    await saver.acopy_thread("t", "copy")


async def prune(saver: Saver) -> None:
    await saver.aprune(["t"])


async def put(saver: Saver) -> None:
    """Many namespaces at once, with more than a commit holds."""
    await asyncio.gather(
        *(follow(saver, at("t", f"c:{n}"), {"n": n, "x": b"%d" % n * 1_500}) for n in range(15))
    )


async def put_large(saver: Saver) -> None:
    await follow(saver, at("t"), {"n": 99, "large": bytes(range(256)) * 200})


OPERATIONS = [delete, copy, prune, put, put_large]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_process_that_dies_between_commits_leaves_what_can_be_read(
    firestore: FirestorePlace, small: None, operation: Callable[[Saver], Awaitable[None]]
) -> None:
    commits = 0
    ended = False
    while not ended:
        firestore.clear()
        async with firestore.open() as saver:
            await fill(saver)
        mortal = Mortal(firestore.project, "(default)")
        mortal.left = commits
        async with opened(mortal) as saver:
            try:
                await operation(saver)
                ended = True
            except Died:
                commits += 1 if commits < 2 else 4
        async with firestore.open() as saver:
            for found in [c async for c in saver.alist(None)]:
                if "kept" in found.checkpoint["channel_values"]:
                    assert found.checkpoint["channel_values"]["kept"] == "k" * 5000
            if operation is copy and not ended and commits > 1:
                with pytest.raises(StoreError, match="'copy', which holds checkpoints already"):
                    await copy(saver)
                await saver.adelete_thread("copy")
            if operation is prune and not ended:  # what was left goes with the next that goes
                latest = await saver.aget_tuple(at())
                assert latest is not None
                await follow(saver, latest.config, {"n": CHECKPOINTS - 1})
            if not (operation is copy and ended):
                await operation(saver)
            await check(firestore, saver, operation)

    assert commits > 1, "it took several"


async def check(
    firestore: FirestorePlace, saver: Saver, operation: Callable[[Saver], Awaitable[None]]
) -> None:
    """What there is when all is done, however often it was begun."""
    listed = [c async for c in saver.alist(None)]
    rows = {kind: await firestore.rows(kind) for kind in KINDS}
    if operation is delete:
        assert not any(rows.values())
    elif operation is copy:
        assert len(listed) == 2 * (CHECKPOINTS + 1)
        assert await state(saver, at("copy")) == await state(saver, at())
        for config in [c.config["configurable"] for c in listed]:
            other = {**config, "thread_id": "t" if config["thread_id"] == "copy" else "copy"}
            theirs = await pending(saver, {"configurable": other})
            assert await pending(saver, {"configurable": config}) == theirs
    elif operation is prune:
        assert [c.checkpoint["channel_values"]["n"] for c in listed] == [CHECKPOINTS - 1]
        assert [len(rows[kind]) for kind in KINDS] == [1, 3, 0, 1]
    elif operation is put:
        for n in range(15):
            assert (await state(saver, at("t", f"c:{n}")))["n"] == n
    else:
        assert (await state(saver, at()))["n"] == 99
        assert len((await state(saver, at()))["large"]) == 256 * 200


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_answer_that_is_lost_changes_nothing(
    firestore: FirestorePlace,
    small: None,
    operation: Callable[[Saver], Awaitable[None]],
    lost: int,
) -> None:
    """What was written is found to be there already, and is not mistaken for another's."""
    async with firestore.open() as saver:
        await fill(saver)
    deaf = Deaf(firestore.project, "(default)")
    deaf.lost = lost
    async with opened(deaf) as saver:
        await operation(saver)

        assert deaf.lost == 0
        await check(firestore, saver, operation)


async def test_a_reader_sees_one_moment_whatever_happens_meanwhile(
    firestore: FirestorePlace,
) -> None:
    async with firestore.open() as other, firestore.checkpoints() as checkpoints:
        config = await follow(other, at(), {"n": 1, "large": b"l" * 5000})
        await other.aput_writes(config, [("n", 2)], "task")

        async def look(rows: Rows) -> list[int]:
            before = await rows.heads(Query("t"), after=None, limit=5)
            await other.adelete_thread("t")
            await follow(other, at(), {"n": 3})
            (key, _) = keys = sorted(await rows.blob_keys("t", ""))
            large = (await rows.blobs("t", "", keys))[key]
            after = await rows.heads(Query(), after=None, limit=5)
            return [
                len(before),
                len(await rows.chunks("t", [large.digests])),
                len(await rows.writes("t", "", before[0].id)),
                len(after) if after == before else 0,
            ]

        assert await checkpoints.read(look) == [1, 1, 1, 1]
        assert await state(other, at()) == {"n": 3}


async def test_what_is_written_while_a_thread_is_revised_is_not_lost(
    firestore: FirestorePlace,
) -> None:
    """The revision is thought over again: it had seen nothing of it."""
    async with firestore.open() as other, firestore.checkpoints() as checkpoints:
        first = await follow(other, at(), {"n": 0})
        seen: list[list[str]] = []

        async def all_but_the_first(rows: Rows) -> list[Change]:
            heads = await rows.heads(Query("t"), after=None, limit=None)
            seen.append([head.id for head in heads])
            if len(seen) < 3:
                await follow(other, first, {"n": len(seen)})
            return [Remove("", {head.id for head in heads[:-1]}, ())]

        await follow(other, first, {"n": -1})
        await checkpoints.revise("t", all_but_the_first)

        assert [len(ids) for ids in seen] == [2, 3, 4]
        assert [c.config async for c in other.alist(None)] == [first]


async def test_deleting_takes_what_a_dead_process_left_of_a_thread_that_never_was(
    firestore: FirestorePlace, small: None
) -> None:
    mortal = Mortal(firestore.project, "(default)")
    mortal.left = 1
    async with opened(mortal) as saver:
        with pytest.raises(Died):
            await put_large(saver)
    assert await firestore.count("threads") == 0
    async with firestore.open() as saver:
        await saver.adelete_thread("t")
        assert await saver.aget_tuple(at()) is None

    assert await firestore.everything() == b""
