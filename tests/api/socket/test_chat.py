"""A conversation over `/v1/ws`: say something, hear what happens, be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .conftest import ASKS, talking

if TYPE_CHECKING:
    from tests.api.http.conftest import Served

    from .conftest import Client

pytestmark = pytest.mark.anyio

ECHO = {
    "name": "echo",
    "inputs": {"message": {"type": "string", "required": True}},
    "outputs": {"answer": {"value": "{{ say.output }}"}},
    "steps": [{"id": "say", "type": "shell", "command": "echo You said {{ inputs.message }}"}],
}

KNOWS = {
    "name": "knows",
    "inputs": {
        "text": {"type": "string", "required": True},
        "session": {"type": "string"},
        "history": {"type": "array"},
        "mood": {"type": "string", "default": "calm"},
    },
    "outputs": {"seen": {"value": "{{ keep.output }}"}},
    "context": {"mutable": {"text": "", "session": "", "history": [], "mood": ""}},
    "steps": [
        {
            "id": "keep",
            "type": "set",
            "values": {
                "text": "{{ inputs.text }}",
                "session": "{{ inputs.session }}",
                "history": "{{ inputs.history }}",
                "mood": "{{ inputs.mood }}",
            },
        }
    ],
}


async def say(client: Client, workflow: str, message: str, **more: Any) -> dict[str, Any]:
    await client.send("say", id="m", workflow=workflow, message=message, **more)
    return (await client.until("answer", "error"))[-1]


async def test_what_is_said_is_answered_and_told_as_it_happens(served: Served) -> None:
    await served.tenants.app().manager.register(ECHO)
    async with talking(served, "admin") as client:
        await client.send("say", id="m", workflow="echo", message="hello")
        frames = await client.until("answer")
    begun, *events, answer = frames
    assert begun == {**begun, "type": "subscribed", "id": "m", "cursor": "0"}
    assert [e["event"]["seq"] for e in events if e["cursor"]] == [1, 2, 3, 4, 5]
    output = [e for e in events if e["event"]["type"] == "StepOutput"]
    assert output
    assert all(e["cursor"] is None and e["event"]["seq"] == 0 for e in output)
    assert answer == {
        "type": "answer",
        "id": "m",
        "execution": begun["execution"],
        "status": "completed",
        "outputs": {"answer": "You said hello"},
        "text": "You said hello",
        "error": None,
    }


async def test_a_session_remembers_what_was_said_in_it(served: Served) -> None:
    await served.tenants.app().manager.register(KNOWS)
    async with talking(served, "operator") as client:
        first = (await say(client, "knows", "one", session="a"))["outputs"]["seen"]
        assert first == {"text": "one", "session": "a", "history": [], "mood": "calm"}
        other = (await say(client, "knows", "two", session="b"))["outputs"]["seen"]
        assert other["history"] == []
        second = await say(client, "knows", "three", session="a", inputs={"mood": "glad"})
        seen = second["outputs"]["seen"]
        assert seen["mood"] == "glad"
        assert seen["history"][0] == {"role": "user", "text": "one"}
        assert seen["history"][1]["role"] == "assistant"
        given = [{"role": "user", "text": "x"}, {"role": "assistant", "text": "y"}]
        third = await say(client, "knows", "four", session="a", history=given)
        assert third["outputs"]["seen"]["history"] == given
        fourth = await say(client, "knows", "five", session="a")
        assert [t["text"] for t in fourth["outputs"]["seen"]["history"]][:3] == ["x", "y", "four"]


async def test_a_session_is_answered_one_message_at_a_time(served: Served) -> None:
    asks = {**ASKS, "inputs": {"message": {"type": "string", "required": True}}}
    await served.tenants.app().manager.register(asks)
    async with talking(served, "operator") as client:
        await client.send("say", id="1", workflow="asks", message="x", session="a")
        await client.read("subscribed")
        await client.send("say", id="2", workflow="asks", message="y", session="a")
        assert (await client.read("error"))["error"]["code"] == "not_possible"
        await client.send("say", id="3", workflow="asks", message="z", session="b")
        assert (await client.read("subscribed"))["id"] == "3"


async def test_a_question_is_an_event_and_its_answer_a_command(served: Served) -> None:
    asks = {**ASKS, "inputs": {"message": {"type": "string", "required": True}}}
    await served.tenants.app().manager.register(asks)
    async with talking(served, "operator") as client:
        await client.send("say", id="m", workflow="asks", message="x")
        while True:
            event = (await client.read("event"))["event"]
            if event["type"] == "QuestionAsked":
                break
        await client.send(
            "command",
            id="c",
            command="answer_question",
            arguments={"id": event["data"]["question"], "approved": True},
        )
        frames = await client.until("answer")
    assert frames[-1]["status"] == "completed"


async def test_no_longer_listening_does_not_end_what_was_begun(served: Served) -> None:
    asks = {**ASKS, "inputs": {"message": {"type": "string", "required": True}}}
    await served.tenants.app().manager.register(asks)
    async with talking(served, "operator") as client:
        await client.send("say", id="m", workflow="asks", message="x")
        id = (await client.read("subscribed"))["execution"]
        await client.send("unsubscribe", id="m")
        assert (await client.read("ended"))["id"] == "m"
        assert not (await served.tenants.app().manager.get(id)).status.terminal


async def test_a_failure_is_an_answer_too(served: Served) -> None:
    fails = {**ECHO, "steps": [{"id": "say", "type": "shell", "command": "exit 3"}]}
    await served.tenants.app().manager.register(fails)
    async with talking(served, "admin") as client:
        answer = await say(client, "echo", "hello", session="a")
    assert answer["status"] == "failed"
    assert answer["error"]["path"] == "say"


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({}, "invalid_input"),
        ({"a": {"type": "string"}}, "invalid_input"),
        ({"a": {"type": "number", "required": True}}, "invalid_input"),
        (
            {"a": {"type": "string", "required": True}, "b": {"type": "string", "required": True}},
            "invalid_input",
        ),
    ],
)
async def test_a_workflow_that_takes_no_message_is_told_apart(
    served: Served, inputs: dict[str, Any], code: str
) -> None:
    await served.tenants.app().manager.register({**ASKS, "inputs": inputs})
    async with talking(served, "operator") as client:
        told = await say(client, "asks", "hello")
        assert told["error"]["code"] == code
        assert "`message`" in told["error"]["message"]


async def test_who_may_not_begin_it_may_not_say_anything(served: Served) -> None:
    await served.tenants.app().manager.register(ECHO)
    async with talking(served, "viewer") as client:
        assert (await say(client, "echo", "x"))["error"]["code"] == "not_authorized"
        assert (await say(client, "none", "x"))["error"]["code"] == "workflow_not_found"
    async with talking(served, "other admin") as client:
        assert (await say(client, "echo", "x"))["error"]["code"] == "workflow_not_found"
