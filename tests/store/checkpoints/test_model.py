"""Whatever happens to threads, they read as those of LangGraph's InMemorySaver do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT

from assay.checkpoint import SqliteSaver

from .places import FirestorePlace
from .states import at

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver, ChannelVersions, CheckpointTuple

    from assay.store.checkpointing.saver import Saver

    from ...emulators import Emulators

pytestmark = pytest.mark.anyio

CHANNELS = st.sampled_from(["a", "b", "c\0d", "é"])
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**64 - 1),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.just("x" * 3000),
    st.just(b"y" * 950_000),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3),
)
PUTS = st.tuples(
    st.just("put"), st.integers(0, 9), st.dictionaries(CHANNELS, VALUES), st.sets(CHANNELS)
)
WRITES = st.tuples(
    st.just("writes"),
    st.integers(0, 9),
    st.lists(st.tuples(CHANNELS | st.sampled_from([ERROR, INTERRUPT]), VALUES), min_size=1),
    st.tuples(st.sampled_from(["n1", "n2"]), st.sampled_from(["", "~1", "~2"])),
)
DELETES = st.tuples(st.just("delete"), st.integers(0, 9))
PLACES = [("t", ""), ("t", "child:1"), ("u", ""), ("é/\0", "")]


class Both:
    """Does everything to a saver and to the model, and keeps what can be gone on from."""

    def __init__(self, ours: Saver) -> None:
        self._ours = ours
        self._savers: list[BaseCheckpointSaver[str]] = [ours, InMemorySaver()]
        self._bases = [at(*place) for place in PLACES]

    async def put(self, base: int, changed: dict[str, Any], emptied: set[str]) -> None:
        config = self._bases[base % len(self._bases)]
        checkpoint = empty_checkpoint()
        if "checkpoint_id" in config["configurable"]:
            found = await self._savers[1].aget_tuple(config)
            assert found is not None
            checkpoint["channel_values"] = found.checkpoint["channel_values"]
            checkpoint["channel_versions"] = found.checkpoint["channel_versions"]
        versions: Any = checkpoint["channel_versions"]
        version = self._ours.get_next_version(max(versions.values(), default=None), None)
        new: ChannelVersions = dict.fromkeys((*changed, *emptied), version)
        versions.update(new)
        checkpoint["channel_values"].update(changed)
        for channel in emptied:
            checkpoint["channel_values"].pop(channel, None)
        for saver in self._savers:
            kept = await saver.aput(config, checkpoint, {"source": "loop", "step": base}, new)
        self._bases.append(kept)

    async def writes(self, base: int, writes: list[tuple[str, Any]], node: tuple[str, str]) -> None:
        config = self._bases[base % len(self._bases)]
        if "checkpoint_id" in config["configurable"]:
            for saver in self._savers:
                await saver.aput_writes(config, writes, *node)

    async def delete(self, base: int) -> None:
        thread = self._bases[base % len(self._bases)]["configurable"]["thread_id"]
        for saver in self._savers:
            await saver.adelete_thread(thread)
        self._bases = [c for c in self._bases if c["configurable"]["thread_id"] != thread]
        self._bases += [at(*place) for place in PLACES]

    async def check(self) -> None:
        for config in self._bases:
            ours, theirs = [await saver.aget_tuple(config) for saver in self._savers]
            assert plain(ours) == plain(theirs)
        for listed in [None, at("t"), at("u")]:
            if listed is not None:
                del listed["configurable"]["checkpoint_ns"]
            ours_all, theirs_all = [await every(saver, listed) for saver in self._savers]
            assert ours_all == theirs_all


async def every(
    saver: BaseCheckpointSaver[str], config: RunnableConfig | None
) -> dict[str, dict[str, Any] | None]:
    return {str(c.config): plain(c) async for c in saver.alist(config)}


def plain(found: CheckpointTuple | None) -> dict[str, Any] | None:
    if found is None:
        return None
    # A config that was asked for comes back as it was given by the one, plain by the other.
    place = {k: found.config["configurable"][k] for k in at(id="")["configurable"]}
    return {**found._asdict(), "config": place}


HISTORIES = st.lists(st.one_of(PUTS, PUTS, WRITES, DELETES), max_size=25)


async def compare(saver: Saver, events: list[tuple[Any, ...]]) -> None:
    both = Both(saver)
    for name, *arguments in events:
        await getattr(both, name)(*arguments)
    await both.check()


@settings(deadline=None, max_examples=60)
@given(events=HISTORIES)
async def test_every_history_reads_as_in_the_model(events: list[tuple[Any, ...]]) -> None:
    async with SqliteSaver.open(None) as saver:
        await compare(saver, events)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=HISTORIES)
async def test_every_history_in_firestore_reads_as_in_the_model(
    emulated: Emulators, events: list[tuple[Any, ...]]
) -> None:
    place = FirestorePlace()
    async with place.open() as saver:
        await compare(saver, events)
    place.clear()
