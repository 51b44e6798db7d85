"""A question as a form that a client shows, and what was filled in as an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphs.errors import InvalidInput
from ...graphs.question import Question, Wait

if TYPE_CHECKING:
    from ...graphs.workflow import Input

APPROVED, COMMENT, VALUE = "approved", "comment", "value"

_KEPT = {
    "string": ("minLength", "maxLength", "format"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "boolean": (),
}
"""By type, what a form may say of a field. The answer is held against the whole schema."""

_FORMATS = frozenset({"email", "uri", "date", "date-time"})
_LONG = 2000
_OF_VALUE = "value_"


class Reply(NamedTuple):
    """What somebody says to a question."""

    value: Any = None
    approved: bool = True
    comment: str = ""


def inputs_schema(inputs: Mapping[str, Input]) -> dict[str, Any]:
    """A JSON Schema of what a workflow takes."""
    return {
        "type": "object",
        "properties": {name: _input(declared) for name, declared in inputs.items()},
        "required": [n for n, i in inputs.items() if i.required and i.default is None],
        "additionalProperties": False,
    }


def form(question: Question) -> dict[str, Any]:
    """The fields that ask for an answer: flat ones, as clients show no others.

    A value that no flat fields can hold is asked for as JSON.
    """
    properties: dict[str, Any] = {}
    required = []
    if question.kind is Wait.APPROVAL:
        properties[APPROVED] = {"type": "boolean", "title": "Approve?"}
        required.append(APPROVED)
    fields = _fields(question)
    if fields is not None:
        properties |= fields
        if question.kind is not Wait.APPROVAL:  # a no needs no value
            required += [f for f in map(_field, _required(question)) if f in fields]
    else:
        asked = json.dumps(question.schema, ensure_ascii=False)[:_LONG]
        about = f"JSON that fits the schema {asked}"
        properties[VALUE] = {"type": "string", "title": "Value, as JSON", "description": about}
    properties[COMMENT] = {"type": "string", "title": "Comment, kept with the answer"}
    return {"type": "object", "properties": properties, "required": required}


def reply(question: Question, content: Mapping[str, Any]) -> Reply:
    """What the filled-in form says. Raises `InvalidInput` for JSON that is none."""
    approved = question.kind is not Wait.APPROVAL or content.get(APPROVED) is True
    comment = content.get(COMMENT)
    comment = comment if isinstance(comment, str) else ""
    if not approved or question.schema is None:
        return Reply(None, approved, comment)
    fields = _fields(question)
    if fields is not None:
        if VALUE in fields and not _named(question):
            return Reply(content.get(VALUE), True, comment)
        return Reply(_filled(question, fields, content), True, comment)
    text = content.get(VALUE)
    try:
        return Reply(json.loads(text if isinstance(text, str) else ""), True, comment)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The value must be JSON: {error}") from error


def _input(declared: Input) -> dict[str, Any]:
    said: dict[str, Any] = {"type": declared.type}
    if declared.description:
        said["description"] = declared.description
    if declared.default is not None:
        said["default"] = declared.default
    return said


def _fields(question: Question) -> dict[str, Any] | None:
    """The fields of the answer's value; None when it is not flat."""
    schema = question.schema
    if schema is None:
        return {}
    if not _named(question):
        found = _primitive(schema)
        return None if found is None else {VALUE: {"title": "Value", **found}}
    required, fields = _required(question), {}
    for name, each in schema["properties"].items():
        found = _primitive(each)
        if found is not None:
            if name in question.choices or "enum" in found:
                found |= _choices(question, found)
            fields[_field(name)] = found
        elif name in required:
            return None
    return fields if set(required) <= set(schema["properties"]) else None


def _named(question: Question) -> bool:
    """Whether the value is a mapping of named properties."""
    schema = question.schema or {}
    return schema.get("type", "object") == "object" and isinstance(schema.get("properties"), dict)


def _required(question: Question) -> list[str]:
    return list((question.schema or {}).get("required", ()))


def _field(name: str) -> str:
    """A property of the value beside the fields that every form has."""
    own = name in (APPROVED, COMMENT) or name.startswith(_OF_VALUE)
    return f"{_OF_VALUE}{name}" if own else name


def _primitive(schema: Any) -> dict[str, Any] | None:
    """The field for one plain value, if that is what the schema wants."""
    if not isinstance(schema, Mapping):
        return None
    choices = schema.get("enum")
    kind = "string" if choices is not None else schema.get("type")
    if not isinstance(kind, str) or kind not in _KEPT:
        return None
    field: dict[str, Any] = {"type": kind}
    if choices is not None:
        if not choices or not all(isinstance(choice, str) for choice in choices):
            return None
        field["enum"] = list(choices)
    for word in _KEPT[kind]:
        if word in schema and (word != "format" or schema[word] in _FORMATS):
            field[word] = schema[word]
    for word in ("title", "description"):
        if isinstance(schema.get(word), str):
            field[word] = schema[word]
    return field


def _choices(question: Question, field: Mapping[str, Any]) -> dict[str, Any]:
    means = [f"{c}: {question.choices[c]}" for c in field["enum"] if c in question.choices]
    return {"description": "; ".join(means)} if means else {}


def _filled(
    question: Question, fields: Mapping[str, Any], content: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields that were filled in: a form sends "" for text that was left out."""
    required = _required(question)
    value = {}
    for name in (question.schema or {})["properties"]:
        given = content.get(_field(name)) if _field(name) in fields else None
        if given is not None and (given != "" or name in required):
            value[name] = given
    return value
