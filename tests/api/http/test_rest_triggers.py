"""Triggers over REST: made, seen, switched, fired, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from assay.graphs.firing import Firing, FiringStatus

from .conftest import Served, issued

pytestmark = pytest.mark.anyio

SAYS = {
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


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """An editor before a server that fires triggers."""
    app = served.tenants.app()
    async with app.triggers.running(), served.client("editor") as client:
        assert (await client.post("/v1/workflows", json=SAYS)).status_code == 201
        yield client


async def settled(served: Served, firing: dict[str, Any]) -> dict[str, Any]:
    desk = served.tenants.app().triggers.desk
    kept = await desk.settled(await desk.store.firing(firing["id"]), 20)
    return {"status": kept.status, "execution": kept.execution_id, "reason": kept.reason}


async def test_a_definition_brings_its_triggers(http: httpx.AsyncClient) -> None:
    there = (await http.get("/v1/triggers", params={"workflow": "says"})).json()["items"]
    (clock,) = (await http.get("/v1/schedules", params={"count": 2})).json()["items"]

    assert [(t["id"], t["declared"], t["enabled"]) for t in there] == [
        ("says.cron", True, True),
        ("says.manual", True, True),
    ]
    assert {t["profile"] for t in there} == {"restricted"}
    assert clock["id"] == "says.cron"
    assert clock["says"] == "At 09:00 on Monday through Friday, Europe/Rome"
    assert len(clock["next"]) == 2
    assert clock["next_at"] == clock["next"][0]


async def test_one_fires_once_for_a_key(served: Served, http: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k"}
    fired = [
        await http.post("/v1/triggers/says.manual/fire", json={"payload": {"text": t}}, headers=key)
        for t in ("hi", "again")
    ]

    assert [answer.status_code for answer in fired] == [202, 202]
    first, again = (answer.json() for answer in fired)
    assert first["id"] == again["id"]
    came = await settled(served, first)
    assert came["status"] == "started"
    done = await served.tenants.app().wait(came["execution"])
    assert done.inputs == {"text": "hi"}
    assert done.profile == "restricted", "an editor began it"
    told = (await http.get(f"/v1/executions/{done.id}")).json()
    assert told["firing"] == first["id"]
    listed = (await http.get("/v1/firings", params={"trigger": "says.manual"})).json()["items"]
    assert [each["id"] for each in listed] == [first["id"]]


async def test_what_is_dead_can_be_replayed(served: Served, http: httpx.AsyncClient) -> None:
    body = {"payload": {"text": 5}}
    fired = (await http.post("/v1/triggers/says.manual/fire", json=body)).json()
    assert (await settled(served, fired))["status"] == "dead"

    dead = (await http.get("/v1/firings", params={"status": "dead"})).json()["items"]
    assert [each["id"] for each in dead] == [fired["id"]]
    assert "must be text" in dead[0]["reason"]
    again = await http.post(f"/v1/firings/{fired['id']}/replay")
    assert again.status_code == 202
    assert again.json()["execution_id"] != fired["execution_id"]


async def test_one_can_be_made_switched_off_and_deleted(http: httpx.AsyncClient) -> None:
    new = {"workflow": "says", "trigger": {"type": "manual", "id": "mine"}}
    made = await http.post("/v1/triggers", json=new)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/triggers/says.mine")
    assert (await http.post("/v1/triggers", json=new)).status_code == 409

    off = await http.patch("/v1/triggers/says.mine", json={"enabled": False})
    assert off.json()["enabled"] is False
    refused = await http.post("/v1/triggers/says.mine/fire", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
    assert (await http.delete("/v1/triggers/says.mine")).status_code == 204
    assert (await http.get("/v1/triggers/says.mine")).status_code == 404
    assert (await http.delete("/v1/triggers/says.manual")).status_code == 409


@pytest.mark.parametrize(
    ("trigger", "at"),
    [
        ({"type": "cron", "schedule": "0 0 31 2 *"}, "schedule"),
        ({"type": "manual", "with": {"txt": "x"}}, "with.txt"),
        ({"type": "nothing"}, "type"),
        ({}, ""),
    ],
)
async def test_one_that_means_nothing_is_refused_with_its_place(
    http: httpx.AsyncClient, trigger: dict[str, Any], at: str
) -> None:
    refused = await http.post("/v1/triggers", json={"workflow": "says", "trigger": trigger})

    assert refused.status_code == 422, refused.text
    assert at in [each["at"] for each in refused.json()["problems"]]


async def test_a_range_is_made_up_for_once(http: httpx.AsyncClient) -> None:
    week = {"start": "2026-11-16T00:00:00Z", "end": "2026-11-21T00:00:00Z"}
    both = [await http.post("/v1/schedules/says.cron/backfill", json=week) for _ in range(2)]

    assert [len(answer.json()) for answer in both] == [5, 5]
    first, again = ([each["id"] for each in answer.json()] for answer in both)
    assert first == again


async def test_who_is_scoped_sees_what_is_of_their_workflows(
    served: Served, http: httpx.AsyncClient
) -> None:
    secret = await issued(served.tenants, "", "editor", "other-*")
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as scoped:
        assert (await scoped.get("/v1/triggers")).json()["items"] == []
        hidden = await scoped.get("/v1/triggers/says.manual")
        nothing = await scoped.get("/v1/triggers/says.nothing")
    assert hidden.status_code == nothing.status_code == 404
    assert hidden.json()["detail"] == nothing.json()["detail"].replace("nothing", "manual")


async def test_what_an_admin_brings_is_bound_to_nothing(
    served: Served, http: httpx.AsyncClient
) -> None:
    async with served.client("admin") as admin:
        free = {**SAYS, "name": "free"}
        assert (await admin.post("/v1/workflows", json=free)).status_code == 201
        new = {"workflow": "says", "trigger": {"type": "manual", "id": "mine"}}
        made = (await admin.post("/v1/triggers", json=new)).json()
        there = (await admin.get("/v1/triggers", params={"workflow": "free"})).json()["items"]

    assert [t["profile"] for t in (made, *there)] == ["", "", ""]


async def test_a_firing_of_any_status_can_be_read(served: Served, http: httpx.AsyncClient) -> None:
    store = served.tenants.app().triggers.desk.store
    for number, status in enumerate(FiringStatus):
        id = f"f{number:031x}"
        at = f"2026-11-21T00:00:0{number}.000000Z"
        firing = Firing(id, "says.manual", "says", at, f"e{number}", status=status)
        assert await store.put_firing(firing)

    every = await http.get("/v1/firings", params={"trigger": "says.manual"})
    each = [await http.get("/v1/firings", params={"status": status}) for status in FiringStatus]

    assert every.status_code == 200, every.text
    assert {item["status"] for item in every.json()["items"]} == set(FiringStatus)
    assert [len(answer.json()["items"]) for answer in each] == [1] * len(FiringStatus)
