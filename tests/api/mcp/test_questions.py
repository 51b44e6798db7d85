"""What an execution asks, as a form that the client shows; or as words, where it shows none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import mcp_types as types
import pytest

from assay.api.access import Role
from assay.graphs.execution import Status

from ..http.conftest import Served, issued
from .conftest import Connect, told

pytestmark = pytest.mark.anyio


class Person:
    """Whoever sits at the client: says these things, one after the other."""

    def __init__(self, *says: types.ElicitResult) -> None:
        self.shown: list[types.ElicitRequestFormParams] = []
        self._says = list(says)

    async def __call__(self, _: Any, params: Any) -> types.ElicitResult:
        self.shown.append(params)
        return self._says.pop(0)


def accept(**content: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=content)


async def test_a_question_is_a_form_and_what_is_filled_in_the_answer(connect: Connect) -> None:
    person = Person(accept(approved=True, size=7, comment="go"))
    async with connect(elicitation_callback=person) as client:
        result = await client.call_tool("ask", {})

    (form,) = person.shown
    assert form.message == "Ship it?"
    assert form.requested_schema == {
        "type": "object",
        "properties": {
            "approved": {"type": "boolean", "title": "Approve?"},
            "size": {"type": "integer", "minimum": 1},
            "comment": {"type": "string", "title": "Comment, kept with the answer"},
        },
        "required": ["approved"],
    }
    assert told(result)["status"] == "completed"
    assert told(result)["outputs"] == {"size": 7, "by": "the operator"}


async def test_what_does_not_fit_is_asked_again_with_the_reason(connect: Connect) -> None:
    person = Person(accept(approved=True, size=0), accept(approved=True, size=2))
    async with connect(elicitation_callback=person) as client:
        result = await client.call_tool("ask", {})

    assert told(result)["outputs"]["size"] == 2
    assert "does not fit" in person.shown[1].message
    assert person.shown[1].message.endswith("Ship it?")


async def test_a_no_needs_no_value_and_is_an_answer(connect: Connect) -> None:
    person = Person(accept(approved=False, comment="never"))
    async with connect(elicitation_callback=person) as client:
        result = await client.call_tool("ask", {})

    assert result.is_error
    assert told(result)["status"] == "failed"


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_who_does_not_want_to_say_has_said_nothing(
    connect: Connect, registered: Served, action: Any
) -> None:
    person = Person(types.ElicitResult(action=action))
    async with connect(elicitation_callback=person) as client:
        result = await client.call_tool("ask", {})

    assert len(person.shown) == 1
    assert told(result)["status"] in ("running", "waiting")  # it asks, and then lies down
    assert [wait["message"] for wait in told(result)["waits_for"]] == ["Ship it?"]
    (question,) = (await registered.tenants.app().manager.questions()).items
    assert not question.votes


async def test_without_forms_the_result_says_what_is_asked_and_how_to_answer(
    connect: Connect,
) -> None:
    async with connect() as client:
        result = await client.call_tool("ask", {})
        waits = told(result)
        (question,) = waits["waits_for"]
        assert not result.is_error
        assert waits["status"] in ("running", "waiting")
        assert "assay_answer" in waits["next"]
        assert question["message"] == "Ship it?"
        assert question["answer_with"]["tool"] == "assay_answer"

        unfit = await client.call_tool(
            "assay_answer",
            {"question_id": question["question_id"], "value": {"size": "big"}, "approved": True},
        )
        unsaid = await client.call_tool(
            "assay_answer", {"question_id": question["question_id"], "value": {"size": 3}}
        )
        answered = await client.call_tool(
            "assay_answer",
            {"question_id": question["question_id"], "value": {"size": 3}, "approved": True},
        )
        done = await client.call_tool(
            "assay_status", {"execution_id": waits["execution_id"], "wait": 30}
        )

    assert unfit.is_error
    assert "does not fit" in unfit.content[0].text  # type: ignore[union-attr]
    assert unsaid.is_error
    assert "say `approved`" in unsaid.content[0].text  # type: ignore[union-attr]
    assert told(answered)["status"] == "answered"
    assert told(done)["outputs"] == {"size": 3, "by": "the operator"}


async def test_waiting_for_the_status_lasts_until_somebody_else_has_answered(
    connect: Connect, registered: Served
) -> None:
    manager = registered.tenants.app().manager
    execution = await manager.start("ask")
    await manager.wait(execution.id, until=(Status.WAITING,))
    (question,) = (await manager.questions()).items
    async with connect() as client:
        waiting = asyncio.ensure_future(
            client.call_tool("assay_status", {"execution_id": execution.id, "wait": 60})
        )
        await client.list_tools()
        assert not waiting.done()
        await manager.answer(question.id, {"size": 1}, by="somebody")

        assert told(await waiting)["outputs"] == {"size": 1, "by": "somebody"}


async def test_a_form_is_taken_away_when_somebody_else_was_sooner(registered: Served) -> None:
    """Only clients before 2026 are asked while the call goes on; later ones send it again."""
    from .conftest import over_http

    manager = registered.tenants.app().manager
    taken_away = asyncio.Event()

    async def person(_: Any, __: Any) -> types.ElicitResult:
        (question,) = (await manager.questions()).items
        await manager.answer(question.id, {"size": 5}, by="somebody")
        try:
            await asyncio.Event().wait()
        finally:
            taken_away.set()
        raise AssertionError

    key = registered.keys[Role.OPERATOR]
    async with over_http(registered.url, key, mode="legacy", elicitation_callback=person) as client:
        result = await client.call_tool("ask", {})
        async with asyncio.timeout(60):
            await taken_away.wait()

    assert told(result)["outputs"] == {"size": 5, "by": "somebody"}


async def test_who_may_not_answer_is_not_asked(connect: Connect, registered: Served) -> None:
    await registered.tenants.app().register(
        {
            "name": "bosses",
            "steps": [{"id": "go", "type": "approval", "message": "?", "approvers": ["boss"]}],
        }
    )
    person = Person()
    async with connect(elicitation_callback=person) as client:
        result = await client.call_tool("bosses", {})
        (question,) = told(result)["waits_for"]
        refused = await client.call_tool(
            "assay_answer", {"question_id": question["question_id"], "approved": True}
        )

    assert person.shown == []
    assert question["approvers"] == ["boss"]
    assert refused.is_error
    assert refused.structured_content["error"]["code"] == "not_authorized"


async def test_an_answer_sent_along_gives_no_right_to_other_executions(
    registered: Served,
) -> None:
    """What a client of 2026 sends back is its own word: state and ids may be made up."""
    from .conftest import over_http

    manager = registered.tenants.app().manager
    execution = await manager.start("ask")
    await manager.wait(execution.id, until=(Status.WAITING,))
    (question,) = (await manager.questions()).items
    answer: Mapping[str, Any] = {question.id: accept(approved=True, size=1)}
    scoped = await issued(registered.tenants, "", Role.OPERATOR, "greet.*", "fail")
    for key, tool in (
        (scoped, "fail"),
        (registered.keys[Role.OPERATOR], "fail"),
        (registered.keys[Role.VIEWER], "ask"),
        (registered.keys[f"other {Role.ADMIN}"], "ask"),
    ):
        async with over_http(registered.url, key) as client:
            result = await client.call_tool(
                tool, {}, input_responses=dict(answer), request_state=execution.id
            )
            assert result.is_error

    (question,) = (await manager.questions()).items
    assert not question.votes
