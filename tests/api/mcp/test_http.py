"""Workflows as tools over HTTP, by the real client, in both generations of the protocol."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from assay.api.access import Role
from assay.graphs.execution import Status

from ..http.conftest import Served, issued
from .conftest import GREET_TOOL, Connect, told

pytestmark = pytest.mark.anyio


async def test_who_may_start_sees_the_workflows_as_tools(connect: Connect) -> None:
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert set(tools) == {
        *("assay_list", "assay_status", "assay_answer", "assay_stop"),
        *(GREET_TOOL, "ask", "slow", "fail", "keep"),
    }
    assert tools[GREET_TOOL].description == "Greets somebody by name."
    assert tools[GREET_TOOL].input_schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Whom to greet."},
            "times": {"type": "integer", "default": 1},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


async def test_the_newest_version_is_the_tool(connect: Connect, registered: Served) -> None:
    for version in ("2", "3"):
        document = {"name": "many", "version": version, "description": f"Version {version}.",
                    "steps": [{"id": "a", "type": "shell", "command": "true"}]}  # fmt: skip
        await registered.tenants.app().register(document)

    async with connect() as client:
        (tool,) = [t for t in (await client.list_tools()).tools if t.name == "many"]
        done = told(await client.call_tool("many", {}))

    assert (tool.description, done["version"]) == ("Version 3.", "3")


async def test_more_tools_than_a_page_holds_are_listed_once_each(
    connect: Connect, registered: Served
) -> None:
    for number in range(60):
        document = {"name": f"w{number:02}", "steps": [{"id": "a", "type": "emit", "event": "e"}]}
        await registered.tenants.app().register(document)
    names: list[str] = []
    cursors: list[str | None] = [None]
    async with connect() as client:
        while len(cursors) == 1 or cursors[-1] is not None:
            page = await client.list_tools(cursor=cursors[-1])
            names += [tool.name for tool in page.tools]
            cursors.append(page.next_cursor)

        with pytest.raises(MCPError, match="no cursor"):
            await client.list_tools(cursor="made-up")

    assert len(cursors) == 3
    assert len(names) == len(set(names)) == 60 + 5 + 4


async def test_a_call_gives_the_outputs_and_says_how_far_it_is(connect: Connect) -> None:
    told_on_the_way: list[tuple[float, float | None, str | None]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told_on_the_way.append((progress, total, message))

    async with connect() as client:
        result = await client.call_tool(GREET_TOOL, {"name": "Ada"}, progress_callback=progress)

    done = told(result)
    assert (result.is_error, done["status"]) == (False, "completed")
    assert done["outputs"] == {"greeting": "Hello, Ada"}
    assert done["workflow"] == "greet.people"
    numbers = [number for number, _, _ in told_on_the_way]
    assert numbers == sorted(set(numbers)), "progress only grows"
    assert numbers[-1] == 2
    assert {total for _, total, _ in told_on_the_way} == {2}
    assert told_on_the_way[-1][2] == "2 of 2 steps done"
    assert any("again[0].inner" in (message or "") for _, _, message in told_on_the_way)


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        (GREET_TOOL, {}, "input 'name'"),
        (GREET_TOOL, {"name": 7}, "must be text"),
        (GREET_TOOL, {"name": "Ada", "nmae": "Ada"}, "there is no input 'nmae'"),
        ("assay_status", {}, "execution_id"),
        ("assay_status", {"execution_id": "no-such"}, "execution"),
        ("assay_status", {"execution_id": "x", "wait": -1}, "minimum"),
        ("assay_list", {"status": "sleeping"}, "sleeping"),
        ("assay_list", {"limit": 0}, "limit"),
        ("assay_answer", {"question_id": "q-none"}, "q-none"),
        ("assay_answer", {"question_id": "q", "approved": "yes"}, "approved"),
        ("assay_stop", {"execution_id": "no-such"}, "execution"),
    ],
)
async def test_what_does_not_fit_is_an_error_that_the_model_can_read(
    connect: Connect, tool: str, given: dict[str, Any], said: str
) -> None:
    async with connect() as client:
        result = await client.call_tool(tool, given)

    assert result.is_error
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    assert said in content.text
    assert "Traceback" not in content.text


async def test_a_tool_that_is_none_is_an_error_of_the_protocol(connect: Connect) -> None:
    async with connect() as client:
        for name in ("nothing", "greet.people", "no-thing-12345678", "assay_nothing"):
            with pytest.raises(MCPError, match=f"Unknown tool: {name}"):
                await client.call_tool(name, {})


async def test_what_failed_is_an_error_with_the_reason(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("fail", {})

    assert result.is_error
    assert told(result)["status"] == "failed"
    assert told(result)["error"]["path"] == "broken"


async def test_executions_and_what_they_kept_are_resources(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("keep", {})
        id = told(result)["execution_id"]
        links = {c.name: c.uri for c in result.content if isinstance(c, types.ResourceLink)}
        listed = [str(r.uri) for r in (await client.list_resources()).resources]
        templates = (await client.list_resource_templates()).resource_templates
        (state,) = (await client.read_resource(f"assay://executions/{id}")).contents
        (plan,) = (await client.read_resource(links["plan"])).contents
        (raw,) = (await client.read_resource(links["raw"])).contents

        for nothing in (
            *("assay://executions/", f"assay://executions/{id}/nothing"),
            *(f"assay://executions/{id}/events?after=x", "assay://executions/nothing/events"),
            *("assay://executions/nothing", f"assay://artifacts/{id}/nothing"),
            *("assay://artifacts/nothing/plan", "assay://artifacts/", "file:///etc/passwd"),
        ):
            with pytest.raises(MCPError):
                await client.read_resource(nothing)

    assert listed == [f"assay://executions/{id}"]
    assert {t.name for t in templates} == {"execution", "events", "report", "artifact"}
    assert isinstance(state, types.TextResourceContents)
    assert '"status": "completed"' in state.text
    assert isinstance(plan, types.TextResourceContents)
    assert (plan.text, plan.mime_type) == ("# Plan", "text/markdown")
    assert isinstance(raw, types.BlobResourceContents)
    assert raw.blob == "/wA="


async def test_what_happened_and_what_came_of_it_is_read_as_well(connect: Connect) -> None:
    async with connect() as client:
        id = told(await client.call_tool(GREET_TOOL, {"name": "Ada"}))["execution_id"]
        (events,) = (await client.read_resource(f"assay://executions/{id}/events")).contents
        (rest,) = (await client.read_resource(f"assay://executions/{id}/events?after=3")).contents
        (report,) = (await client.read_resource(f"assay://executions/{id}/report")).contents

    assert isinstance(events, types.TextResourceContents)
    assert isinstance(rest, types.TextResourceContents)
    assert isinstance(report, types.TextResourceContents)
    every = json.loads(events.text)["events"]
    assert [event["seq"] for event in every] == list(range(1, len(every) + 1))
    assert every[-1]["type"] == "ExecutionCompleted"
    assert json.loads(rest.text) == {"events": every[3:], "next": None}
    assert report.mime_type == "text/markdown"
    assert report.text.startswith("# greet.people 1: completed\n")
    assert "- `greeting`: Hello, Ada\n" in report.text
    assert "- `say` (shell): completed\n" in report.text


async def test_many_events_are_read_in_parts(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.api.mcp.resources.EVENTS", 3)
    async with connect() as client:
        id = told(await client.call_tool(GREET_TOOL, {"name": "Ada"}))["execution_id"]
        uri: str | None = f"assay://executions/{id}/events"
        parts: list[list[int]] = []
        while uri is not None:
            (part,) = (await client.read_resource(uri)).contents
            assert isinstance(part, types.TextResourceContents)
            data = json.loads(part.text)
            parts.append([event["seq"] for event in data["events"]])
            uri = data["next"]

    assert len(parts) > 2
    assert all(1 <= len(part) <= 3 for part in parts)
    assert [seq for part in parts for seq in part] == list(range(1, sum(map(len, parts)) + 1))


async def test_executions_are_listed_by_a_tool(connect: Connect) -> None:
    async with connect() as client:
        for tool, given in ((GREET_TOOL, {"name": "Ada"}), ("fail", {}), ("fail", {})):
            await client.call_tool(tool, given)
        page = told(await client.call_tool("assay_list", {"limit": 2}))
        more = told(await client.call_tool("assay_list", {"limit": 2, "after": page["next"]}))
        failed = told(await client.call_tool("assay_list", {"status": "failed"}))
        greeted = told(await client.call_tool("assay_list", {"workflow": "greet.people"}))

    assert [e["workflow"] for e in page["executions"]] == ["fail", "fail"]
    assert [e["workflow"] for e in more["executions"]] == ["greet.people"]
    assert more["next"] is None
    assert [e["status"] for e in failed["executions"]] == ["failed", "failed"]
    assert greeted["executions"] == more["executions"]


async def test_an_execution_is_stopped_by_a_tool(connect: Connect, registered: Served) -> None:
    manager = registered.tenants.app().manager
    execution = await manager.start("slow")
    async with connect() as client:
        stands = told(await client.call_tool("assay_status", {"execution_id": execution.id}))
        result = await client.call_tool(
            "assay_stop", {"execution_id": execution.id, "reason": "enough"}
        )

    assert stands["waits_for"][0]["kind"] == "sleep"
    assert "assay_stop" in stands["next"]
    assert told(result)["status"] == "cancelled"
    assert (await manager.get(execution.id)).status is Status.CANCELLED


async def test_a_client_that_gives_up_leaves_the_execution_alone(
    connect: Connect, registered: Served
) -> None:
    manager = registered.tenants.app().manager
    begun = manager.follow()
    async with connect() as client:
        calling = asyncio.ensure_future(client.call_tool("slow", {}))
        execution_id = (await anext(begun)).execution_id
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        stands = told(await client.call_tool("assay_status", {"execution_id": execution_id}))

    assert not Status(stands["status"]).terminal


async def test_a_viewer_looks_and_starts_nothing(connect: Connect) -> None:
    async with connect(Role.VIEWER) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("fail", {})

    assert names == ["assay_list", "assay_status"]
    assert result.is_error
    assert result.structured_content["error"]["code"] == "not_authorized"


async def test_of_what_no_scope_covers_nothing_is_there(
    connect: Connect, registered: Served
) -> None:
    manager = registered.tenants.app().manager
    foreign = await manager.start("slow")
    key = await issued(registered.tenants, "", Role.OPERATOR, "greet.*")
    async with connect(key=key) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        done = await client.call_tool(GREET_TOOL, {"name": "Bo"})
        with pytest.raises(MCPError, match="Unknown tool: slow"):
            await client.call_tool("slow", {})
        unseen = await client.call_tool("assay_stop", {"execution_id": foreign.id})
        listed = [str(r.uri) for r in (await client.list_resources()).resources]
        with pytest.raises(MCPError, match="execution"):
            await client.read_resource(f"assay://executions/{foreign.id}")

    assert [name for name in names if not name.startswith("assay_")] == [GREET_TOOL]
    assert told(done)["status"] == "completed"
    assert unseen.is_error
    assert listed == [f"assay://executions/{told(done)['execution_id']}"]
    assert not (await manager.get(foreign.id)).status.terminal


async def test_another_tenant_knows_nothing_of_it(connect: Connect, registered: Served) -> None:
    async with connect(f"other {Role.ADMIN}") as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("fail", {})

    assert names == ["assay_list", "assay_status", "assay_answer", "assay_stop"]
