"""Structured answers: asked for, read, validated, corrected at most twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.scripted import Asked, Reply

from assay.agents.answers import AnswerForm, Unfit, strict
from assay.graphs.errors import ConfigurationError, LimitReached, ModelFailed

from .conftest import Desk

pytestmark = pytest.mark.anyio

COUNT: Mapping[str, Any] = {
    "type": "object",
    "properties": {"tests_added": {"type": "integer", "minimum": 0}},
    "required": ["tests_added"],
}


async def test_the_value_is_plain_json_and_the_server_is_given_the_schema(desk: Desk) -> None:
    answer = await desk.run([Reply.of_json({"tests_added": 3})], schema=COUNT)
    assert answer.value == {"tests_added": 3}
    asked = desk.server.requests[0]
    assert asked.schema == COUNT
    assert "tests_added" in asked.messages[0]["content"]
    assert desk.ear.tokens


async def test_a_closed_schema_is_sent_as_strict(desk: Desk) -> None:
    closed = {**COUNT, "additionalProperties": False}
    await desk.run([Reply.of_json({"tests_added": 3})] * 2, schema=closed)
    assert desk.server.requests[0].body["response_format"]["json_schema"]["strict"] is True


async def test_a_bad_answer_is_asked_for_again_with_what_was_wrong(desk: Desk) -> None:
    script = [Reply.of_json({"tests_added": -1}), Reply("none"), Reply.of_json({"tests_added": 1})]
    answer = await desk.run(script, schema=COUNT)
    assert answer.value == {"tests_added": 1}
    assert answer.cost.calls == 3
    first, second = (r.last for r in desk.server.requests[1:])
    assert "at tests_added: -1 is less than the minimum of 0" in first
    assert "not JSON" in second


async def test_the_third_bad_answer_fails_and_names_the_place_in_the_schema(desk: Desk) -> None:
    with pytest.raises(ModelFailed, match=r"properties/tests_added/minimum") as caught:
        await desk.run(lambda _: Reply.of_json({"tests_added": -1}), schema=COUNT)
    assert len(desk.server.requests) == 3
    assert desk.server.url in caught.value.message
    assert "scripted" in caught.value.message


async def test_corrections_are_turns_too(desk: Desk) -> None:
    with pytest.raises(LimitReached, match=r"took 1 turn.*not usable"):
        await desk.run(lambda _: Reply("no"), schema=COUNT, max_iterations=1)
    assert len(desk.server.requests) == 1


async def test_with_tools_the_form_is_asked_in_words_and_the_correction_is_constrained(
    desk: Desk,
) -> None:
    """Many servers refuse tools and a grammar in one request."""
    script = [
        Reply.calling("list_files"),
        Reply("I added two tests."),
        Reply.of_json({"tests_added": 2}),
    ]
    answer = await desk.run(script, schema=COUNT, tools=["list_files"])
    assert answer.value == {"tests_added": 2}
    shown = [(bool(r.tools), r.schema is not None) for r in desk.server.requests]
    assert shown == [(True, False), (True, False), (False, True)]


@pytest.mark.parametrize("status", [400, 422, 500])
async def test_a_server_that_knows_no_schemas_is_asked_in_words(desk: Desk, status: int) -> None:
    def script(asked: Asked) -> Reply:
        if asked.schema is not None:
            return Reply("response_format.type must be text or json_object", status=status)
        return Reply('```json\n{"tests_added": 4}\n```')

    agents = desk.agents(script, max_retries=0)
    assert (await agents.run(desk.task(schema=COUNT), desk.ear)).value == {"tests_added": 4}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (COUNT, 'Here it is: {"tests_added": 5}. Bye!', {"tests_added": 5}),
        (COUNT, '```\n{"tests_added": 6}\n```', {"tests_added": 6}),
        ({"type": "array", "items": {"type": "integer"}}, "The list: [1, 2]", [1, 2]),
        ({"enum": ["yes", "no"]}, "yes", "yes"),
        ({"enum": ["yes", "no"]}, '"no"', "no"),
        ({"type": ["null", "string"]}, "null", None),
        (True, "1.5", 1.5),
    ],
)
def test_json_is_found_where_models_put_it(schema: Any, text: str, value: Any) -> None:
    form = AnswerForm({} if schema is True else schema)
    assert form.read(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", '{"tests_added": NaN}', '"\\ud800"', "[" * 5000, '{"tests_added": "3"}'],
)
def test_what_is_no_plain_json_or_does_not_fit_is_unfit(text: str) -> None:
    with pytest.raises(Unfit):
        AnswerForm(COUNT).read(text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "colour"},
        {"$ref": "http://127.0.0.1:9/never-fetched.json"},
        {"$ref": "#/$defs/absent"},
        {"pattern": "(?=lookahead)"},
    ],
)
def test_a_schema_that_cannot_be_used_is_a_matter_of_configuration(schema: Any) -> None:
    with pytest.raises(ConfigurationError, match="`output` is not a JSON Schema"):
        AnswerForm(schema)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({**COUNT, "additionalProperties": False}, True),
        (COUNT, False),
        ({**COUNT, "additionalProperties": False, "required": []}, False),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"type": "object", "properties": {}, "additionalProperties": False, "not": {}}, False),
    ],
)
def test_strict_is_only_what_every_strict_server_takes(schema: Any, expected: bool) -> None:
    assert strict(schema) is expected


async def test_a_null_answer_is_an_answer(desk: Desk) -> None:
    answer = await desk.run([Reply("null")], schema={"type": "null"})
    assert answer.value is None
