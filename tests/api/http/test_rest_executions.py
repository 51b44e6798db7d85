"""Executions over REST: begun once, read, steered, begun again, deleted; questions and files."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from assay.graphs.execution import Status

from .conftest import Served, issued

pytestmark = pytest.mark.anyio

SHELL = {"id": "hi", "type": "shell", "command": "echo hi"}
ASK = {"id": "ask", "type": "approval", "message": "Go on?"}
NOBODY = "0190b6c1-8f3e-7c4a-9d21-6f1b2c3d4e5f"


async def begun(http: httpx.AsyncClient, *steps: dict[str, Any], name: str = "w") -> str:
    """An execution of a new workflow; its id."""
    new = await http.post("/v1/workflows", json={"name": name, "steps": list(steps)})
    assert new.status_code == 201, new.text
    started = await http.post("/v1/executions", json={"workflow": name})
    assert started.status_code == 201, started.text
    id: str = started.json()["execution_id"]
    return id


async def ended(served: Served, id: str, tenant: str = "") -> None:
    await served.tenants.app(tenant).manager.wait(id)


async def asked(served: Served, http: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """The question that the execution asks, as soon as it does."""
    await served.tenants.app().manager.wait(id, until=(Status.WAITING,))
    (question,) = (await http.get("/v1/questions", params={"execution": id})).json()["items"]
    return dict(question)


async def test_an_execution_is_begun_followed_and_read(served: Served) -> None:
    async with served.client() as http:
        id = await begun(http, SHELL)
        await ended(served, id)
        state = (await http.get(f"/v1/executions/{id}")).json()
        steps = (await http.get(f"/v1/executions/{id}/steps")).json()
        events = (await http.get(f"/v1/executions/{id}/events")).json()

    assert state["status"] == "completed"
    assert state["steps"] == steps
    assert steps["hi"]["output"] == "hi"
    assert [each["seq"] for each in events["items"]] == list(range(1, len(events["items"]) + 1))
    assert events["items"][-1]["type"] == "ExecutionCompleted"
    assert events["next"] is None


async def test_events_come_in_pages(served: Served) -> None:
    async with served.client() as http:
        id = await begun(http, SHELL)
        await ended(served, id)
        whole = (await http.get(f"/v1/executions/{id}/events")).json()["items"]
        seen, query = [], {"limit": "2"}
        while True:
            page = (await http.get(f"/v1/executions/{id}/events", params=query)).json()
            assert len(page["items"]) <= 2
            seen += page["items"]
            if page["next"] is None:
                break
            query["after"] = page["next"]

    assert seen == whole


async def test_a_key_begins_once_however_many_ask_at_once(served: Served) -> None:
    async with served.client() as http:
        await http.post("/v1/workflows", json={"name": "w", "steps": [SHELL]})
        answers = await asyncio.gather(*(_with_key(http, "k") for _ in range(20)))
        later = await _with_key(http, "k")
        other = await _with_key(http, "another")
        there = (await http.get("/v1/executions")).json()["items"]

    ids = {each.json()["execution_id"] for each in (*answers, later)}
    replayed = [each.headers.get("Idempotency-Replayed") for each in answers]
    assert {each.status_code for each in answers} == {201}
    assert len(ids) == 1
    assert replayed.count(None) == 1
    assert later.headers["Idempotency-Replayed"] == "true"
    assert {each["execution_id"] for each in there} == {*ids, other.json()["execution_id"]}


async def test_a_key_begins_nothing_else(served: Served) -> None:
    async with served.client() as http:
        await http.post("/v1/workflows", json={"name": "w", "steps": [SHELL]})
        await _with_key(http, "k")
        refused = await _with_key(http, "k", priority=1)

    assert refused.status_code == 422
    assert "another key" in refused.json()["detail"]


async def test_a_key_is_its_askers_own(served: Served) -> None:
    async with served.client() as one, served.client("operator") as other:
        await one.post("/v1/workflows", json={"name": "w", "steps": [SHELL]})
        mine, yours = await _with_key(one, "k"), await _with_key(other, "k")

    assert mine.json()["execution_id"] != yours.json()["execution_id"]


async def test_what_was_refused_with_a_key_is_refused_again(served: Served) -> None:
    async with served.client() as http:
        await http.post("/v1/workflows", json={"name": "w", "steps": [SHELL]})
        answers = [await _with_key(http, "k", inputs={"x": 1}) for _ in range(2)]

    assert [each.status_code for each in answers] == [422, 422]


async def _with_key(http: httpx.AsyncClient, key: str, **more: Any) -> httpx.Response:
    body = {"workflow": "w", **more}
    return await http.post("/v1/executions", json=body, headers={"Idempotency-Key": key})


async def test_executions_are_filtered_and_come_in_pages(served: Served) -> None:
    async with served.client() as http:
        ids = [await begun(http, SHELL, name=name) for name in ("a", "b", "b")]
        for id in ids:
            await ended(served, id)
        seen, query = [], {"workflow": "b", "status": "completed", "limit": "1"}
        while True:
            page = (await http.get("/v1/executions", params=query)).json()
            seen += [each["execution_id"] for each in page["items"]]
            if page["next"] is None:
                break
            query["after"] = page["next"]
        none = (await http.get("/v1/executions?status=failed")).json()["items"]
        wrong = await http.get("/v1/executions?status=x")

    assert seen == [ids[2], ids[1]]
    assert none == []
    assert wrong.status_code == 422


async def test_nothing_is_approved_by_leaving_the_verdict_out(served: Served) -> None:
    wants = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with served.client() as http:
        plain = await asked(served, http, await begun(http, ASK))
        id = await begun(http, {**ASK, "schema": wants}, name="with-a-value")
        shaped = await asked(served, http, id)
        left_out = [
            await http.post(f"/v1/questions/{each['id']}/answer", json=said)
            for each in (plain, shaped)
            for said in ({}, {"comment": "Never!"}, {"approved": None, "value": None})
        ]
        still = (await http.get(f"/v1/questions/{plain['id']}")).json()
        valued = await http.post(f"/v1/questions/{shaped['id']}/answer", json={"value": {"n": 1}})

    assert {each.status_code for each in left_out} == {422}
    assert all("say `approved`, true or false" in each.json()["detail"] for each in left_out)
    assert (still["status"], still["votes"]) == ("open", [])
    assert valued.json()["answer"]["value"] == {"n": 1}


async def test_a_question_is_answered_and_the_execution_goes_on(served: Served) -> None:
    async with served.client() as http:
        id = await begun(http, ASK)
        question = await asked(served, http, id)
        place = f"/v1/questions/{question['id']}"
        answered = await http.post(f"{place}/answer", json={"approved": True, "comment": "Yes."})
        await ended(served, id)
        late = await http.post(f"{place}/answer", json={"approved": False})
        kept = (await http.get(place)).json()
        lost = await http.get("/v1/questions/q0123456789012345678")

    assert (question["execution_id"], question["message"]) == (id, "Go on?")
    assert answered.status_code == 200
    assert (kept["status"], kept["answer"]["by"]) == ("answered", "the admin")
    assert (late.status_code, late.json()["code"]) == (409, "question_closed")
    assert lost.status_code == 404


async def test_an_execution_is_paused_resumed_and_stopped(served: Served) -> None:
    async with served.client() as http:
        id = await begun(http, ASK)
        await asked(served, http, id)
        early = await http.delete(f"/v1/executions/{id}")
        paused = await http.post(f"/v1/executions/{id}/pause")
        resumed = await http.post(f"/v1/executions/{id}/resume")
        stopped = await http.post(f"/v1/executions/{id}/stop", json={"reason": "Enough."})
        again = await http.post(f"/v1/executions/{id}/resume")
        gone = await http.delete(f"/v1/executions/{id}")
        after = await http.get(f"/v1/executions/{id}")

    assert [paused.status_code, resumed.status_code] == [200, 200]
    assert stopped.json()["status"] == "cancelled"
    assert [early.status_code, again.status_code] == [409, 409]
    assert [gone.status_code, after.status_code] == [204, 404]


async def test_what_failed_is_tried_again_and_what_that_means_is_said_first(
    served: Served,
) -> None:
    async with served.client() as http:
        id = await begun(http, SHELL, {"id": "bad", "type": "shell", "command": "exit 3"})
        await ended(served, id)
        plan = (await http.get(f"/v1/executions/{id}/fork")).json()
        retried = await http.post(f"/v1/executions/{id}/retry")
        forked = await http.post(f"/v1/executions/{id}/fork", json={"path": "hi"})
        nowhere = await http.post(f"/v1/executions/{id}/fork", json={"path": "no"})

    assert plan["kept"] == 1
    assert [each["path"] for each in plan["again"]] == ["bad"]
    assert retried.json()["origin"] == {"execution_id": id, "path": None, "how": "retry"}
    assert forked.headers["Location"] == f"/v1/executions/{forked.json()['execution_id']}"
    assert nowhere.status_code == 422


async def test_an_event_is_sent_to_whoever_waits(served: Served) -> None:
    async with served.client() as http:
        id = await begun(http, {"id": "wait", "type": "wait_event", "event": "paid"})
        await asked(served, http, id)
        sent = await http.post("/v1/events", json={"name": "paid", "payload": {"sum": 3}})
        await ended(served, id)

    assert sent.json() == {"told": [id]}


async def test_a_cloud_event_is_an_event(served: Served) -> None:
    wait = {"id": "wait", "type": "wait_event", "event": "paid", "key": "7"}
    said = {"specversion": "1.0", "type": "paid", "source": "/shop", "id": "1", "subject": "7"}
    kind = {"Content-Type": "application/cloudevents+json"}
    async with served.client() as http:
        id = await begun(http, wait)
        await asked(served, http, id)
        body = json.dumps({**said, "data": {"sum": 3}})
        sent = [await http.post("/v1/events", content=body, headers=kind) for _ in range(2)]
        await ended(served, id)
        step = (await http.get(f"/v1/executions/{id}")).json()["steps"]["wait"]
        bad = await http.post("/v1/events", json={"specversion": "1.0", "type": "paid"})
        huge = await http.post("/v1/events", json={**said, "id": "2", "more": 2**70})

    assert [each.json() for each in sent] == [{"told": [id]}, {"told": []}]
    assert step["output"] == {"sum": 3}
    assert bad.status_code == 422
    assert "`source`" in bad.text
    assert huge.status_code in (200, 422)


async def test_a_file_that_a_step_kept_is_saved_and_never_shown(served: Served) -> None:
    text = "<script>alert(1)</script>"
    step = {
        "id": "make",
        "type": "shell",
        "command": f"printf '%s' '{text}' > page.html",
        "artifacts": {"page": "page.html"},
    }
    async with served.client() as http:
        id = await begun(http, step)
        await ended(served, id)
        (kept,) = (await http.get(f"/v1/executions/{id}/artifacts")).json()["items"]
        place = f"/v1/executions/{id}/artifacts/{kept['sha256']}"
        found = await http.get(place)
        again = await http.get(place, headers={"If-None-Match": found.headers["ETag"]})
        lost = await http.get(f"/v1/executions/{id}/artifacts/{'0' * 64}")

    assert found.text == text
    assert found.headers["Content-Type"] == "application/octet-stream"
    assert found.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.html"
    assert again.status_code == 304
    assert (lost.status_code, lost.json()["code"]) == (404, "artifact_not_found")


async def test_a_part_of_a_file_is_sent_to_who_asks_for_it(served: Served) -> None:
    """Also of one whose name would end the header that holds it."""
    step = {
        "id": "make",
        "type": "shell",
        "command": "printf 0123456789 > 'a\"b; ü\u2028.txt'",
        "artifacts": {"digits": 'a"b; ü\u2028.txt'},
    }
    async with served.client() as http:
        id = await begun(http, step)
        await ended(served, id)
        (kept,) = (await http.get(f"/v1/executions/{id}/artifacts")).json()["items"]
        place = f"/v1/executions/{id}/artifacts/{kept['sha256']}"
        part = await http.get(place, headers={"Range": "bytes=2-4"})
        end = await http.get(place, headers={"Range": "bytes=-3"})
        beyond = [
            await http.get(place, headers={"Range": f"bytes={each}"})
            for each in ("10-", "20-30", "5-4", "-0")
        ]
        odd = [
            await http.get(place, headers={"Range": each})
            for each in ("bytes=", "lines=1-2", "bytes=0-1,3-4", f"bytes={'9' * 30}-", "bytes=a-b")
        ]
        whole = await http.get(place, headers={"Range": "bytes=2-4", "If-Range": '"other"'})

    assert (part.status_code, part.text) == (206, "234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"
    assert part.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''a%22b%3B%20%C3%BC%E2%80%A8.txt"
    )
    assert end.text == "789"
    assert {(each.status_code, each.json()["code"]) for each in beyond} == {(416, "no_such_part")}
    assert beyond[0].headers["Content-Range"] == "bytes */10"
    assert {(each.status_code, each.text) for each in odd} == {(200, "0123456789")}
    assert (whole.status_code, whole.text) == (200, "0123456789")


async def test_slots_say_who_holds_what(served: Served) -> None:
    document = {"name": "w", "concurrency": {"key": "k"}, "steps": [ASK]}
    async with served.client() as http:
        await http.post("/v1/workflows", json=document)
        ids = [
            (await http.post("/v1/executions", json={"workflow": "w"})).json()["execution_id"]
            for _ in range(2)
        ]
        slots = (await http.get("/v1/slots?key=k")).json()

    assert [(each["execution_id"], each["held"]) for each in slots] == [
        (ids[0], True),
        (ids[1], False),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", p) for p in ("", "/steps", "/events", "/fork", "/artifacts")),
        *(("POST", p) for p in ("/stop", "/pause", "/resume", "/retry")),
        ("DELETE", ""),
    ],
)
async def test_what_is_not_there_or_another_tenants_is_not_found(
    served: Served, method: str, path: str
) -> None:
    async with served.client() as mine, served.client("other admin") as http:
        id = await begun(mine, ASK)
        foreign = await http.request(method, f"/v1/executions/{id}{path}")
        nobody = await mine.request(method, f"/v1/executions/{NOBODY}{path}")

    assert [foreign.status_code, nobody.status_code] == [404, 404]
    assert foreign.json()["code"] == "execution_not_found"


async def test_whose_scopes_do_not_cover_a_workflow_sees_nothing_of_it(served: Served) -> None:
    key = await issued(served.tenants, "", "operator", "b*")
    async with served.client() as admin:
        hidden, seen = await begun(admin, ASK, name="a"), await begun(admin, ASK, name="b")
        async with httpx.AsyncClient(base_url=served.url, headers={"X-API-Key": key}) as http:
            listed = (await http.get("/v1/executions")).json()["items"]
            there, gone = [await http.get(f"/v1/executions/{id}") for id in (seen, hidden)]
            started = await http.post("/v1/executions", json={"workflow": "a"})
            begin = await http.get(f"/v1/executions/{hidden[:8]}")

    assert [each["execution_id"] for each in listed] == [seen]
    assert [there.status_code, gone.status_code, started.status_code] == [200, 404, 404]
    assert begin.status_code == 422


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "body.workflow"),
        ({"workflow": "w", "extra": 1}, "body.extra"),
        ({"workflow": "w", "inputs": []}, "body.inputs"),
        ({"workflow": "w", "priority": "high"}, "body.priority"),
    ],
)
async def test_what_does_not_fit_is_named_with_its_place(
    served: Served, body: dict[str, Any], at: str
) -> None:
    async with served.client() as http:
        refused = await http.post("/v1/executions", json=body)

    assert refused.status_code == 422
    assert [each["at"] for each in refused.json()["problems"]] == [at]


@pytest.mark.parametrize("text", ['{"workflow": NaN}', '{"workflow": "\\ud800"}', "{", "\xff"])
async def test_what_is_no_json_is_refused(served: Served, text: str) -> None:
    async with served.client() as http:
        refused = await http.post(
            "/v1/executions",
            content=text.encode("latin-1"),
            headers={"Content-Type": "application/json"},
        )

    assert refused.status_code in (400, 422)
    assert refused.headers["Content-Type"] == "application/problem+json"
