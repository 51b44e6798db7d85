"""Leases, journals and inboxes of a `Store` against a model, over random lives of an execution."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stored import execution, journal, question

from assay.graphs.errors import LeaseLost, StoreError
from assay.graphs.lease import Command, Lease, Message
from assay.graphs.stored import Commit, Entry
from assay.store.connect import connect

if TYPE_CHECKING:
    from tests.emulators import Emulators

    from assay.graphs.ports import Store


@dataclass
class Model:
    """One execution, every lease of it that there ever was, and what has been written."""

    leases: list[Lease] = field(default_factory=list)
    holder: str | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    inbox: list[int] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def takes(self, entry: Entry) -> bool:
        return all(e.last < entry.first or entry.last < e.first for e in self.entries.values())


COMMITS = st.tuples(
    st.just("commit"),
    st.integers(0, 3),  # which of the leases, counted from the latest
    st.none() | st.tuples(st.integers(1, 12), st.integers(0, 2)),  # first, and how many more
    st.booleans(),  # with a question
    st.booleans(),  # consumes what lies in the inbox
    st.booleans(),  # gives the lease back
)
ACTS = st.lists(
    st.one_of(
        COMMITS,
        COMMITS,
        st.tuples(st.just("claim"), st.sampled_from(["own", "1-dead", "2-dead"])),
        st.tuples(st.just("post")),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(ACTS, st.booleans())
def test_only_the_latest_lease_writes_and_every_commit_is_whole(
    acts: list[Any], at_once: bool
) -> None:
    """`at_once`: commits of the same moment, which a store may write together."""
    asyncio.run(_play("sqlite://:memory:", acts, at_once))


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS, at_once=st.booleans())
def test_so_it_is_on_firestore(emulated: Emulators, acts: list[Any], at_once: bool) -> None:
    asyncio.run(_play(f"firestore://test-{secrets.token_hex(8)}", acts, at_once))


async def _play(url: str, acts: list[Any], at_once: bool) -> None:
    store = await connect(url)
    try:
        lease = await store.create(execution("e"), [], store.worker)
        assert lease is not None
        model = Model([lease], store.worker)
        if at_once:
            await asyncio.gather(
                *(store.create(execution(f"n{n}"), [], store.worker) for n in range(3))
            )
        for act in acts:
            doing = [_do(store, model, act)]
            if at_once:
                doing += [_elsewhere(store, n) for n in range(3)]
            await asyncio.gather(*doing)
            await _check(store, model)
    finally:
        await store.close()


async def _do(store: Store, model: Model, act: Any) -> None:
    if act[0] == "post":
        await store.post(Message("e", Command.PAUSE))
        model.inbox.append(1 + (model.inbox[-1] if model.inbox else 0))
    elif act[0] == "claim":
        worker = store.worker if act[1] == "own" else act[1]
        lease = await store.claim("e", worker)
        assert (lease is None) == (model.holder == store.worker and worker != store.worker)
        if lease is not None:
            assert lease.epoch > model.leases[-1].epoch
            model.leases.append(lease)
            model.holder = worker
    else:
        await _commit(store, model, *act[1:])


async def _commit(
    store: Store,
    model: Model,
    back: int,
    place: tuple[int, int] | None,
    asks: bool,
    consumes: bool,
    release: bool,
) -> None:
    lease = model.leases[-1 - min(back, len(model.leases) - 1)]
    entry = None if place is None else Entry(place[0], sum(place), b"%d" % lease.epoch)
    path = f"p{len(model.asked)}"
    there = [m.id for m in await store.inbox(model.holder or "") if m.execution_id == "e"]
    commit = Commit(
        lease,
        entry,
        questions=[question("e", path)] if asks else (),
        consumed=there if consumes else (),
        release=release,
    )
    if lease is not model.leases[-1]:
        with pytest.raises(LeaseLost):
            await store.commit(commit)
        return
    if entry is not None and not model.takes(entry):
        with pytest.raises(StoreError, match="has that place"):
            await store.commit(commit)
        return
    released = await store.commit(commit)
    if entry is not None:
        model.entries[entry.first] = entry
    if asks:
        model.asked.add(path)
    if consumes and there:
        model.inbox.clear()
    # What was given back before need not be given back again.
    assert released == (not release or not model.inbox or model.holder is None)
    if release and released:
        model.holder = None


async def _elsewhere(store: Store, number: int) -> None:
    """Something of another execution at the same time, every third of which fails."""
    try:
        lease = await store.claim(f"n{number}", store.worker)
        assert lease is not None
        await store.commit(Commit(lease, Entry(1, 1, b"")))
    except StoreError:
        return  # its place is taken from the second time on


async def _check(store: Store, model: Model) -> None:
    assert await journal(store, "e") == [e for _, e in sorted(model.entries.items())]
    asked = (await store.questions(execution_id="e", limit=1000)).items
    assert {q.path for q in asked} == model.asked
    alive = model.holder if model.holder == store.worker else None
    assert await store.holder("e") == alive
    there = [m for m in await store.inbox(model.holder or "") if m.execution_id == "e"]
    assert len(there) == (len(model.inbox) if model.holder else 0)
    ready = alive is None
    assert ("e" in await store.ready(store.worker, now=0)) == ready
