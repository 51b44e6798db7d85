"""Triggers over GraphQL: made, seen, switched, fired, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.http.conftest import issued

from .conftest import Graph
from .test_mutations import did

pytestmark = pytest.mark.anyio

SAYS: dict[str, Any] = {
    "name": "says",
    "inputs": {"text": {"type": "string", "default": ""}},
    "steps": [
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "{{ inputs.text }}"}}
    ],
    "triggers": [
        {"type": "manual"},
        {"type": "cron", "schedule": "0 9 * * MON-FRI", "timezone": "Europe/Rome"},
    ],
}
REGISTER = """mutation ($d: JSON!) { did: registerWorkflow(definition: {document: $d}) {
  __typename } }"""
CREATE = """mutation ($t: JSON!, $w: String! = "says") {
  did: createTrigger(workflow: $w, trigger: $t) { __typename
  ... on TriggerCreated { trigger { id type declared enabled by profile document createdAt } }
  ... on Problem { code message } ... on InvalidSpecProblem { problems { path message } } } }"""
DELETE = """mutation ($id: ID!) { did: deleteTrigger(id: $id) { __typename
  ... on TriggerDeleted { id } ... on Problem { code } } }"""
SWITCH = """mutation ($id: ID!, $on: Boolean!) { did: setTriggerEnabled(id: $id, enabled: $on) {
  __typename ... on TriggerChanged { trigger { id enabled } } ... on Problem { code } } }"""
CLOCK = """mutation ($id: ID!, $on: Boolean!) { did: setScheduleEnabled(id: $id, enabled: $on) {
  __typename ... on ScheduleChanged { schedule { next says trigger { enabled nextAt } } }
  ... on Problem { code message } } }"""
FIRE = """mutation ($id: ID! = "says.manual", $payload: JSON, $attributes: JSON, $key: String) {
  did: fireTrigger(id: $id, payload: $payload, attributes: $attributes, key: $key) { __typename
  ... on TriggerFired { firing { id status payload attributes by executionId trigger { id } } }
  ... on Problem { code message } } }"""
REPLAY = """mutation ($id: ID!) { did: replayFiring(id: $id) { __typename
  ... on TriggerFired { firing { id status executionId } } ... on Problem { code } } }"""
BACKFILL = """mutation ($id: ID! = "says.cron", $start: DateTime!, $end: DateTime!) {
  did: backfillSchedule(id: $id, start: $start, end: $end) { __typename
  ... on ScheduleBackfilled { count firings { id } } ... on Problem { code message } } }"""
NOWHERE = "f" + "0" * 31


@pytest.fixture
async def graph(graph: Graph) -> AsyncIterator[Graph]:
    """A server that fires triggers, with the workflow of an editor."""
    async with graph.served.tenants.app().triggers.running():
        await graph.ask(REGISTER, "editor", d=SAYS)
        yield graph


@pytest.fixture(scope="module")
async def unmoved(still: Graph) -> Graph:
    """The same workflow, on a server of which nothing is asked that it does."""
    await still.ask(REGISTER, "editor", d=SAYS)
    return still


async def settled(graph: Graph, id: str) -> Any:
    """A firing when something has come of it."""
    desk = graph.served.tenants.app().triggers.desk
    await desk.settled(await desk.store.firing(id), 20)
    query = """query ($id: ID!) { firing(id: $id) { id status reason into workflowName attempts
      trigger { id type } execution { id inputs firing { id } trigger { id } } } }"""
    return (await graph.ask(query, "viewer", id=id))["firing"]


async def test_a_workflow_shows_what_starts_it(graph: Graph) -> None:
    found = await graph.ask(
        """{ workflow(name: "says") { triggers { id type declared profile enabled } }
             triggers(workflow: "says") { nodes { id } }
             clocks: triggers(type: "cron") { nodes { id nextAt } }
             trigger(id: "says.cron") { workflowName version document firings { id } }
             schedules(count: 2) { nodes { next says trigger { id nextAt } } } }""",
        "viewer",
    )
    plain = {"declared": True, "profile": "RESTRICTED", "enabled": True}
    assert found["workflow"]["triggers"] == [
        {"id": "says.cron", "type": "cron", **plain},
        {"id": "says.manual", "type": "manual", **plain},
    ]
    assert [t["id"] for t in found["triggers"]["nodes"]] == ["says.cron", "says.manual"]
    assert [t["id"] for t in found["clocks"]["nodes"]] == ["says.cron"]
    assert found["trigger"]["document"] == SAYS["triggers"][1]
    assert found["trigger"]["firings"] == []
    (clock,) = found["schedules"]["nodes"]
    assert clock["says"] == "At 09:00 on Monday through Friday, Europe/Rome"
    assert len(clock["next"]) == 2
    assert clock["trigger"]["nextAt"] == clock["next"][0]


async def test_one_fires_once_for_a_key_and_shows_its_execution(graph: Graph) -> None:
    fired = [
        await did(graph, FIRE, "operator", payload={"text": text}, attributes={"a": "b"}, key="k")
        for text in ("hi", "again")
    ]
    first, again = (each["firing"] for each in fired)
    assert first["id"] == again["id"]
    assert (first["payload"], first["attributes"]) == ({"text": "hi"}, {"a": "b"})
    assert first["trigger"] == {"id": "says.manual"}
    came = await settled(graph, first["id"])
    assert came["status"] == "STARTED"
    assert came["execution"] == {
        "id": first["executionId"],
        "inputs": {"text": "hi"},
        "firing": {"id": first["id"]},
        "trigger": {"id": "says.manual"},
    }
    listed = await graph.ask(
        """{ firings(trigger: "says.manual") { nodes { id } }
             none: firings(status: DEAD) { nodes { id } }
             trigger(id: "says.manual") { firings { id } } }"""
    )
    assert listed == {
        "firings": {"nodes": [{"id": first["id"]}]},
        "none": {"nodes": []},
        "trigger": {"firings": [{"id": first["id"]}]},
    }


async def test_what_nobody_fired_has_no_firing(graph: Graph) -> None:
    id = await graph.run(SAYS)
    found = await graph.ask(
        f'{{ execution(id: "{id}") {{ firingId firing {{ id }} trigger {{ id }} }} }}'
    )
    assert found["execution"] == {"firingId": None, "firing": None, "trigger": None}


async def test_what_is_dead_can_be_replayed(graph: Graph) -> None:
    fired = (await did(graph, FIRE, payload={"text": 5}))["firing"]
    dead = await settled(graph, fired["id"])
    assert (dead["status"], dead["execution"]) == ("DEAD", None)
    assert "must be text" in dead["reason"]
    again = (await did(graph, REPLAY, "operator", id=fired["id"]))["firing"]
    assert again["id"] == fired["id"]
    assert again["executionId"] != fired["executionId"]
    started = (await did(graph, FIRE, payload={"text": "hi"}))["firing"]
    await settled(graph, started["id"])
    assert (await did(graph, REPLAY, id=started["id"]))["code"] == "not_possible"
    assert (await did(graph, REPLAY, id=NOWHERE))["code"] == "firing_not_found"


async def test_one_can_be_made_switched_off_and_deleted(graph: Graph) -> None:
    mine = {"type": "manual", "id": "mine"}
    made = (await did(graph, CREATE, "editor", t=mine))["trigger"]
    assert made.pop("by")
    assert made.pop("createdAt")
    assert made == {
        "id": "says.mine",
        "type": "manual",
        "declared": False,
        "enabled": True,
        "profile": "RESTRICTED",
        "document": mine,
    }
    assert (await did(graph, CREATE, t=mine))["code"] == "not_possible"
    off = await did(graph, SWITCH, "operator", id="says.mine", on=False)
    assert off["trigger"] == {"id": "says.mine", "enabled": False}
    assert (await did(graph, FIRE, id="says.mine"))["code"] == "not_possible"
    assert (await did(graph, DELETE, "editor", id="says.mine"))["id"] == "says.mine"
    assert (await did(graph, DELETE, id="says.mine"))["code"] == "trigger_not_found"
    assert (await did(graph, DELETE, id="says.manual"))["code"] == "not_possible"


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        ({"type": "cron", "schedule": "0 0 31 2 *"}, ["schedule"]),
        ({"type": "manual", "with": {"txt": "x"}}, ["with", "txt"]),
        ({"type": "nothing"}, ["type"]),
        ({}, []),
    ],
)
async def test_one_that_means_nothing_is_refused_with_its_place(
    unmoved: Graph, trigger: Any, path: list[str]
) -> None:
    refused = await did(unmoved, CREATE, t=trigger)
    assert refused["__typename"] == "InvalidSpecProblem", refused
    assert path in [each["path"] for each in refused["problems"]]


async def test_a_schedule_that_is_switched_off_is_never_due(graph: Graph) -> None:
    off = (await did(graph, CLOCK, "operator", id="says.cron", on=False))["schedule"]
    assert (off["next"], off["trigger"]) == ([], {"enabled": False, "nextAt": None})
    assert off["says"].startswith("At 09:00")
    on = (await did(graph, CLOCK, "operator", id="says.cron", on=True))["schedule"]
    assert len(on["next"]) == 5
    assert on["trigger"] == {"enabled": True, "nextAt": on["next"][0]}
    other = await did(graph, CLOCK, id="says.manual", on=False)
    assert other["code"] == "not_possible"
    assert "manual trigger" in other["message"]


async def test_what_nobody_can_read_any_more_is_told_and_can_be_switched_off(graph: Graph) -> None:
    await graph.register({**SAYS, "name": "gone"})
    clock = {"type": "cron", "id": "mine", "schedule": "0 9 * * *"}
    assert (await did(graph, CREATE, t=clock, w="gone"))["trigger"]
    await graph.ask('mutation { deleteWorkflow(name: "gone") { __typename } }')
    found = await graph.ask("{ schedules { nodes { next says trigger { id } } } }")
    gone = found["schedules"]["nodes"][0]
    assert (gone["trigger"]["id"], gone["next"]) == ("gone.mine", [])
    assert "'gone'" in gone["says"]
    assert (await did(graph, SWITCH, id="gone.mine", on=False))["trigger"]["enabled"] is False
    assert (await did(graph, SWITCH, id="gone.mine", on=True))["code"] == "workflow_not_found"


async def test_a_range_is_made_up_for_once(graph: Graph) -> None:
    week = {"start": "2026-03-02T00:00:00Z", "end": "2026-04-04T00:00:00+02:00"}
    both = [await did(graph, BACKFILL, "operator", **week) for _ in range(2)]
    assert [(each["count"], len(each["firings"])) for each in both] == [(25, 20)] * 2
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"start": "yesterday"}, "invalid_input"),
        ({"start": 5}, "invalid_input"),
        ({"start": {"a": 1}}, "invalid_input"),
        ({"start": "2026-03-02"}, "invalid_input"),
        ({"start": "0001-01-01T00:00:00Z"}, "invalid_input"),
        ({"end": "9999-12-31T23:59:59-12:00"}, "invalid_input"),
        ({"end": "2025-03-02T00:00:00Z"}, "invalid_input"),
        ({"id": "says.manual"}, "not_possible"),
        ({"id": "says.nothing"}, "trigger_not_found"),
    ],
)
async def test_what_cannot_be_made_up_for_says_why(unmoved: Graph, given: Any, code: str) -> None:
    week = {"start": "1990-01-01T00:00:00Z", "end": "2026-03-09T00:00:00Z"}
    told = await did(unmoved, BACKFILL, **{**week, **given})
    assert told["code"] == code, told


@pytest.mark.parametrize(
    "given",
    [
        {"key": ""},
        {"key": "a b"},
        {"key": "x" * 201},
        {"attributes": ["a"]},
        {"attributes": {"a": 1}},
        {"attributes": {f"a{n}": "" for n in range(101)}},
        {"payload": "x" * 600_000},
    ],
    ids=str,
)
async def test_what_nothing_can_be_fired_with_is_refused(unmoved: Graph, given: Any) -> None:
    assert (await did(unmoved, FIRE, **given))["code"] == "invalid_input"
    assert (await unmoved.ask("{ firings { nodes { id } } }"))["firings"]["nodes"] == []


@pytest.mark.parametrize("count", [0, -1, 101])
async def test_as_many_due_times_are_told_as_fit(unmoved: Graph, count: int) -> None:
    body = await unmoved.post(f"{{ schedules(count: {count}) {{ nodes {{ says }} }} }}")
    assert body["errors"][0]["extensions"]["code"] == "invalid_input"


async def test_who_is_scoped_sees_what_is_of_their_workflows(graph: Graph) -> None:
    fired = (await did(graph, FIRE))["firing"]
    await settled(graph, fired["id"])
    keys: Any = graph.served.keys
    keys["scoped"] = await issued(graph.served.tenants, "", "editor", "other-*")
    found = await graph.ask(
        """{ triggers { nodes { id } } schedules { nodes { says } } firings { nodes { id } } }""",
        "scoped",
    )
    assert [each["nodes"] for each in found.values()] == [[], [], []]
    for field in ('trigger(id: "says.manual") { id }', f'firing(id: "{fired["id"]}") {{ id }}'):
        body = await graph.post(f"{{ {field} }}", "scoped")
        assert body["errors"][0]["extensions"]["code"].endswith("_not_found")
    for mutation, given in (
        (FIRE, {}),
        (DELETE, {"id": "says.manual"}),
        (SWITCH, {"id": "says.manual", "on": False}),
        (CLOCK, {"id": "says.cron", "on": False}),
        (REPLAY, {"id": fired["id"]}),
    ):
        assert (await did(graph, mutation, "scoped", **given))["__typename"] == "NotFoundProblem"
