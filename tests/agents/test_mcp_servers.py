"""Servers of tools: what is offered of them, what they are given, and all that they do wrong."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.scripted import Asked, Reply, ToolCall

from assay.agents.mcp.offering import tool_name
from assay.api.serving import served
from assay.graphs.errors import NotAllowed, NotRegistered, ToolServerFailed
from assay.graphs.thinking import ToolServer

from .conftest import Desk, alive
from .tool_server import build

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::ResourceWarning")]

PROGRAM = (sys.executable, str(Path(__file__).with_name("tool_server.py")))


def program(*allow: str, timeout: float = 20, **env: str) -> ToolServer:
    return ToolServer("box", allow or ("*",), timeout, command=PROGRAM, env=env)


def told(asked: Asked) -> list[str]:
    """What the model was told of the calls of its last turn."""
    return [m["content"] for m in asked.messages if m["role"] == "tool"]


async def called(
    desk: Desk, server: ToolServer, *calls: tuple[str, dict[str, Any]], **fields: Any
) -> list[str]:
    """What came of calling tools of a server, one after another."""
    replies = [Reply.calling(name, **arguments) for name, arguments in calls]
    answer = await desk.run([*replies, Reply("Done.")], servers=[server], **fields)
    assert answer.value == "Done."
    return told(desk.server.requests[-1])


async def test_a_program_gives_tools_and_works_in_the_workspace(desk: Desk) -> None:
    said = await called(
        desk, program("add", "folder"), ("box__add", {"a": 2, "b": 3}), ("box__folder", {})
    )

    assert said == ["5", str(desk.workspace)]
    assert desk.server.requests[0].tools == ["box__add", "box__folder"]
    (add, _) = desk.server.requests[0].body["tools"]
    assert add["function"]["description"] == "Add two numbers."
    assert add["function"]["parameters"]["required"] == ["a", "b"]
    assert desk.ear.tools[0] == ("box__add", {"a": 2, "b": 3}, True)


async def test_a_tool_that_is_not_allowed_is_neither_offered_nor_called(desk: Desk) -> None:
    said = await called(desk, program("add"), ("box__folder", {}))

    assert "there is no tool 'box__folder' here" in said[0]


async def test_guardrails_hold_for_tools_of_servers(desk: Desk) -> None:
    desk.ear.denied["box__add"] = "a person said no"
    said = await called(
        desk,
        program(),
        ("box__add", {"a": 1, "b": 1}),
        ("box__folder", {}),
        allowed_tools=["box__add"],
        ask_before=["box__add"],
    )

    assert desk.server.requests[0].tools == ["box__add"]
    assert said[0] == "error: a person said no"
    assert "there is no tool" in said[1]


@pytest.mark.parametrize("misspelt", ["box__ad", "bx__add"])
async def test_who_would_be_asked_before_a_tool_that_no_server_has_is_refused(
    desk: Desk, misspelt: str
) -> None:
    with pytest.raises(NotRegistered, match=f"'{misspelt}'.*did you mean 'box__add'.*nobody would"):
        await desk.run([], servers=[program()], ask_before=[misspelt])
    assert desk.server.requests == []


async def test_a_tool_that_a_server_does_not_have_is_said(desk: Desk) -> None:
    answer = await desk.run([Reply("Well.")], servers=[program("add", "subtract")])

    assert "the MCP server 'box' has no tool subtract" in answer.notices


async def test_errors_of_a_tool_are_told_to_the_model(desk: Desk) -> None:
    said = await called(desk, program(), ("box__fail", {}), ("box__add", {"a": "x"}))

    assert said[0].startswith("error: ")
    assert "no such thing" in said[0]
    assert said[1].startswith("error: ")


async def test_a_result_is_bounded(desk: Desk) -> None:
    (said,) = await called(desk, program(), ("box__much", {}))

    assert 32_000 < len(said) < 33_000


async def test_who_says_too_much_is_not_listened_to(desk: Desk) -> None:
    (said,) = await called(desk, program(), ("box__flood", {}))
    assert "failed: it sent a message of more than 8388608 bytes" in said

    async with over_http() as http:
        (said,) = await called(desk, http.server("flood"), ("web__flood", {}))
    assert said.startswith("error: the MCP server 'web' failed: ")
    assert len(said) < 1000


async def test_tools_are_called_at_once(desk: Desk) -> None:
    calls = [ToolCall("box__add", {"a": n, "b": n}, f"c{n}") for n in range(5)]
    await desk.run([Reply(tool_calls=calls), Reply("Done.")], servers=[program("add")])

    assert told(desk.server.requests[-1]) == ["0", "2", "4", "6", "8"]


async def test_a_server_that_dies_is_told_of_and_the_agent_goes_on(desk: Desk) -> None:
    said = await called(desk, program(), ("box__die", {}), ("box__add", {"a": 1, "b": 1}))

    assert all(each.startswith("error: the MCP server 'box' failed") for each in said)
    assert "exit status 3: " in said[1]
    assert "out of luck" in said[1]


async def test_a_server_that_hangs_is_waited_for_so_long(desk: Desk) -> None:
    (said,) = await called(desk, program(timeout=5), ("box__hang", {}))

    assert "no answer within 5 s" in said


async def test_rubbish_between_messages_is_passed_over(desk: Desk) -> None:
    said = await called(desk, program(), ("box__rubbish", {}), ("box__add", {"a": 1, "b": 1}))

    assert said == ["said", "2"]


async def test_a_tool_that_goes_away_meanwhile_is_an_error(desk: Desk) -> None:
    said = await called(desk, program(), ("box__shrink", {}), ("box__add", {"a": 1, "b": 1}))

    assert said[0] == "gone"
    assert said[1].startswith("error: ")


async def test_nothing_of_a_server_is_left(desk: Desk) -> None:
    (said,) = await called(desk, program(), ("box__child", {}))

    assert [alive(int(pid)) for pid in said.split()] == [False, False]


async def test_nothing_of_a_server_is_left_when_the_step_is_cancelled(desk: Desk) -> None:
    loop, seen = asyncio.get_running_loop(), asyncio.Event()
    pids: list[int] = []

    def script(asked: Asked) -> Reply:
        if not (said := told(asked)):
            return Reply.calling("box__child")
        pids.extend(map(int, said[0].split()))
        loop.call_soon_threadsafe(seen.set)
        return Reply.calling("box__hang")

    running = asyncio.ensure_future(desk.run(script, servers=[program()]))
    await seen.wait()
    assert all(map(alive, pids))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [alive(pid) for pid in pids] == [False, False]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("no-such-program",), "could not start 'no-such-program'"),
        ((sys.executable, "-c", "import sys; sys.exit('too bad')"), "exit status 1: too bad"),
        ((sys.executable, "-c", "import time; time.sleep(600)"), "no answer within 2 s"),
        (("yes",), "no answer within 2 s|more than"),
    ],
)
async def test_a_server_that_cannot_be_had_fails_the_step_before_a_model_is_asked(
    desk: Desk, command: tuple[str, ...], why: str
) -> None:
    with pytest.raises(ToolServerFailed, match=f"the MCP server 'bad' failed: .*({why})"):
        await desk.run([], servers=[ToolServer("bad", ["*"], 2, command=command)])

    assert desk.server.requests == []


async def test_a_variable_reaches_the_program(desk: Desk) -> None:
    server = program("show", TOKEN="a key")
    assert await called(desk, server, ("box__show", {"variable": "TOKEN"})) == ["a key"]


async def test_a_confined_server_works_in_the_jail_of_its_profile(desk: Desk) -> None:
    script = desk.workspace / "server.py"
    script.write_text(Path(PROGRAM[1]).read_text())
    said = await called(
        desk,
        ToolServer("box", ["add", "show"], 20, command=(sys.executable, "server.py")),
        ("box__add", {"a": 1, "b": 1}),
        ("box__show", {"variable": "SECRET"}),
        profile="restricted",
    )

    assert said == ["2", "[unset]"]


def test_names_are_such_as_models_may_say() -> None:
    assert tool_name("box", "add") == "box__add"
    odd, other = tool_name("box", "odd.name/with more"), tool_name("box", "odd name.with/more")
    assert odd.startswith("box__odd_name_with_more-")
    assert odd != other
    assert len(tool_name("box", "x" * 100)) == 64


class Http:
    """The same server over HTTP; `seen` are the headers of its requests."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/mcp"
        self.seen: list[dict[bytes, bytes]] = []

    def server(self, *allow: str, **headers: str) -> ToolServer:
        return ToolServer("web", allow or ("*",), 20, url=self.url, headers=headers)


@asynccontextmanager
async def over_http() -> Any:
    inner = build().streamable_http_app()
    found: list[Http] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            found[0].seen.append(dict(scope["headers"]))
        await inner(scope, receive, send)

    async with (
        inner.router.lifespan_context(inner),
        served(Starlette(routes=[Mount("/", app)]), "127.0.0.1:0") as url,
    ):
        found.append(Http(url))
        yield found[0]


async def test_a_server_over_http_is_shown_the_headers_and_nobody_else(desk: Desk) -> None:
    async with over_http() as http:
        server = http.server("folder", "odd.name/with more", authorization="Bearer hush")
        name = tool_name("web", "odd.name/with more")
        said = await called(desk, server, ("web__folder", {}), (name, {}))

    assert said == [os.getcwd(), "odd"]
    assert {seen[b"authorization"] for seen in http.seen} == {b"Bearer hush"}
    assert "hush" not in str([desk.server.requests, desk.ear.kept, desk.ear.tools])


async def test_profiles_hold_for_servers_over_http(desk: Desk) -> None:
    async with over_http() as http:
        answer = await desk.run([Reply("Well.")], servers=[http.server()], profile="restricted")
        assert any("withholds the MCP server 'web'" in notice for notice in answer.notices)
        with pytest.raises(NotAllowed, match="not a public address"):
            await desk.run([], servers=[http.server()], profile="standard")

    assert http.seen == []


async def test_a_server_that_is_not_there_fails_the_step(desk: Desk) -> None:
    async with over_http() as http:
        gone = http.server()
    with pytest.raises(ToolServerFailed, match="the MCP server 'web' failed"):
        await desk.run([], servers=[gone])
