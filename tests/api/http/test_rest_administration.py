"""`/v1/keys`, `/v1/audit`, `/v1/cache`, `/v1/stats`: who may ask, who did what, how it goes."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from .conftest import Served

pytestmark = pytest.mark.anyio

GREET = {"name": "greet", "steps": [{"id": "hi", "type": "shell", "command": "echo hi"}]}


async def created(http: httpx.AsyncClient, **about: Any) -> dict[str, Any]:
    answer = await http.post("/v1/keys", json={"name": "ci", "role": "operator", **about})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def holding(served: Served, key: dict[str, Any]) -> httpx.AsyncClient:
    """Somebody with that key."""
    return httpx.AsyncClient(base_url=served.url, headers={"X-API-Key": key["secret"]})


async def test_a_key_is_told_once_and_lets_in_until_it_is_revoked(served: Served) -> None:
    async with served.client() as http:
        key = await created(http)
        listed = (await http.get("/v1/keys", params={"limit": 100})).text
        async with holding(served, key) as other:
            before = await other.get("/v1/workflows")
            revoked = await http.delete(f"/v1/keys/{key['id']}")
            with anyio.fail_after(60):
                # Whoever has been let in is, for two seconds, without another look.
                while (after := await other.get("/v1/workflows")).status_code == 200:  # noqa: ASYNC110
                    await anyio.sleep(0.1)
        again = await http.delete(f"/v1/keys/{key['id']}")

    assert key["id"] in listed
    assert key["secret"] not in listed
    assert (before.status_code, revoked.status_code) == (200, 204)
    assert (after.status_code, after.json()["code"]) == (401, "not_authenticated")
    assert again.status_code == 204


async def test_a_key_is_revoked_by_its_id_alone_and_stands_in_no_audit(served: Served) -> None:
    """Who gave the key itself believed that it was revoked, and everybody could read it there."""
    async with served.client() as http:
        key = await created(http)
        whole = await http.delete(f"/v1/keys/{key['secret']}")
        audit = (await http.get("/v1/audit")).text
        async with holding(served, key) as other:
            lets_in = await other.get("/v1/workflows")

    assert (whole.status_code, whole.json()["code"]) == (422, "invalid_input")
    assert "eight characters" in whole.json()["detail"]
    assert key["secret"] not in whole.text
    assert "keys.revoke" in audit
    assert key["secret"] not in audit
    assert lets_in.status_code == 200


async def test_a_key_expires(served: Served) -> None:
    async with served.client() as http:
        key = await created(http, expires_in=3600)

    assert key["expires_at"] > key["created_at"]


async def test_a_key_reaches_what_its_scopes_cover(served: Served) -> None:
    async with served.client() as http:
        key = await created(http, role="editor", scopes=["build-*"])
    async with holding(served, key) as scoped:
        refused = await scoped.post("/v1/workflows", json=GREET)
        done = await scoped.post("/v1/workflows", json={**GREET, "name": "build-it"})

    assert (refused.status_code, refused.json()["code"]) == (403, "not_authorized")
    assert "no scope of 'ci' covers the workflow 'greet'" in refused.json()["detail"]
    assert done.status_code == 201


@pytest.mark.parametrize(
    "about",
    [
        {"role": "king"},
        {"name": ""},
        {"name": " "},
        {"expires_in": 0},
        {"expires_in": "1"},
        {"scopes": [""]},
        {"scopes": "build-*"},
        {"secret": "mine"},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(served: Served, about: dict[str, Any]) -> None:
    async with served.client() as http:
        refused = await http.post("/v1/keys", json={"name": "ci", "role": "viewer", **about})

    assert refused.status_code == 422


async def test_every_change_and_what_was_not_allowed_is_in_the_audit(served: Served) -> None:
    async with served.client() as http, served.client("viewer") as viewer:
        await viewer.post("/v1/workflows", json=GREET)
        await http.post("/v1/workflows", json=GREET)
        begun = (await http.post("/v1/executions", json={"workflow": "greet"})).json()
        await http.post(f"/v1/executions/{begun['execution_id']}/stop", json={"reason": "enough"})
        told = (await http.get("/v1/audit")).json()["items"]
        of_one = (await http.get("/v1/audit", params={"target": begun["execution_id"]})).json()
        first = (await http.get("/v1/audit", params={"limit": 1})).json()
        second = (await http.get("/v1/audit", params={"limit": 1, "after": first["next"]})).json()

    assert [(each["action"], each["allowed"]) for each in told] == [
        ("executions.stop", True),
        ("executions.start", True),
        ("workflows.register", True),
        ("workflows.register", False),
    ]
    assert {each["data"]["surface"] for each in told} == {"rest"}
    assert told[0]["principal"] == served.keys["admin"].split("_")[1]
    assert told[3]["principal"] == served.keys["viewer"].split("_")[1]
    assert told[3]["rule"] == "workflows.register needs the role editor; this is 'viewer'"
    assert of_one["items"] == told[:1]
    assert [*first["items"], *second["items"]] == told[:2]


async def test_cached_results_are_forgotten(served: Served) -> None:
    step = {
        "id": "hi",
        "type": "shell",
        "command": "echo x >> ran",
        "cache": {"key": "k", "ttl": "1h"},
    }
    async with served.client() as http:
        await http.post("/v1/workflows", json={"name": "w", "steps": [step]})
        for _ in range(2):
            begun = (await http.post("/v1/executions", json={"workflow": "w"})).json()
            await served.tenants.app().wait(begun["execution_id"])
        other = await http.post("/v1/cache/invalidate", json={"prefix": "nothing"})
        gone = await http.post("/v1/cache/invalidate", json={})

    assert (other.json(), gone.json()) == ({"deleted": 0}, {"deleted": 1})


async def test_figures_are_those_of_the_process(served: Served) -> None:
    async with served.client("viewer") as http:
        told = (await http.get("/v1/stats")).json()

    assert told == {**told, "running": 0, "taken": 0, "draining": False}
    assert set(told) == {"worker", "running", "taken", "draining"}


async def test_metrics_are_for_who_may_read_them(served: Served) -> None:
    async with served.client("viewer") as http, served.client(None) as nobody:
        told = await http.get("/metrics")
        refused = await nobody.get("/metrics")
        other = await http.get("/metrics", headers={"Authorization": "", "X-API-Key": ""})
    async with served.client("other admin") as tenant:
        foreign = await tenant.get("/metrics")

    assert told.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "assay_executions_running 0\n" in told.text
    assert 'assay_http_request_seconds_bucket{le="+Inf"}' in told.text
    assert (refused.status_code, other.status_code, foreign.status_code) == (401, 401, 403)
