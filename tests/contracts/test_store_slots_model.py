"""Slots of a `Store` against a model of them, over random lives of executions."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stored import queued

from assay.graphs.errors import ConcurrencyLimit
from assay.graphs.execution import Execution, Status
from assay.graphs.lease import Lease, SlotRequest
from assay.graphs.stored import Commit
from assay.store.connect import connect

if TYPE_CHECKING:
    from tests.emulators import Emulators

    from assay.graphs.ports import Store


@dataclass
class Asking:
    """An execution as the model sees it: it runs when it has a lease."""

    id: str
    request: SlotRequest
    priority: int
    turn: int = 0
    place: Literal["held", "queued", "none"] = "none"
    waits: bool = False
    over: bool = False
    told: bool = False


@dataclass
class Model:
    """One key. After every step nobody waits for a slot that is free."""

    all: dict[str, Asking] = field(default_factory=dict)
    turns: int = 0

    def ask(self, asking: Asking) -> None:
        self.turns += 1
        asking.turn, asking.place = self.turns, "queued"
        self.settle()

    def settle(self) -> None:
        while queue := self.queue():
            if len(self.held()) >= queue[0].request.limit:
                return
            queue[0].place = "held"

    def held(self) -> list[Asking]:
        return [a for a in self.all.values() if a.place == "held"]

    def queue(self) -> list[Asking]:
        queue = [a for a in self.all.values() if a.place == "queued"]
        return sorted(queue, key=lambda a: (-a.priority, a.turn))


REQUESTS = st.builds(
    SlotRequest,
    st.just("k"),
    st.integers(1, 3),
    st.sampled_from(["queue", "reject", "replace"]),
    st.sampled_from(["execution", "running"]),
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), REQUESTS, st.integers(-1, 1)),
        st.tuples(st.sampled_from(["end", "wait", "go on", "claim", "stop"]), st.integers(0, 9)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(ACTS)
def test_slots_go_where_a_model_says(acts: list[Any]) -> None:
    asyncio.run(_play("sqlite://:memory:", acts))


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_so_they_do_on_firestore(emulated: Emulators, acts: list[Any]) -> None:
    asyncio.run(_play(f"firestore://test-{secrets.token_hex(8)}", acts))


async def _play(url: str, acts: list[Any]) -> None:
    store = await connect(url)
    try:
        model, leases = Model(), dict[str, Lease]()
        for act in acts:
            await _do(store, model, leases, act)
            held = {slot.execution_id for slot in await store.slots("k") if slot.held}
            assert held == {a.id for a in model.held()}
            queue = [slot.execution_id for slot in await store.slots("k") if not slot.held]
            assert queue == [a.id for a in model.queue()]
    finally:
        await store.close()


async def _do(store: Store, model: Model, leases: dict[str, Lease], act: Any) -> None:
    if act[0] == "start":
        await _start(store, model, leases, act[1], act[2])
        return
    asking = list(model.all.values())[act[1]] if act[1] < len(model.all) else None
    if asking is None or asking.over:
        return
    lease = leases.get(asking.id)
    if act[0] == "claim" or (act[0] == "go on" and asking.waits):
        if asking.place == "none" and not asking.told:
            model.ask(asking)
        claimed = await store.claim(asking.id, store.worker)
        # Whoever is told to stop needs no slot for that.
        assert (claimed is not None) == (asking.place == "held" or asking.told)
        leases.pop(asking.id, None)
        if claimed is not None:
            leases[asking.id], asking.waits = claimed, False
            await _become(store, claimed, Status.RUNNING)
    elif act[0] == "stop":
        lease = await store.claim(asking.id, store.worker, slotless=True)
        assert lease is not None
        await _over(store, model, asking, lease)
    elif act[0] == "end" and lease is not None:
        await _over(store, model, asking, lease)
    elif act[0] == "wait" and lease is not None and not asking.waits:
        await _become(store, lease, Status.WAITING)
        asking.waits = True
        if asking.request.hold == "running":
            asking.place = "none"
            model.settle()


async def _start(
    store: Store, model: Model, leases: dict[str, Lease], request: SlotRequest, priority: int
) -> None:
    asking = Asking(f"e{len(model.all)}", request, priority)
    begun: Execution = queued(asking.id, request, priority=priority)
    before = [a for a in model.queue() if a.priority >= priority]
    fits = not before and len(model.held()) < request.limit
    if request.overflow == "reject" and not fits:
        with pytest.raises(ConcurrencyLimit):
            await store.create(begun, [], store.worker)
        return
    model.all[asking.id] = asking
    model.ask(asking)
    if request.overflow == "replace" and not fits:
        for other in model.all.values():
            other.told = other.told or (other is not asking and other.place != "none")
    lease = await store.create(begun, [], store.worker)
    assert (lease is not None) == (asking.place == "held") == fits
    if lease is not None:
        leases[asking.id] = lease


async def _over(store: Store, model: Model, asking: Asking, lease: Lease) -> None:
    await _become(store, lease, Status.CANCELLED)
    asking.over, asking.place = True, "none"
    model.settle()


async def _become(store: Store, lease: Lease, status: Status) -> None:
    of = await store.execution(lease.execution_id)
    await store.commit(Commit(lease, execution=replace(of, status=status)))
