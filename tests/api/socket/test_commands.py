"""Commands over `/v1/ws` take what REST takes and give what REST gives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from limits import parse
from tests.api.http.conftest import serving

from assay.api.http.front import Front
from assay.api.socket import connection
from assay.api.socket.commands import COMMANDS

from .conftest import ASKS, LOUD, raw, run, talking

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.http.conftest import Served

pytestmark = pytest.mark.anyio

GREET = {
    "name": "greet",
    "inputs": {"who": {"type": "string", "required": True}},
    "steps": [{"id": "hi", "type": "shell", "command": "echo {{ inputs.who }}"}],
}


async def test_every_operation_of_rest_that_gives_json_is_a_command(served: Served) -> None:
    async with served.client() as http:
        described = (await http.get("/v1/openapi.json")).json()
    ids = {
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    }
    ids -= {"receiveWebhook", "receiveWebhookOfTenant"}  # of those who sign, not of keys
    assert ids == {*map(_camel, COMMANDS), "getArtifact", "streamEvents"}


async def test_a_workflow_is_registered_begun_and_read(served: Served) -> None:
    async with talking(served) as client, served.client() as http:
        registered = await client.ask("register_workflow", definition=GREET)
        assert registered == {"type": "result", "id": "c", "result": registered["result"]}
        assert registered["result"]["name"] == "greet"
        yaml = await client.ask("validate_workflow", definition="name: greet\nsteps: []\n")
        assert yaml["result"]["valid"] is False
        begun = await client.ask("start_execution", workflow="greet", inputs={"who": "you"})
        id = begun["result"]["execution_id"]
        await served.tenants.app().wait(id)
        for command, arguments, path in (
            ("get_execution", {"id": id}, f"/v1/executions/{id}"),
            ("get_steps", {"id": id}, f"/v1/executions/{id}/steps"),
            ("list_events", {"id": id, "after": 2}, f"/v1/executions/{id}/events?after=2"),
            ("list_executions", {"limit": 1}, "/v1/executions?limit=1"),
            ("get_workflow", {"name": "greet"}, "/v1/workflows/greet"),
            ("list_workflows", {}, "/v1/workflows"),
            ("list_versions", {"name": "greet"}, "/v1/workflows/greet/versions"),
            ("list_questions", {"status": "any"}, "/v1/questions?status=any"),
            ("list_artifacts", {"id": id}, f"/v1/executions/{id}/artifacts"),
            ("plan_fork", {"id": id, "path": "hi"}, f"/v1/executions/{id}/fork?path=hi"),
            ("list_slots", {}, "/v1/slots"),
            ("list_keys", {}, "/v1/keys"),
            ("get_stats", {}, "/v1/stats"),
        ):
            told = await client.ask(command, **arguments)
            assert told.get("result") == (await http.get(path)).json(), (command, told)


async def test_an_execution_is_steered(served: Served) -> None:
    async with talking(served, "operator") as client:
        app = served.tenants.app()
        await app.manager.register(ASKS)
        first = (await client.ask("start_execution", workflow="asks"))["result"]["execution_id"]
        question = await _asked(client, first)
        answered = await client.ask("answer_question", id=question, approved=True, comment="yes")
        assert answered["result"]["status"] == "answered"
        assert (await app.wait(first)).status == "completed"
        again = await client.ask("fork_execution", id=first, path="ask")
        second = again["result"]["execution_id"]
        await _asked(client, second)
        stopped = await client.ask("stop_execution", id=second, reason="enough")
        assert stopped["result"]["status"] == "cancelled"
        assert (await client.ask("pause_execution", id=first))["error"]["code"] == "not_possible"


async def test_the_same_key_begins_nothing_again(served: Served) -> None:
    await served.tenants.app().manager.register(LOUD)
    async with talking(served) as client:
        asked = {"workflow": "loud", "idempotency_key": "k1"}
        first = await client.ask("start_execution", **asked)
        second = await client.ask("start_execution", **asked)
    assert "replayed" not in first
    assert second["replayed"] is True
    assert first["result"]["execution_id"] == second["result"]["execution_id"]


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        ("nothing", {}, "invalid_request"),
        ("get_execution", {}, "invalid_request"),
        ("get_execution", {"id": 7}, "invalid_request"),
        ("get_execution", {"id": "x", "more": 1}, "invalid_request"),
        ("list_executions", {"limit": 0}, "invalid_request"),
        ("start_execution", {"workflow": "none", "priority": 10**6}, "invalid_request"),
        ("start_execution", {"workflow": "none"}, "workflow_not_found"),
        ("get_execution", {"id": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}, "execution_not_found"),
        ("list_workflows", {"after": "no cursor"}, "invalid_input"),
        ("answer_question", {"id": "q" + "0" * 19, "value": 1}, "question_not_found"),
        ("register_workflow", {"definition": {"name": "x"}}, "invalid_spec"),
        ("register_workflow", {"definition": ": ["}, "invalid_spec"),
        ("register_workflow", {"definition": []}, "invalid_request"),
    ],
)
async def test_what_is_wrong_with_a_command_is_told_and_the_connection_stays(
    served: Served, command: str, arguments: dict[str, Any], code: str
) -> None:
    async with talking(served) as client:
        told = await client.ask(command, **arguments)
        assert (told["type"], told["error"]["code"]) == ("error", code), told
        if code in ("invalid_request", "invalid_spec"):
            assert told["error"]["problems"]
        assert (await client.ask("get_stats"))["type"] == "result"


async def test_a_role_may_do_what_the_table_says(served: Served) -> None:
    await served.tenants.app().manager.register(LOUD)
    async with talking(served, "viewer") as client:
        told = await client.ask("start_execution", workflow="loud")
        assert told["error"]["code"] == "not_authorized"
    async with talking(served, "admin") as client:
        audit = await client.ask("list_audit", target="loud")
    (refused,) = audit["result"]["items"]
    assert (refused["allowed"], refused["data"]["surface"]) == (False, "ws")


async def test_who_asks_too_often_is_told_when_to_ask_again(tmp_path: Path) -> None:
    async with serving(tmp_path, front=Front(rate=parse("4/hour"))) as served:
        async with talking(served, "viewer") as client:
            told = [await client.ask("get_stats") for _ in range(4)]
            assert [each["type"] for each in told] == ["result", "result", "result", "error"]
            assert told[-1]["error"]["code"] == "rate_limited"
            assert told[-1]["error"]["retry_after"] > 0
            await client.send("subscribe", id="s", events={})
            assert (await client.read("error"))["error"]["code"] == "rate_limited"
        async with raw(served) as client:
            await client.send("hello", key=served.keys["viewer"])
            code, closing = await client.closed()
            assert (code, closing and closing["code"]) == (1013, "rate_limited")


async def test_nothing_more_is_read_while_too_much_is_under_way(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "COMMANDS_AT_ONCE", 2)
    gate, begun = asyncio.Event(), []

    async def wait(*_: object) -> Any:
        begun.append(1)
        await gate.wait()
        return await real(*_)  # type: ignore[arg-type]

    real = COMMANDS["get_stats"].__call__
    monkeypatch.setattr(type(COMMANDS["get_stats"]), "__call__", lambda _, *a: wait(*a))
    async with talking(served) as client:
        for number in range(5):
            await client.send("command", id=f"{number}", command="get_stats")
        await client.send("ping")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.socket.recv(), 0.5)
        assert len(begun) == 2
        gate.set()
        told = await client.until("pong")
        ids = {frame.get("id") for frame in told} | {
            (await client.read("result"))["id"] for _ in range(6 - len(told))
        }
    assert ids - {None} == {"0", "1", "2", "3", "4"}


async def test_a_change_is_made_to_its_end_when_who_asked_is_gone(served: Served) -> None:
    id = await run(served, ASKS)
    async with talking(served) as client:
        await client.send("command", id="c", command="stop_execution", arguments={"id": id})
    assert (await served.tenants.app().wait(id)).status == "cancelled"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


async def _asked(client: Any, execution: str) -> str:
    async with asyncio.timeout(60):
        while True:
            told = await client.ask("list_questions", execution=execution)
            for each in told["result"]["items"]:
                return str(each["id"])
            await asyncio.sleep(0.05)
