"""What agents remember is listed, and forgotten for who asks for it: over HTTP, by a client."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from assay import Client
from assay.graphs.errors import NotAuthorized
from assay.graphs.execution import timestamp
from assay.graphs.memory import Fact, MemoryInfo, Turn

from .conftest import Served, issued

pytestmark = pytest.mark.anyio

KEY = "ann/☃ & co?"


async def remember(served: Served, workflow: str = "desk", key: str = KEY) -> None:
    store = served.tenants.app().manager.store
    await store.remember(workflow, key, Turn("e/1", "Hi?", "Hi.", timestamp()))
    await store.note(workflow, key, Fact("size", "39", timestamp()))


async def test_it_is_listed_and_forgotten_and_the_audit_does_not_name_whose_it_was(
    served: Served,
) -> None:
    await remember(served)
    await remember(served, "other", "bob")
    async with served.client("editor") as http:
        listed = (await http.get("/v1/memories", params={"workflow": "desk"})).json()
        gone = [
            (await http.delete("/v1/memories/desk", params={"key": KEY})).json() for _ in range(2)
        ]
        left = (await http.get("/v1/memories")).json()
        bad = [
            await http.delete("/v1/memories/desk"),
            await http.delete("/v1/memories/desk?key="),
            await http.get("/v1/memories?after=elsewhere"),
        ]
    async with served.client("admin") as http:
        entries = (await http.get("/v1/audit", params={"target": "desk"})).json()["items"]

    assert [(m["workflow"], m["key"]) for m in listed["items"]] == [("desk", KEY)]
    assert gone == [{"deleted": 2}, {"deleted": 0}]
    assert [m["key"] for m in left["items"]] == ["bob"]
    assert [each.status_code for each in bad] == [422] * 3
    assert {entry["action"] for entry in entries} == {"memories.forget"}
    assert entries[0]["data"]["key_sha256"] == hashlib.sha256(KEY.encode()).hexdigest()
    assert KEY not in str(entries)


async def test_who_is_scoped_sees_and_forgets_what_is_of_their_workflows(served: Served) -> None:
    await remember(served)
    await remember(served, "other", "bob")
    secret = await issued(served.tenants, "", "editor", "desk")
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as http:
        listed = (await http.get("/v1/memories")).json()["items"]
        hidden = (await http.get("/v1/memories?workflow=other")).json()["items"]
        refused = await http.delete("/v1/memories/other?key=bob")
    assert [m["workflow"] for m in listed] == ["desk"]
    assert hidden == []
    assert (refused.status_code, refused.json()["code"]) == (403, "not_authorized")


async def test_a_client_lists_and_forgets(served: Served) -> None:
    await remember(served)
    async with Client(served.url, key=served.keys["editor"]) as client:
        (found,) = [each async for each in client.memories("desk")]
        assert found == MemoryInfo("desk", KEY, found.at)
        assert await client.forget_memory("desk", KEY) == 2
        assert [each async for each in client.memories()] == []
    async with Client(served.url, key=served.keys["operator"]) as client:
        with pytest.raises(NotAuthorized):
            await client.forget_memory("desk", KEY)
