"""Events fire the triggers that wait for them: each event each trigger once, and what begins by
that may emit more."""

from __future__ import annotations

import pickle
import secrets
import time
from itertools import pairwise
from pathlib import Path

import pytest

from assay.api.app import open_app
from assay.graphs.execution import Status, timestamp
from assay.graphs.firing import FiringStatus, Lane, firing_id, lane_id
from assay.triggers import routing
from assay.triggers.place import WATCH

from .chains import echoes, emits, firings, ran, serving

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "graphs" / "examples"


async def test_the_examples_chain(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(EXAMPLES / "event-invoice.yaml")
        order = EXAMPLES / "event-order.yaml"
        ordered = await app.run(order, {"customer": "Grace", "total": 12})
        await app.run(order, {"total": 0})
        (invoice,) = await ran(app, "invoice", 1)
        assert invoice.error is None
        assert invoice.outputs == {"invoice": "Grace owes 12"}
        first, second = await firings(app, "invoice.event", 2)
        assert (first.status, second.status) == (FiringStatus.STARTED, FiringStatus.SKIPPED)
        assert first.execution_id == invoice.id
        assert first.attributes["source"] == ordered.id


async def test_three_workflows_chain(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(emits("b", "b.done", on="a.done"))
        await app.register(emits("c", "c.done", on="b.done"))
        await app.run(emits("a", "a.done"))
        (last,) = await ran(app, "c", 1)
        firing = await app.manager.store.firing(last.firing)
        assert firing.payload == {"from": "b"}
        assert (firing.depth, firing.attributes["chain"]) == (1, "b.event > c.event")


async def test_an_event_that_is_sent_fires_before_its_sender_is_answered(tmp_path: Path) -> None:
    """By whoever sends it, though nothing is served there."""
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        await app.register(echoes("w", "paid.*"))
        await app.manager.send_event("paid.late", {"n": 1}, key="k", id="e1")
        await app.manager.send_event("paid.late", {"n": 1}, key="k", id="e1")
        await app.manager.send_event("payment", {"n": 2})
        (firing,) = (await app.manager.store.firings(trigger="w.event")).items
        assert firing.id == firing_id("w.event", "e1")
        assert (firing.payload, firing.depth) == ({"n": 1}, 0)
        told = dict(firing.attributes)
        assert told.pop("at").endswith("Z")
        assert told == {"event": "paid.late", "id": "e1", "key": "k", "chain": "w.event"}
    async with serving(tmp_path) as app:
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"n": 1}}


async def test_what_becomes_of_executions_is_an_event(tmp_path: Path) -> None:
    fails = {"name": "fails", "steps": [{"id": "no", "type": "assert", "condition": "1 == 2"}]}
    async with serving(tmp_path) as app:
        await app.register(
            echoes("watcher", "assay.execution.*", **{"if": "payload.workflow == 'fails'"})
        )
        failed = await app.manager.wait((await app.manager.start(fails)).id)
        told = [firing.payload for firing in await firings(app, "watcher.event", 2)]
        mine = {each["status"]: each for each in told if each["execution_id"] == failed.id}
        assert set(mine) == {"running", "failed"}
        assert mine["failed"]["error"]["path"] == "no"
        assert mine["failed"]["version"] == failed.version


async def test_an_execution_does_not_fire_the_trigger_that_began_it(tmp_path: Path) -> None:
    """Unless the trigger says so, and then not for ever."""
    async with serving(tmp_path) as app:
        await app.register(echoes("shy", "assay.execution.completed"))
        first = await app.run(emits("a", "nothing"))
        (fired,) = await firings(app, "shy.event", 1)
        assert fired.payload["execution_id"] == first.id
        await app.triggers.desk.enable("shy.event", False)
        await app.register(echoes("bold", "assay.execution.completed", own=True))
        await app.run(emits("a", "nothing"))
        told = await firings(app, "bold.event", 10)
        assert [each.depth for each in told] == list(range(10))
        assert [each.status for each in told[8:]] == [FiringStatus.STARTED, FiringStatus.DROPPED]


async def test_a_circle_is_cut_and_the_reason_names_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(emits("ping", "ping", on="pong"))
        await app.register(emits("pong", "pong", on="ping"))
        await app.manager.send_event("ping")
        ping = await ran(app, "ping", 4)
        pong = await ran(app, "pong", 5)
        assert (len(ping), len(pong)) == (4, 5)
        *begun, dropped = await firings(app, "ping.event", 5)
        assert {each.status for each in begun} == {FiringStatus.STARTED}
        assert (dropped.status, dropped.depth) == (FiringStatus.DROPPED, 9)
        assert "pong.event > ping.event > pong.event" in dropped.reason


async def test_nobody_can_pretend_what_became_of_an_execution(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(echoes("watcher", "assay.execution.failed"))
        await app.manager.send_event("assay.execution.failed", {"execution_id": "x"})
        assert not (await app.manager.store.firings(trigger="watcher.event")).items


async def test_an_event_from_before_the_trigger_does_not_fire_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "SKEW", 0.0)
    async with serving(tmp_path) as app:
        await app.manager.send_event("early", id="e1")
        await app.register(echoes("w", "early"))
        await app.triggers.router._look()
        assert not (await app.manager.store.firings(trigger="w.event")).items


async def test_one_that_is_switched_off_does_not_fire(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "e"))
        await app.triggers.desk.enable("w.event", False)
        await app.manager.send_event("e")
        assert not (await app.manager.store.firings(trigger="w.event")).items


async def test_events_of_one_key_begin_in_order_and_one_after_the_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "e", key="{{ payload.customer }}", overlap="queue"))
        for number in range(6):
            await app.manager.send_event("e", {"customer": "ab"[number % 2], "n": number})
        began = await ran(app, "w", 6)
        for customer in "ab":
            of = [e for e in began if e.inputs["came"]["customer"] == customer]
            of.sort(key=lambda each: each.started_at or "")
            assert [e.inputs["came"]["n"] for e in of] == sorted(e.inputs["came"]["n"] for e in of)
            for one, next in pairwise(of):
                assert (one.completed_at or "") <= (next.started_at or "")


async def test_what_is_too_large_for_a_firing_is_a_dead_one_with_the_reason(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "e"))
        await app.manager.send_event("e", {"text": "x" * 600_000})
        (firing,) = await firings(app, "w.event", 1)
        assert firing.status is FiringStatus.DEAD
        assert "was not taken" in firing.reason


async def test_an_execution_with_large_outputs_fires_without_them(tmp_path: Path) -> None:
    say = {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "x" * 600_000}}
    large = {"name": "large", "steps": [say], "outputs": {"o": {"value": "{{ say.output }}"}}}
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "assay.execution.completed"))
        done = await app.run(large)
        assert len(done.outputs["o"]) == 600_000
        (firing,) = await firings(app, "w.event", 1)
        assert firing.status is FiringStatus.STARTED
        assert (firing.payload["status"], firing.payload["outputs"]) == ("completed", {})
        assert firing.attributes["outputs"] == "left out"


async def test_an_event_reaches_whoever_waits_and_whatever_it_triggers(tmp_path: Path) -> None:
    waits = {"name": "waits", "steps": [{"id": "w", "type": "wait_event", "event": "paid"}]}
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "paid"))
        waiting = await app.start(waits)
        await app.manager.wait(waiting.id, until=[Status.WAITING])
        assert await app.manager.send_event("paid", {"n": 1}) == [waiting.id]
        assert (await app.manager.wait(waiting.id)).steps["w"].output == {"n": 1}
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"n": 1}}


async def test_what_a_step_emits_has_a_key_for_who_waits_and_for_triggers(tmp_path: Path) -> None:
    wait = {"id": "w", "type": "wait_event", "event": "paid", "key": "7"}
    emit = {"id": "say", "type": "emit", "event": "paid", "payload": {"n": 1}}
    of = {"name": "of", "inputs": {"order": {"type": "number"}}}
    async with serving(tmp_path) as app:
        await app.register(echoes("t", "paid", **{"if": "attributes.key == '7'"}))
        waiting = await app.start({"name": "waits", "steps": [wait]})
        await app.manager.wait(waiting.id, until=[Status.WAITING])
        says = {**of, "steps": [{**emit, "key": "{{ inputs.order }}"}]}
        for order in (6, 7):
            await app.run(says, {"order": order})
        assert (await app.manager.wait(waiting.id)).steps["w"].outputs["key"] == "7"
        six, seven = await firings(app, "t.event", 2)
        assert (six.status, seven.status) == (FiringStatus.SKIPPED, FiringStatus.STARTED)


async def test_what_nobody_routed_is_found_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that sent it was killed before it had routed it."""
    monkeypatch.setattr(routing, "SWEEP", 0.05)
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        await app.register(echoes("w", "e"))
        app.manager.heard = None
        await app.manager.send_event("e", {"n": 1}, id="e1")
    async with serving(tmp_path) as app:
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"n": 1}}


async def test_what_nobody_routed_is_found_though_the_clock_was_put_back(tmp_path: Path) -> None:
    """By an hour, since somebody looked last."""
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        store, id = app.manager.store, lane_id(WATCH, "sent")
        await app.register(echoes("w", "e"))
        ahead = {"name": "sent", "at": time.time() + 3600}
        await store.put_lane(Lane(id, WATCH, timestamp(), ahead, lasting=True))
        app.manager.heard = None
        await app.manager.send_event("e", {"n": 1}, id="e1")

        await app.triggers.router._look()

        assert [f.payload for f in (await store.firings(trigger="w.event")).items] == [{"n": 1}]
        lane = await store.lane(id)
        assert lane is not None
        assert lane.document["at"] < time.time() + 1800


async def test_what_came_with_a_firing_is_not_remembered_with_what_it_began(tmp_path: Path) -> None:
    """Ten thousand executions are remembered, and a payload may have half a megabyte."""
    async with serving(tmp_path) as app:
        await app.register(emits("a", "e", on="go"))
        await app.register(echoes("w", "e"))
        payload = {"text": "x" * 400_000}
        for id in ("g1", "g2", "g3"):
            await app.manager.send_event("go", payload, id=id)
        await ran(app, "w", 3)

        known = app.triggers.router._begun

        assert len(known) >= 3
        assert len(pickle.dumps(known)) < 10_000


async def test_what_was_emitted_before_anybody_ever_served_is_found_later(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        await app.run(emits("a", "e"))
        await app.register(echoes("w", "e"))
        later = await app.run(emits("a", "e"))
    async with serving(tmp_path) as app:
        (execution,) = await ran(app, "w", 1)
        firing = await app.manager.store.firing(execution.firing)
        assert firing.attributes["source"] == later.id


async def test_what_was_emitted_while_nobody_served_is_found_later(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(echoes("w", "e"))
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        await app.run(emits("a", "e"))
    async with serving(tmp_path) as app:
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"from": "a"}}


async def test_events_are_routed_on_firestore_as_well(tmp_path: Path, emulated: object) -> None:
    """Also what is in the log, and what nobody had routed."""
    store = f"firestore://test-{secrets.token_hex(8)}"
    async with open_app(store, workspace=tmp_path) as app:
        await app.register(echoes("w", "e"))
        heard, app.manager.heard = app.manager.heard, None
        await app.manager.send_event("e", {"n": 1})
        app.manager.heard = heard
        app.manager.serve()
        async with app.triggers.running():
            await app.manager.send_event("e", {"n": 2})
            await ran(app, "w", 2)
            await app.run(emits("a", "e"))
            came = [execution.inputs["came"] for execution in await ran(app, "w", 3)]
        assert sorted(map(str, came)) == ["{'from': 'a'}", "{'n': 1}", "{'n': 2}"]
