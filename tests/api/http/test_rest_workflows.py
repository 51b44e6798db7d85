"""Definitions over REST: registered, read, compared, checked and deleted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .conftest import Served

pytestmark = pytest.mark.anyio

YAML = {"Content-Type": "application/yaml"}


def greet(version: str = "1", command: str = "echo hi") -> dict[str, Any]:
    step = {"id": "hi", "type": "shell", "command": command}
    return {"name": "greet", "version": version, "steps": [step]}


async def test_a_definition_in_json_is_registered_and_read_again(served: Served) -> None:
    async with served.client("editor") as http:
        new = await http.post("/v1/workflows", json=greet())
        there = await http.get(new.headers["Location"])
        again = await http.post("/v1/workflows", json=greet())

    assert new.status_code == again.status_code == 201
    assert there.json() == {**new.json(), "document": greet()}


async def test_a_definition_in_yaml_means_the_same(served: Served) -> None:
    text = "name: greet\nsteps:\n  - {id: hi, type: shell, command: echo hi}\n"
    async with served.client("editor") as http:
        new = await http.post("/v1/workflows", content=text, headers=YAML)
        found = (await http.get("/v1/workflows/greet")).json()

    assert new.status_code == 201
    assert found["document"]["steps"][0]["command"] == "echo hi"


async def test_other_content_under_a_known_version_is_a_conflict(served: Served) -> None:
    async with served.client("editor") as http:
        await http.post("/v1/workflows", json=greet())
        refused = await http.post("/v1/workflows", json=greet(command="echo ho"))

    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_conflict")
    assert refused.headers["Content-Type"] == "application/problem+json"


async def test_every_problem_of_a_definition_is_told_with_its_place(served: Served) -> None:
    text = "name: w\nsteps:\n  - {id: a, type: shell}\n  - {id: b, type: nothing}\n"
    async with served.client("editor") as http:
        refused = await http.post("/v1/workflows", content=text, headers=YAML)
        checked = await http.post("/v1/workflows/validate", content=text, headers=YAML)

    problems = checked.json()["problems"]
    assert checked.status_code == 200
    assert not checked.json()["valid"]
    assert [(each["line"], each["warning"]) for each in problems] == [(3, False), (4, False)]
    assert refused.status_code == 422
    assert refused.json()["problems"] == problems


async def test_a_right_definition_is_valid_and_not_kept(served: Served) -> None:
    async with served.client("viewer") as http:
        checked = await http.post("/v1/workflows/validate", json=greet())
        listed = await http.get("/v1/workflows")

    assert checked.json() == {"valid": True, "problems": []}
    assert listed.json() == {"items": [], "next": None}


@pytest.mark.parametrize("file", ["./child.yaml", "/etc/passwd.json", "../x.yml"])
async def test_a_step_that_names_a_file_of_the_server_is_refused(served: Served, file: str) -> None:
    """Also deep inside; the place is told."""
    text = (
        "name: w\nsteps:\n  - id: p\n    type: parallel\n    steps:\n"
        f"      - id: a\n        type: workflow\n        workflow: {file}\n"
    )
    async with served.client("admin") as http:
        refused = await http.post("/v1/workflows", content=text, headers=YAML)
        checked = await http.post("/v1/workflows/validate", content=text, headers=YAML)

    (problem,) = refused.json()["problems"]
    assert refused.status_code == 422
    assert (problem["line"], problem["column"]) == (8, 19)
    assert file in problem["message"]
    assert not checked.json()["valid"]


@pytest.mark.parametrize("name", ["nobody", "child.yaml", "graphs.examples"])
async def test_what_is_not_registered_does_not_start(served: Served, name: str) -> None:
    async with served.client("admin") as http:
        refused = await http.post("/v1/executions", json={"workflow": name})

    assert (refused.status_code, refused.json()["code"]) == (404, "workflow_not_found")


async def test_versions_are_listed_newest_first_in_pages(served: Served) -> None:
    async with served.client("editor") as http:
        for version in "123":
            await http.post("/v1/workflows", json=greet(version, f"echo {version}"))
        seen, query = [], {"limit": "2"}
        while True:
            page = (await http.get("/v1/workflows/greet/versions", params=query)).json()
            seen += [each["version"] for each in page["items"]]
            if page["next"] is None:
                break
            query["after"] = page["next"]

    assert seen == ["3", "2", "1"]


async def test_a_cursor_of_nobody_is_refused(served: Served) -> None:
    async with served.client("viewer") as http:
        refused = await http.get("/v1/workflows", params={"after": "x"})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_two_versions_are_compared(served: Served) -> None:
    async with served.client("editor") as http:
        await http.post("/v1/workflows", json=greet("1"))
        await http.post("/v1/workflows", json=greet("2", "echo ho"))
        other = (await http.get("/v1/workflows/greet/diff?before=1")).json()
        same = (await http.get("/v1/workflows/greet/diff?before=1&after=1")).json()
        lost = await http.get("/v1/workflows/greet/diff?before=9")

    assert (other["after"], other["same"]) == ("2", False)
    assert "-- command: echo hi" in other["diff"]
    assert "+- command: echo ho" in other["diff"]
    assert (same["same"], same["diff"]) == (True, "")
    assert lost.status_code == 404


async def test_a_deleted_version_is_gone(served: Served) -> None:
    async with served.client("editor") as http:
        for version in "12":
            await http.post("/v1/workflows", json=greet(version, f"echo {version}"))
        gone = await http.delete("/v1/workflows/greet", params={"version": "2"})
        left = (await http.get("/v1/workflows/greet")).json()

    assert gone.json() == {"deleted": 1}
    assert left["version"] == "1"


async def test_who_has_the_content_is_not_sent_it_again(served: Served) -> None:
    async with served.client("editor") as http:
        await http.post("/v1/workflows", json=greet())
        first = await http.get("/v1/workflows/greet")
        again = await _with_tag(http, first.headers["ETag"])
        weak = await _with_tag(http, f'"x", W/{first.headers["ETag"]}')
        await http.post("/v1/workflows", json=greet("2", "echo ho"))
        other = await _with_tag(http, first.headers["ETag"])

    assert [again.status_code, weak.status_code, other.status_code] == [304, 304, 200]
    assert again.content == b""


async def _with_tag(http: httpx.AsyncClient, tag: str) -> httpx.Response:
    return await http.get("/v1/workflows/greet", headers={"If-None-Match": tag})


async def test_another_kind_of_body_is_no_definition(served: Served) -> None:
    async with served.client("editor") as http:
        refused = await http.post("/v1/workflows", content="x", headers={"Content-Type": "x/y"})

    assert refused.status_code == 415


async def test_a_method_that_is_not_there_is_answered_with_those_that_are(served: Served) -> None:
    async with served.client("viewer") as http:
        refused = await http.put("/v1/workflows/greet")

    assert (refused.status_code, refused.headers["Allow"]) == (405, "DELETE, GET")
    assert refused.headers["Content-Type"] == "application/problem+json"


async def test_a_viewer_registers_nothing(served: Served) -> None:
    async with served.client("viewer") as http:
        refused = await http.post("/v1/workflows", json=greet())

    assert (refused.status_code, refused.json()["code"]) == (403, "not_authorized")
