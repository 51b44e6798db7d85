"""What was seen of the package langgraph-checkpoint-firestore 0.4.0, and must not be seen here.

Each test names the fault; that its pruning and copying forget `DeltaChannel`s is in test_pruning.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from assay.checkpoint import KeyRing
from assay.graphs.errors import StoreError

from .places import KINDS
from .states import at, follow, pending, state

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple

    from assay.store.checkpointing.saver import Saver

    from .places import FirestorePlace

pytestmark = pytest.mark.anyio


async def threads_of(saver: Saver) -> list[str]:
    return sorted([c.config["configurable"]["thread_id"] async for c in saver.alist(None)])


async def test_deleting_a_thread_leaves_those_whose_ids_begin_like_it(saver: Saver) -> None:
    """On "deletes other threads": `delete_thread("job")` also deleted thread `job_2`."""
    others = ["job_2", "job_", "job_2_", "job-2", "job/2", "jo"]
    for thread in ["job", *others]:
        await follow(saver, at(thread), {"n": thread})

    await saver.adelete_thread("job")

    assert await threads_of(saver) == sorted(others)


async def test_copying_a_thread_takes_nothing_of_those_whose_ids_begin_like_it(
    saver: Saver,
) -> None:
    """On "copies other threads": a copy of `job` had a bogus namespace `2_` from `job_2`."""
    for thread in ["job", "job_2"]:
        await follow(saver, at(thread), {"n": thread})

    await saver.acopy_thread("job", "new")

    copied = [c async for c in saver.alist({"configurable": {"thread_id": "new"}})]
    assert [c.config["configurable"]["checkpoint_ns"] for c in copied] == [""]
    assert [c.checkpoint["channel_values"] for c in copied] == [{"n": "job"}]


async def test_a_thread_and_namespace_are_not_those_that_read_alike(saver: Saver) -> None:
    """On "reads across threads": `a_b`, `c`, never written, returned the state of `a`, `b_c`."""
    await follow(saver, at("a", "b_c"), {"n": 1})

    assert await saver.aget_tuple(at("a_b", "c")) is None
    assert [c async for c in saver.alist(at("a_b"))] == []


async def test_many_writes_of_a_task_come_in_their_order(saver: Saver) -> None:
    """On "order of pending writes": 12 writes came back as 0, 1, 10, 11, 2, …"""
    config = await follow(saver, at(), {})
    await saver.aput_writes(config, [("x", n) for n in range(1200)], "task")

    assert [value for _, _, value in await pending(saver, config)] == list(range(1200))


async def test_a_task_that_writes_again_changes_nothing(saver: Saver) -> None:
    """On "repeated task write": the second overwrote the first."""
    config = await follow(saver, at(), {})
    await saver.aput_writes(config, [("x", "first")], "task")
    await saver.aput_writes(config, [("x", "second"), ("x", "more")], "task")

    assert await pending(saver, config) == [("task", "x", "first"), ("task", "x", "more")]


@pytest.mark.parametrize("size", [780_000, 800_000, 1_048_576, 9_000_000])
async def test_a_state_may_be_larger_than_a_document(saver: Saver, size: int) -> None:
    """On "> 1 MiB state": 800,000 bytes raised InvalidArgument."""
    config = await follow(saver, at(), {"text": "é" * (size // 2), "n": 1})

    assert await state(saver, config) == {"text": "é" * (size // 2), "n": 1}


async def test_what_is_untouched_is_stored_once(firestore: FirestorePlace) -> None:
    """On "write amplification": an untouched 300 KB blob over 40 steps stored 19.0 MB."""
    async with firestore.open() as saver:
        config = await follow(saver, at(), {"blob": b"b" * 300_000, "n": 0})
        for n in range(40):
            await saver.aput_writes(config, [("n", n)], "task")
            config = await follow(saver, config, {"n": n})
        assert (await state(saver, config))["n"] == 39

    stored = [str(row) for kind in KINDS for row in await firestore.rows(kind)]
    assert 300_000 < sum(map(len, stored)) < 450_000
    assert await firestore.count("chunks") == 1


async def test_calls_are_few(firestore: FirestorePlace) -> None:
    """On "RPCs": put_writes of n took n commits, list of n took n + 1, delete of 10 took 28."""
    calls = firestore.calls
    async with firestore.open() as saver:
        config = await follow(saver, at(), {"a": "a" * 5000, "b": 0})
        assert calls == {"get": 1, "commit": 1}, "whether the thread is there, and the first"
        calls.clear()
        for _ in range(9):
            found = await saver.aget_tuple(config)
            assert found is not None
            assert calls.total() <= 4, "the checkpoint, its values, the long one's chunk, writes"
            calls.clear()
            config = await step(saver, found)
            assert calls == {"commit": 1}, "12 writes and the checkpoint after them"
            calls.clear()

        assert len([c async for c in saver.alist(at())]) == 10
        assert calls.total() <= 4, "as for one"
        calls.clear()
        await saver.acopy_thread("t", "u")
        assert calls["commit"] == 1
        assert calls.total() <= 7, "of each thread whether it is there; four collections"
        calls.clear()
        await saver.aprune(["t"])
        assert calls["commit"] == 1
        assert calls.total() <= 9
        calls.clear()
        await saver.adelete_thread("u")
        assert calls["commit"] == 1
        assert calls.total() <= 6


async def step(saver: Saver, found: CheckpointTuple) -> RunnableConfig:
    """As LangGraph makes it: a task's writes and the next checkpoint, issued in one tick."""
    before: Any = found.checkpoint
    version = saver.get_next_version(before["channel_versions"]["b"], None)
    after = {
        **empty_checkpoint(),
        "channel_values": {**before["channel_values"], "b": version},
        "channel_versions": {**before["channel_versions"], "b": version},
    }
    _, config = await asyncio.gather(
        saver.aput_writes(found.config, [("b", n) for n in range(12)], "task"),
        saver.aput(found.config, after, {"step": 1}, {"b": version}),  # type: ignore[arg-type]
    )
    return config


async def test_all_threads_can_be_listed(saver: Saver) -> None:
    """On "`list(None)`": raised a TypeError."""
    configs = [await follow(saver, at(f"t{n}"), {}) for n in range(20)]

    assert [c.config async for c in saver.alist(None)] == configs[::-1]


@pytest.mark.parametrize("thread", ["tenant/7", "/", "a/b/c/d", "..", "__x__", "."])
async def test_an_id_may_be_what_firestore_would_refuse(saver: Saver, thread: str) -> None:
    """On "`/` in thread_id": raised a ValueError."""
    config = await follow(saver, at(thread, "n/s"), {"n": 1})
    await saver.aput_writes(config, [("n", 2)], "task/1")

    assert await state(saver, config) == {"n": 1}
    assert await pending(saver, config) == [("task/1", "n", 2)]


async def test_no_thread_waits_for_an_answer(firestore: FirestorePlace) -> None:
    """On "async": the synchronous client was called on asyncio's pool of threads."""
    async with firestore.open() as saver:
        await asyncio.gather(*(follow(saver, at(f"t{n}"), {"n": n}) for n in range(50)))
        pooled = [t.name for t in threading.enumerate() if t.name.startswith("asyncio_")]

    assert pooled == []


async def test_database_root_and_encryption_can_be_chosen(firestore: FirestorePlace) -> None:
    """On "constructor": took only a project and the name of a collection; no serde."""
    choices: list[dict[str, Any]] = [
        {},
        {"database": "other"},
        {"root": "team/a"},
        {"root": "team_a"},
        {"cipher": KeyRing({"k": b"k" * 32}, "k"), "root": "secret"},
    ]
    for n, choice in enumerate(choices):
        async with firestore.open(**choice) as saver:
            assert await saver.aget_tuple(at()) is None
            await follow(saver, at(), {"n": n, "text": "attack at dawn"})
    for n, choice in enumerate(choices):
        async with firestore.open(**choice) as saver:
            assert (await state(saver, at()))["n"] == n
            assert len([c async for c in saver.alist(None)]) == 1


async def test_what_others_keep_costs_a_thread_nothing(firestore: FirestorePlace) -> None:
    """On "cost at scale": deleting, copying, pruning and `delete_for_runs` listed every thread."""

    async def cost(saver: Saver, thread: str) -> int:
        first = await follow(saver, at(thread), {"n": 1}, run_id=thread)
        await follow(saver, first, {"n": 2})
        firestore.calls.clear()
        await saver.acopy_thread(thread, f"{thread} copied")
        await saver.aprune([thread])
        await saver.adelete_for_runs([f"{thread} and no other"])
        await saver.adelete_thread(thread)
        return firestore.calls.total()

    async with firestore.open() as saver:
        alone = await cost(saver, "alone")
        await asyncio.gather(*(follow(saver, at(f"t{n}"), {"n": n}) for n in range(100)))
        assert await cost(saver, "one of many") == alone


async def test_nothing_large_is_indexed(firestore: FirestorePlace) -> None:
    """On "indexing": the state stayed in Firestore's automatic index; no exemption was shipped.

    Every commit and query in this folder is held against the exemptions that we ship; this
    tells that there were some to hold.
    """
    async with firestore.open() as saver:
        config = await follow(saver, at("t" * 2000), {"n": b"n" * 1_000_000, "c" * 2000: 1})
        await saver.aput_writes(config, [("n", "w" * 1000)], "task" * 1000)

    assert firestore.calls["commit"] == 2


async def test_two_savers_on_one_thread_lose_nothing(firestore: FirestorePlace) -> None:
    """On "concurrency": `put` was a blind `set`, with no precondition."""
    async with firestore.open() as one, firestore.open() as other:
        base = await follow(one, at(), {"n": 0})

        async def work(saver: Saver, name: str) -> None:
            config = base
            for n in range(15):
                await saver.aput_writes(base, [("n", f"{name} {n}")], f"task {n}")
                config = await follow(saver, config, {"n": n, name: n})

        await asyncio.gather(work(one, "one"), work(other, "other"))

        listed = [c.checkpoint["channel_values"] async for c in one.alist(at())]
        for name in ("one", "other"):
            mine = [values for values in listed if name in values]
            assert mine == [{"n": n, name: n} for n in reversed(range(15))]
        seen, seen_by_other = [await pending(saver, base) for saver in (one, other)]
        assert seen == seen_by_other, "of two the first stayed, for all to see"
        assert sorted(task for task, _, _ in seen) == sorted(f"task {n}" for n in range(15))


async def test_a_saver_that_another_overtook_is_told(firestore: FirestorePlace) -> None:
    """On "concurrency": no fencing; here what a saver remembers counts only while it is true."""
    async with firestore.open() as one, firestore.open() as other:
        old = await follow(one, at(), {"a": 1, "b": 1})
        found = await one.aget_tuple(old)
        assert found is not None
        await follow(other, await follow(other, old, {"a": 2, "b": 2}), {"a": 3, "b": 3})
        await other.aprune(["t"])
        kept = [c.config async for c in other.alist(None)]

        checkpoint = {**found.checkpoint, "id": "f"}
        version = one.get_next_version(found.checkpoint["channel_versions"]["a"], None)  # type: ignore[arg-type]
        checkpoint["channel_versions"] = {**found.checkpoint["channel_versions"], "a": version}
        with pytest.raises(StoreError, match="'b' that it goes on with"):
            await one.aput(old, checkpoint, {}, {"a": version})  # type: ignore[arg-type]

        assert [c.config async for c in one.alist(None)] == kept
