"""Firings become executions: one each, in turn, whatever comes twice or dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assay.api.app import App, open_app
from assay.graphs.errors import InvalidSpec, NotPossible
from assay.graphs.execution import Execution, Status
from assay.graphs.firing import Firing, FiringStatus, Trigger
from assay.triggers.desk import Desk

WAITS = {
    "name": "waits",
    "inputs": {"text": {"type": "string", "default": ""}},
    "outputs": {"said": {"value": "{{ say.output }}"}},
    "steps": [
        {"id": "gate", "type": "wait_event", "event": "go", "key": "{{ inputs.text }}"},
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "{{ inputs.text }}"}},
    ],
}
SAYS = {**WAITS, "name": "says", "steps": WAITS["steps"][1:]}  # type: ignore[index]


def manual(**fields: Any) -> dict[str, Any]:
    return {"type": "manual", **fields}


class House:
    """An app over one store that can be left and entered again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stack = AsyncExitStack()
        self.app: App

    async def open(self, *, firing: bool = True) -> None:
        self._stack = AsyncExitStack()
        self.app = await self._stack.enter_async_context(
            open_app(home=self._home, workspace=self._home, environ={})
        )
        self.app.manager.serve()
        if firing:
            await self._stack.enter_async_context(self.app.triggers.running())

    async def close(self) -> None:
        await self._stack.aclose()

    async def again(self) -> None:
        await self.close()
        await self.open()

    @property
    def desk(self) -> Desk:
        return self.app.triggers.desk

    async def triggered(self, document: dict[str, Any], **trigger: Any) -> Trigger:
        """A workflow with one trigger by hand."""
        await self.app.register({**document, "triggers": [manual(**trigger)]})
        return await self.desk.store.trigger(f"{document['name']}.manual")

    async def fire(self, trigger: Trigger, payload: Any, **how: Any) -> Firing:
        return await self.desk.settled(await self.desk.fire(trigger, payload, **how), 20)

    async def until(self, firing: Firing, status: FiringStatus) -> Firing:
        kept = await self.desk.store.firing(firing.id)
        found = await self.desk.settled(kept, 20, over=True)
        assert found.status is status, found
        return found

    async def began(self, workflow: str) -> list[Execution]:
        """Its executions, oldest first."""
        page = await self.app.manager.executions(workflow=workflow)
        return [*reversed(page.items)]

    async def go(self, text: str) -> None:
        await self.app.manager.send_event("go", key=text)


@asynccontextmanager
async def opened(home: Path, *, firing: bool = True) -> AsyncIterator[House]:
    home.mkdir(exist_ok=True)
    house = House(home)
    await house.open(firing=firing)
    try:
        yield house
    finally:
        await house.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as open_house:
        yield open_house


pytestmark = pytest.mark.anyio


async def test_what_came_becomes_the_inputs(house: House) -> None:
    trigger = await house.triggered(
        SAYS, **{"with": {"text": "{{ payload.user }} {{ trigger.id }}"}}
    )

    firing = await house.fire(trigger, {"user": "ada"})

    assert firing.status is FiringStatus.STARTED
    done = await house.app.wait(firing.execution_id)
    assert done.outputs == {"said": "ada says.manual"}
    assert done.firing == firing.id
    (entry, *_) = (await house.desk.store.audit()).items
    assert (entry.principal, entry.action) == ("trigger:says.manual", "start_execution")


async def test_without_a_mapping_fields_that_are_inputs_are_taken(house: House) -> None:
    trigger = await house.triggered(SAYS)

    firing = await house.fire(trigger, {"text": "hi", "other": 1})

    assert (await house.app.wait(firing.execution_id)).outputs == {"said": "hi"}


async def test_what_comes_twice_begins_once(house: House) -> None:
    trigger = await house.triggered(SAYS)

    both = await asyncio.gather(*(house.fire(trigger, {"text": str(n)}, id="d") for n in range(2)))

    assert both[0].id == both[1].id
    assert len(await house.began("says")) == 1


async def test_nothing_begins_when_its_condition_is_false(house: House) -> None:
    trigger = await house.triggered(SAYS, **{"if": "payload.ok == true"})

    assert (await house.fire(trigger, {"ok": False})).status is FiringStatus.SKIPPED
    assert (await house.fire(trigger, {"ok": True})).status is FiringStatus.STARTED
    assert len(await house.began("says")) == 1


async def test_what_cannot_begin_is_dead_with_its_reason_and_can_be_replayed(house: House) -> None:
    trigger = await house.triggered(SAYS)

    dead = await house.fire(trigger, {"text": 5})

    assert dead.status is FiringStatus.DEAD
    assert "input 'text' must be text" in dead.reason
    assert await house.began("says") == []

    fixed = {**SAYS, "version": "2", "inputs": {"text": {"type": "integer"}}}
    await house.triggered(fixed)
    again = await house.desk.settled(await house.desk.replay(dead.id), 20)
    assert again.status is FiringStatus.STARTED
    with pytest.raises(NotPossible, match="nothing to replay"):
        await house.desk.replay(dead.id)


async def test_an_expression_that_fails_is_told(house: House) -> None:
    trigger = await house.triggered(SAYS, **{"with": {"text": "{{ payload.nobody.name }}"}})

    dead = await house.fire(trigger, {})

    assert dead.status is FiringStatus.DEAD
    assert "payload.nobody" in dead.reason


async def test_a_trigger_that_is_off_does_not_fire(house: House) -> None:
    trigger = await house.triggered(SAYS)
    off = await house.desk.enable(trigger.id, False)

    with pytest.raises(NotPossible, match="switched off"):
        await house.desk.fire(off, {})


async def test_a_chain_of_events_has_an_end(house: House) -> None:
    trigger = await house.triggered(SAYS)

    assert (await house.fire(trigger, {}, depth=8)).status is FiringStatus.STARTED
    cut = await house.fire(trigger, {}, depth=9)

    assert cut.status is FiringStatus.DROPPED
    assert "in a circle" in cut.reason


OVERLAPS = {
    "parallel": ("started", ["one", "two"]),
    "queue": ("waiting", ["one", "two"]),
    "reject": ("dropped", ["one"]),
    "replace": ("started", ["two"]),
    "merge": ("waiting", ["one", "two"]),
}


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("overlap", OVERLAPS)
async def test_a_second_firing_while_the_first_has_not_ended(
    house: House, overlap: str, restarted: bool
) -> None:
    becomes, completed = OVERLAPS[overlap]
    trigger = await house.triggered(WAITS, overlap=overlap)
    await house.fire(trigger, {"text": "one"})
    if restarted:
        await house.again()

    second = await house.fire(trigger, {"text": "two"})

    assert second.status == becomes
    if restarted:
        await house.again()
    await house.go("one")
    if second.status is FiringStatus.WAITING:
        second = await house.until(second, FiringStatus.STARTED)
    await house.go("two")
    for execution in await house.began("waits"):
        await house.app.wait(execution.id)
    done = await house.began("waits")
    said = [e.outputs["said"] for e in done if e.status is Status.COMPLETED]
    assert said == completed
    assert all(e.status in (Status.COMPLETED, Status.CANCELLED) for e in done)


async def test_those_that_wait_are_begun_in_order(house: House) -> None:
    trigger = await house.triggered(WAITS, overlap="queue")
    texts = [str(n) for n in range(5)]
    firings = [await house.fire(trigger, {"text": text}) for text in texts]

    for text, firing in zip(texts, firings, strict=True):
        await house.until(firing, FiringStatus.STARTED)
        running = [e for e in await house.began("waits") if not e.status.terminal]
        assert [e.inputs["text"] for e in running] == [text]
        await house.go(text)
        await house.app.wait(firing.execution_id)


async def test_other_keys_do_not_wait_for_each_other(house: House) -> None:
    trigger = await house.triggered(WAITS, overlap="queue", key="{{ payload.room }}")

    statuses = [
        (await house.fire(trigger, {"text": room, "room": room})).status for room in ("a", "b", "a")
    ]

    assert statuses == ["started", "started", "waiting"]


async def test_firings_that_wait_are_merged_into_one(house: House) -> None:
    trigger = await house.triggered(WAITS, overlap="merge")
    await house.fire(trigger, {"text": "one"})
    second = await house.fire(trigger, {"text": "two"})
    third = await house.fire(trigger, {"text": "three"})

    assert (third.status, third.into) == (FiringStatus.MERGED, second.id)
    await house.go("one")
    begun = await house.until(second, FiringStatus.STARTED)
    assert list(begun.merged) == [third.id]
    assert [e.inputs["text"] for e in await house.began("waits")] == ["one", "three"]


async def test_a_burst_begins_once_with_the_last(house: House) -> None:
    trigger = await house.triggered(SAYS, debounce="10s")
    began = house.desk.now()
    firings = []
    for n in range(5):
        house.desk.now = partial(float, began + n)
        firings.append(await house.fire(trigger, {"text": str(n)}))
    assert await house.began("says") == []

    house.desk.now = partial(float, began + 14)
    last = await house.until(firings[-1], FiringStatus.STARTED)

    assert (await house.app.wait(last.execution_id)).outputs == {"said": "4"}
    for firing in firings[:-1]:
        await house.until(firing, FiringStatus.MERGED)
    assert len(await house.began("says")) == 1


async def test_too_many_are_dropped(house: House) -> None:
    trigger = await house.triggered(SAYS, throttle={"limit": 2, "per": "1h"})

    statuses = [(await house.fire(trigger, {"text": "x"})).status for _ in range(3)]

    assert statuses == ["started", "started", "dropped"]


async def test_a_firing_that_nobody_saw_is_dealt_with_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, firing=False) as house:
        trigger = await house.triggered(SAYS)
        firing = await house.desk.fire(trigger, {"text": "x"})
    async with opened(tmp_path) as house:
        assert (await house.desk.settled(firing, 20)).status is FiringStatus.STARTED


async def test_a_death_after_the_beginning_begins_nothing_again(house: House) -> None:
    trigger = await house.triggered(SAYS)
    firing = await house.fire(trigger, {"text": "x"})
    await house.app.wait(firing.execution_id)

    # As if whoever began it had died before it could say so.
    unsaid = replace(
        firing, status=FiringStatus.PENDING, due=house.desk.now(), revision=firing.revision + 1
    )
    assert await house.desk.store.put_firing(unsaid)

    assert (await house.until(firing, FiringStatus.STARTED)).execution_id == firing.execution_id
    assert len(await house.began("says")) == 1


async def test_two_that_look_begin_each_firing_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, opened(tmp_path) as other:
        trigger = await house.triggered(SAYS)
        desks = [house.desk, other.desk]
        firings = await asyncio.gather(
            *(desks[n % 2].fire(trigger, {"text": str(n)}, id=str(n // 2)) for n in range(60))
        )
        for firing in firings:
            await house.until(firing, FiringStatus.STARTED)

        assert len({firing.execution_id for firing in firings}) == 30
        assert len(await house.began("says")) == 30


async def test_a_definition_brings_its_triggers_and_takes_them_away(house: House) -> None:
    await house.app.register({**SAYS, "triggers": [manual(), manual(id="b"), manual()]})
    await house.desk.enable("says.b", False)

    async def there() -> dict[str, bool]:
        page = await house.desk.store.triggers(workflow="says")
        return {trigger.id: trigger.enabled for trigger in page.items}

    assert await there() == {"says.b": False, "says.manual": True, "says.manual-3": True}

    changed = [manual(id="b", overlap="reject"), manual(id="c", enabled=False)]
    await house.app.register({**SAYS, "version": "2", "triggers": changed})
    assert await there() == {"says.b": False, "says.c": False}


async def test_of_versions_registered_at_once_the_newest_has_its_triggers(house: House) -> None:
    versions = [
        {**SAYS, "version": str(n), "triggers": [manual(id=f"t{n}"), manual(id="all")]}
        for n in range(8)
    ]

    await asyncio.gather(*(house.app.register(version) for version in versions))

    newest = (await house.desk.store.workflow("says"))["version"]
    there = (await house.desk.store.triggers(workflow="says")).items
    assert [trigger.id for trigger in there] == ["says.all", f"says.t{newest}"]


async def test_one_can_be_made_beside_those_of_the_definition(house: House) -> None:
    await house.app.register(SAYS)
    made = await house.desk.create("says", manual(id="mine", **{"with": {"text": "x"}}))

    firing = await house.fire(made, None)
    assert (await house.app.wait(firing.execution_id)).outputs == {"said": "x"}
    with pytest.raises(NotPossible, match="already"):
        await house.desk.create("says", manual(id="mine"))
    await house.desk.delete(made.id)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (manual(overlap="never"), "is not one of"),
        ({"type": "manul"}, "did you mean 'manual'"),
        ({}, "trigger:1:1: this trigger has no `type`"),
        (manual(**{"with": {"txt": "x"}}), "did you mean 'text'"),
        (manual(**{"if": "payload.x =="}), "ends too early"),
        (manual(**{"if": "inputs.text == ''"}), "is not known in a trigger"),
        (manual(key="{{ paylod.x }}"), "did you mean 'payload'"),
        (manual(debounce="soon"), "is not a duration"),
    ],
)
async def test_a_trigger_that_means_nothing_is_refused_with_its_place(
    house: House, document: dict[str, Any], says: str
) -> None:
    await house.app.register(SAYS)

    with pytest.raises(InvalidSpec) as refused:
        await house.desk.create("says", document)
    assert says in str(refused.value)
