"""Messages of a topic fire its trigger once, whoever is killed before they are acknowledged."""

from __future__ import annotations

import asyncio
import secrets
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import orjson
import pytest

from assay.api.app import open_app
from assay.graphs.execution import Status
from assay.graphs.firing import FiringStatus
from assay.store.topics import LocalTopics

from .chains import echoes, firings, ran, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from assay.api.app import App

pytestmark = pytest.mark.anyio

SUBSCRIBED = "assay-w.event"


@asynccontextmanager
async def serving(home: Path, *, bus: str = "local") -> AsyncIterator[App]:
    async with open_app(home=home, workspace=home, environ={"ASSAY_BUS": bus}) as app:
        app.manager.serve()
        async with app.triggers.running():
            yield app


async def listening(app: App, home: Path) -> LocalTopics:
    """The topics of the process, when the trigger `w.event` listens to `orders`."""
    topics = app.topics
    assert isinstance(topics, LocalTopics)

    async def subscribed() -> bool:
        return SUBSCRIBED in topics.subscriptions("orders")

    await until(subscribed)
    return topics


def hears(**trigger: object) -> dict[str, object]:
    workflow = dict(echoes("w", "x"))
    (spec,) = workflow["triggers"]
    del spec["event"]
    return {**workflow, "triggers": [{**spec, "topic": "orders", **trigger}]}


async def test_a_message_fires_with_what_it_says_of_itself(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(hears(**{"if": "attributes.kind == 'new'"}))
        topics = await listening(app, tmp_path)
        await topics.publish("orders", b'{"n": 1}', attributes={"Kind": "old"})
        await topics.publish("orders", b'{"n": 2}', attributes={"Kind": "new"}, key="k")
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"n": 2}}
        skipped, started = await firings(app, "w.event", 2)
        assert (skipped.status, started.status) == (FiringStatus.SKIPPED, FiringStatus.STARTED)
        assert started.attributes == {"kind": "new", "topic": "orders", "id": "2", "key": "k"}


async def test_a_cloud_event_that_is_published_twice_fires_once(tmp_path: Path) -> None:
    told = {"ce-id": "7", "ce-source": "/shop", "ce-type": "order.placed"}
    async with serving(tmp_path) as app:
        await app.register(hears())
        topics = await listening(app, tmp_path)
        for _ in range(2):
            await topics.publish("orders", b'{"n": 1}', attributes=told)
        await topics.publish("orders", b'{"n": 2}', attributes={**told, "ce-id": "8"})
        assert [e.inputs["came"]["n"] for e in await ran(app, "w", 2)] == [1, 2]
        assert len(await firings(app, "w.event", 2)) == 2


async def test_what_nobody_can_take_is_a_dead_firing_and_holds_nobody_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        await app.register(hears())
        topics = await listening(app, tmp_path)
        await topics.publish("orders", b"\xff\xff", key="k")
        await topics.publish("orders", orjson.dumps({"text": "x" * 600_000}), key="k")
        await topics.publish("orders", b'{"n": 1}', key="k")
        binary, large, fine = await firings(app, "w.event", 3)
        assert {binary.status, large.status} == {FiringStatus.DEAD}
        assert "neither JSON nor text" in binary.reason
        assert "1" in large.reason
        assert fine.status is FiringStatus.STARTED


async def test_messages_may_be_events_for_everybody_else(tmp_path: Path) -> None:
    """For who waits for them with the message's key, and for other triggers."""
    waits = {
        "name": "waits",
        "steps": [{"id": "w", "type": "wait_event", "event": "order", "key": "7"}],
    }
    async with serving(tmp_path) as app:
        await app.register(hears(event="order"))
        await app.register(echoes("other", "order"))
        waiting = await app.start(waits)
        await app.manager.wait(waiting.id, until=[Status.WAITING])
        topics = await listening(app, tmp_path)
        await topics.publish("orders", b'{"n": 1}', attributes={"kind": "new"}, key="7")
        assert (await app.manager.wait(waiting.id)).steps["w"].output == {"n": 1}
        for workflow in ("w", "other"):
            (execution,) = await ran(app, workflow, 1)
            assert execution.inputs == {"came": {"n": 1}}
        (firing,) = await firings(app, "w.event", 1)
        assert firing.attributes["kind"] == "new"


TAKES = """
import asyncio, sys
from assay.api.app import open_app
from assay.store.pubsub.topics import PubSubInlet

async def stuck(self, taken, back=()):
    print(len(taken), flush=True)
    await asyncio.Event().wait()  # killed before it has acknowledged anything

async def main(home, bus):
    PubSubInlet.settle = stuck
    async with open_app(home=home, workspace=home, environ={"ASSAY_BUS": bus}) as app:
        async with app.triggers.running():
            await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_whoever_is_killed_before_the_acknowledgement_has_fired_once(
    tmp_path: Path, emulated: object
) -> None:
    from assay.store.buses import setup_bus
    from assay.store.pubsub import topics as pubsub

    bus = f"pubsub://test-{secrets.token_hex(8)}"
    await setup_bus(bus)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            open_app(home=tmp_path, workspace=tmp_path, environ={"ASSAY_BUS": bus})
        )
        await app.register(hears())
        # As short as Pub/Sub allows, or the message would come again a minute later.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pubsub, "LASTING", {**pubsub.LASTING, "ack_deadline_seconds": 10})
            async with app.topics.subscribe("orders", SUBSCRIBED):
                pass
        await app.topics.publish("orders", b'{"n": 1}')
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", TAKES, str(tmp_path), bus, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert (await process.stdout.readline()).strip() == b"1"
        process.kill()
        await process.wait()
        kept = (await app.manager.store.firings(trigger="w.event")).items
        assert len(kept) == 1
    async with serving(tmp_path, bus=bus) as app:
        (execution,) = await ran(app, "w", 1)
        assert execution.inputs == {"came": {"n": 1}}
        # The message comes again after its deadline, and is acknowledged.
        async with app.topics.subscribe("orders", "another"):
            await app.topics.publish("orders", b'{"n": 2}')
        await ran(app, "w", 2)
        assert len(await firings(app, "w.event", 2)) == 2
