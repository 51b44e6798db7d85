"""Any question as a form, and what was filled in as its answer; any workflow as a tool's name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.api.mcp.forms import form, reply
from assay.api.mcp.naming import OWN, tool_name
from assay.graphs.errors import InvalidInput
from assay.graphs.question import Question, Wait

WORKFLOWS = st.from_regex(r"[a-z0-9]{1,4}([-_.][a-z0-9]{1,40}){0,3}", fullmatch=True)
PLAIN: Mapping[str, st.SearchStrategy[Any]] = {
    "string": st.text(min_size=1),
    "integer": st.integers(),
    "number": st.floats(allow_nan=False),
    "boolean": st.booleans(),
}
NAMES = st.sampled_from(
    ["approved", "comment", "value", "value_approved", "value_value_approved", "size", "é", "a b"]
)


def question(schema: Any, kind: Wait = Wait.APPROVAL) -> Question:
    return Question(id="q", execution_id="e", path="ask", kind=kind, message="?", schema=schema)


@st.composite
def filled(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema of plain values, and a value of it."""
    properties: dict[str, Any] = {}
    value: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=6)):
        if draw(st.booleans()):
            kind = draw(st.sampled_from(sorted(PLAIN)))
            properties[name], value[name] = {"type": kind}, draw(PLAIN[kind])
        else:
            choices = draw(st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=4))
            properties[name], value[name] = {"enum": choices}, draw(st.sampled_from(choices))
    required = [name for name in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required}, value


@given(filled(), st.sampled_from([Wait.APPROVAL, Wait.ONCE]))
def test_what_is_filled_in_is_what_is_answered(
    asked: tuple[dict[str, Any], dict[str, Any]], kind: Wait
) -> None:
    schema, value = asked
    shown = form(question(schema, kind))
    fields = [name for name in shown["properties"] if name not in ("approved", "comment")]
    assert len(fields) == len(value)
    content = {"approved": True, "comment": "yes", **dict(zip(fields, value.values(), strict=True))}

    said = reply(question(schema, kind), content)

    assert (said.value, said.approved, said.comment) == (value, True, "yes")
    types.ElicitRequestFormParams(message="?", requested_schema=shown)
    assert all(each["type"] in PLAIN for each in shown["properties"].values())
    assert set(shown["required"]) <= set(shown["properties"])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]},
        {"type": "object", "required": ["a"]},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {"a": True}, "required": ["a"]},
        {"enum": [1, 2]},
        {"enum": []},
        {"$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}},
        {},
    ],
)
def test_what_no_flat_fields_can_hold_is_asked_for_as_json(schema: dict[str, Any]) -> None:
    shown = form(question(schema))
    assert shown["properties"]["value"]["type"] == "string"

    said = reply(question(schema), {"approved": True, "value": json.dumps({"a": [1, None]})})
    assert said.value == {"a": [1, None]}
    for broken in ("", "{", None, 5, "[" * 100_000):
        with pytest.raises(InvalidInput, match="must be JSON"):
            reply(question(schema), {"approved": True, "value": broken})


@pytest.mark.parametrize("given", [{}, {"approved": "true"}, {"approved": 1}, {"approved": None}])
def test_only_true_is_a_yes(given: dict[str, Any]) -> None:
    said = reply(question({"type": "string"}), {"value": "x", **given})

    assert (said.approved, said.value) == (False, None)


@given(st.lists(WORKFLOWS, unique=True, min_size=2, max_size=20))
def test_each_workflow_has_a_name_of_its_own_that_every_client_takes(workflows: list[str]) -> None:
    names = [tool_name(workflow) for workflow in workflows]
    # What a workflow becomes is not what another one is called.
    names += [tool_name(name) for name in names if name not in workflows]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert not any(name.startswith(OWN) for name in names)
