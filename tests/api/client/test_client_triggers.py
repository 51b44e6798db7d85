"""What a client asks of triggers: made, fired, settled, replayed; and when the clock fires."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.api.http.conftest import Served

from assay import Client
from assay.graphs import errors
from assay.graphs.execution import Status
from assay.graphs.firing import FiringStatus

pytestmark = pytest.mark.anyio

SAYS = {
    "name": "says",
    "inputs": {"text": {"type": "string", "default": ""}},
    "outputs": {"said": {"value": "{{ say.output }}"}},
    "steps": [
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "{{ inputs.text }}"}}
    ],
    "triggers": [
        {"type": "manual"},
        {"type": "cron", "schedule": "0 9 * * MON-FRI", "timezone": "Europe/Rome"},
    ],
}


@pytest.fixture
async def there(served: Served, client: Client) -> AsyncIterator[Client]:
    """Of an admin, before a server that fires triggers."""
    async with served.tenants.app().triggers.running():
        await client.register(SAYS)
        yield client


async def test_one_is_fired_and_its_execution_waited_for(there: Client) -> None:
    both = [await there.fire_trigger("says.manual", {"text": "hi"}, key="k") for _ in range(2)]
    settled = await there.settled(both[0])
    execution = await there.wait(settled.execution_id)

    assert both[0].id == both[1].id
    assert settled.status is FiringStatus.STARTED
    assert (execution.status, execution.outputs) == (Status.COMPLETED, {"said": "hi"})
    assert [each.id async for each in there.firings(trigger="says.manual")] == [settled.id]
    with pytest.raises(errors.NotPossible):
        await there.replay_firing(settled.id)


async def test_what_is_dead_is_tried_again(there: Client) -> None:
    dead = await there.settled(await there.fire_trigger("says.manual", {"text": 1}))
    again = await there.replay_firing(dead.id)

    assert dead.status is FiringStatus.DEAD
    assert "must be text" in dead.reason
    assert (again.id, again.payload) == (dead.id, {"text": 1})
    assert again.execution_id != dead.execution_id


async def test_one_is_made_switched_off_and_deleted(there: Client) -> None:
    made = await there.create_trigger("says", {"type": "manual", "id": "mine"})
    off = await there.set_trigger_enabled(made.id, False)

    assert (made.id, made.declared, off.enabled) == ("says.mine", False, False)
    assert (await there.trigger(made.id)).enabled is False
    with pytest.raises(errors.NotPossible, match="switched off"):
        await there.fire_trigger(made.id)
    with pytest.raises(errors.InvalidSpec):
        await there.create_trigger("says", {"type": "manual", "with": {"txt": "x"}})
    await there.delete_trigger(made.id)
    with pytest.raises(errors.TriggerNotFound):
        await there.trigger(made.id)
    assert [t.id async for t in there.triggers(workflow="says")] == ["says.cron", "says.manual"]


async def test_the_clock_says_when_and_a_range_is_made_up_for(there: Client) -> None:
    (clock,) = [each async for each in there.schedules(count=2)]
    week = [datetime(2026, 11, day, tzinfo=UTC) for day in (16, 21)]
    fired = await there.backfill(clock.trigger.id, *week)

    assert clock.says == "At 09:00 on Monday through Friday, Europe/Rome"
    assert clock.trigger.next_at == clock.next[0] < clock.next[1]
    assert len({each.id for each in fired}) == 5
    assert [each.id for each in await there.backfill(clock.trigger.id, *week)] == [
        each.id for each in fired
    ]
