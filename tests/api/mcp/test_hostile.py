"""What no client would send: refused in words of the protocol, and the server goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import mcp_types as types
import pytest

from assay.api.access import Role

from ..http.conftest import Served
from .conftest import GREET_TOOL, Connect, over_http, told
from .raw import ACCEPT, ENVELOPE, HELLO, Raw, answered, speaking

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["old", "young"])
async def raw(
    registered: Served, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Raw]:
    """Afterwards the server still answers, and has complained of nothing."""
    async with (
        registered.client(Role.OPERATOR) as client,
        speaking(client, str(request.param)) as one,
    ):
        yield one
        done = answered(await one.ask("tools/call", {"name": "fail", "arguments": {}}))
        assert done["result"]["isError"]
    errors = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert errors == []


async def test_a_method_that_is_none_is_said_to_be_none(raw: Raw) -> None:
    for method in ("nothing", "", "tools/call/x", "prompts/list", "x" * 9999):
        answer = await raw.ask(method, {})

        assert answer.status_code < 500, method
        assert answered(answer)["error"]["code"] == types.METHOD_NOT_FOUND, method


async def test_any_id_is_given_back_or_refused(raw: Raw) -> None:
    ids: tuple[Any, ...] = (None, 1.5, True, [], {}, "x" * 5000, 10**30, -1, "")
    for id in ids:
        answer = await raw.ask("tools/list", {}, id=id)

        assert answer.status_code < 500, id
        if answer.status_code != 202:  # taken for a notification, to which nothing is said
            said = answered(answer)
            assert ("error" in said) or (said["id"] == id and said["result"]["tools"]), id


async def test_what_is_no_request_is_refused(raw: Raw) -> None:
    messages: tuple[Any, ...] = (
        [],
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
        "ping",
        5,
        None,
        {},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "method": 5},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": [1]},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": "x"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": "x"}},
    )
    for message in messages:
        answer = await raw.send(message)

        assert 400 <= answer.status_code < 500, message
        assert "error" in answered(answer), message


async def test_parameters_of_any_shape_are_refused_in_words(raw: Raw) -> None:
    shapes: tuple[dict[str, Any], ...] = (
        {},
        {"name": 5, "uri": 5, "cursor": 5},
        {"name": None, "uri": None, "cursor": {}},
        {"name": "", "uri": "", "cursor": ""},
        {"name": "fail", "arguments": "x", "uri": "fail", "cursor": "\x00"},
        {"name": "fail", "arguments": [1], "uri": "assay://executions/%ff", "cursor": "é" * 500},
        {"name": "fail", "_meta": {"progressToken": [1]}, "uri": "assay://artifacts/a/b/c/d"},
        {"name": "x" * 5000, "uri": "assay://executions/" + "x" * 5000, "cursor": "x" * 5000},
        {"name": "a\x00b", "uri": "assay://executions/\x00", "cursor": "WyIiLCAiIl0="},
    )
    for method in ("tools/call", "tools/list", "resources/read", "resources/list"):
        for params in shapes:
            answer = await raw.ask(method, params)
            said = answered(answer)

            assert answer.status_code < 500, (method, params)
            assert said.get("error", {}).get("code") != types.INTERNAL_ERROR, (method, params)
            assert "Traceback" not in answer.text


async def test_arguments_that_json_can_hardly_say(raw: Raw) -> None:
    bodies = (
        '{"name": NaN}',
        '{"name": "x", "times": Infinity}',
        '{"name": "x", "times": 1e999}',
        '{"name": "x", "times": 123456789012345678901234567890}',
        '{"name": "\\ud800"}',
        '{"\\ud800": "x"}',
        '{"name": "a\\u0000b"}',
        '{"name": "x", "name": 5}',
        '{"name": ' + "[" * 60 + "]" * 60 + "}",
        '{"name": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"name": ' + "1" * 20_000 + "}",
    )
    params: dict[str, Any] = {"name": GREET_TOOL, "arguments": "HERE"}
    if raw.session is None:
        params["_meta"] = dict(ENVELOPE)
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    for body in bodies:
        answer = await raw.bytes(json.dumps(message).replace('"HERE"', body).encode(), message)
        said = answer.json() if answer.status_code >= 400 else answered(answer)

        assert answer.status_code < 500, body[:80]
        code = said["error"]["code"] if isinstance(said.get("error"), dict) else said.get("code")
        assert code != types.INTERNAL_ERROR, body[:80]
        assert "Traceback" not in answer.text


async def test_too_large_arguments_are_refused_before_they_are_read(raw: Raw) -> None:
    huge = {"name": GREET_TOOL, "arguments": {"name": "x" * (2 << 20)}}
    answer = await raw.ask("tools/call", huge)

    assert answer.status_code == 413


async def test_large_arguments_that_are_allowed_arrive(raw: Raw) -> None:
    large = {"name": GREET_TOOL, "arguments": {"name": "x" * 100_000}}
    done = answered(await raw.ask("tools/call", large))

    assert done["result"]["structuredContent"]["outputs"]["greeting"] == "Hello, " + "x" * 100_000


async def test_a_session_that_is_none_is_not_found(registered: Served) -> None:
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    async with registered.client(Role.OPERATOR) as client:
        for session in ("nothing", "0" * 32, "é", "x" * 5000, "a b"):
            headers = httpx.Headers({**ACCEPT})
            headers["Mcp-Session-Id"] = session
            asked = await client.post("/mcp", json=ping, headers=headers)
            heard = await client.get("/mcp", headers=headers)
            ended = await client.delete("/mcp", headers=headers)

            assert {asked.status_code, heard.status_code, ended.status_code} <= {400, 404}, session


async def test_before_it_said_hello_nobody_is_answered(registered: Served) -> None:
    async with registered.client(Role.OPERATOR) as client:
        early = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        answer = await client.post("/mcp", json=early, headers=ACCEPT)
        heard = await client.get("/mcp", headers=ACCEPT)
        begun = await client.post("/mcp", json=HELLO, headers=ACCEPT)
        strange = {**ACCEPT, "MCP-Protocol-Version": "1999-01-01"}
        version = await client.post("/mcp", json=early, headers=strange)

    assert (answer.status_code, heard.status_code, version.status_code) == (400, 400, 400)
    assert begun.status_code == 200


async def test_a_session_that_was_ended_is_gone(registered: Served) -> None:
    async with registered.client(Role.OPERATOR) as client, speaking(client, "old") as raw:
        headers = {**ACCEPT, "Mcp-Session-Id": raw.session or ""}
        ended = await client.delete("/mcp", headers=headers)
        answer = await raw.ask("ping")

    assert (ended.status_code, answer.status_code) == (200, 404)


async def test_answers_to_questions_that_nobody_asked_change_nothing(raw: Raw) -> None:
    for message in (
        {"jsonrpc": "2.0", "id": 99, "result": {"action": "accept", "content": {}}},
        {"jsonrpc": "2.0", "id": 99, "error": {"code": 1, "message": "no"}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": []}},
        {"jsonrpc": "2.0", "method": "notifications/nothing", "params": {"x": 1}},
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}},
    ):
        answer = await raw.send(message)
        assert answer.status_code < 500


async def test_a_form_that_was_filled_in_wrongly_approves_nothing(
    connect: Connect, registered: Served
) -> None:
    """Where it says anything but yes, it is a no; where the value does not fit, nothing."""
    contents: tuple[dict[str, Any] | None, ...] = (
        *(None, {}, {"approved": "yes"}, {"approved": None, "size": 3}, {"approved": True}),
        *({"approved": True, "size": "3"}, {"approved": True, "size": 0}),
    )
    shown = 0

    async def person(_: Any, __: Any) -> types.ElicitResult:
        nonlocal shown
        shown += 1
        if shown > 5:
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content=content)

    async with connect(elicitation_callback=person) as client:
        for content in contents:
            shown = 0
            result = await client.call_tool("ask", {})

            assert 1 <= shown <= 6
            assert told(result)["status"] in ("running", "waiting", "failed"), content
    for question in (await registered.tenants.app().manager.questions(status=None)).items:
        assert not any(vote.approved for vote in question.votes)


async def test_a_client_that_cannot_show_what_it_says_it_can_is_told_in_words(
    registered: Served,
) -> None:
    async def broken(_: Any, __: Any) -> types.ErrorData:
        return types.ErrorData(code=-32000, message="no screen")

    key = registered.keys[Role.OPERATOR]
    async with over_http(registered.url, key, mode="legacy", elicitation_callback=broken) as client:
        result = await client.call_tool("ask", {})

    assert [wait["message"] for wait in told(result)["waits_for"]] == ["Ship it?"]


async def test_what_a_client_sends_back_may_be_made_up(registered: Served) -> None:
    made_up: tuple[dict[str, Any], ...] = (
        {"requestState": "nothing"},
        {"requestState": "", "inputResponses": {}},
        {"requestState": "x" * 5000},
        {"requestState": 5},
        {"requestState": "HERE", "inputResponses": []},
        {"requestState": "HERE", "inputResponses": {"nothing": {"action": "accept"}}},
        {"requestState": "HERE", "inputResponses": {"QUESTION": {"action": "maybe"}}},
        {"requestState": "HERE", "inputResponses": {"QUESTION": {"roots": []}}},
        {"requestState": "HERE", "inputResponses": {"QUESTION": None}},
    )
    async with registered.client(Role.OPERATOR) as client, speaking(client, "young") as raw:
        asked = answered(await raw.ask("tools/call", {"name": "ask", "arguments": {}}))["result"]
        (question,) = asked["inputRequests"]
        for more in made_up:
            text = json.dumps(more).replace("HERE", asked["requestState"])
            again = json.loads(text.replace("QUESTION", question))
            answer = await raw.ask("tools/call", {"name": "ask", "arguments": {}, **again})

            said = answered(answer)
            assert answer.status_code < 500, more
            assert said.get("error", {}).get("code") != types.INTERNAL_ERROR, more
            assert "error" in said or said["result"]["isError"], more
    for each in (await registered.tenants.app().manager.questions()).items:
        assert not each.votes
