"""The language as data: the models of all registered kinds, its JSON Schema, its error texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from . import step
from .document import Document
from .errors import InvalidSpec, Problem
from .fields import Where
from .ports import StepKind
from .registry import Registry, nearest
from .step import Model, Step
from .workflow import Workflow

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


class Language:
    """Reads documents into workflows made of the registered kinds."""

    def __init__(self, kinds: Registry[StepKind]) -> None:
        self.kinds = kinds
        models = list(dict.fromkeys(kinds.get(name).model for name in kinds))
        union: Any = reduce(or_, models)
        # Inherited fields are read again with the names of the module that declared them.
        namespace = {**vars(step), "AnyStep": Annotated[union, Field(discriminator="type")]}
        every: list[type[Model]] = [Step, *models, Workflow]
        for model in every:
            model.model_rebuild(force=True, _types_namespace=namespace)
        self._adapter = TypeAdapter(Workflow)

    def workflow(self, document: Document) -> Workflow:
        """The workflow a document means; raises `InvalidSpec` with every problem of form."""
        try:
            workflow = self._adapter.validate_python(document.value)
        except ValidationError as error:
            raise InvalidSpec(
                [self._problem(e, document) for e in error.errors(include_url=False)]
            ) from None
        assert isinstance(document.value, dict)
        workflow.written(document.value)
        return workflow

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of a document."""
        return {"$schema": SCHEMA_ID, **self._adapter.json_schema(by_alias=True)}

    def _problem(self, error: ErrorDetails, document: Document) -> Problem:
        where = _place(error["loc"], document.value)
        kind = error["type"]
        at = where
        key = False
        if kind == "extra_forbidden":
            key = True
        elif kind == "union_tag_invalid":
            at = (*where, "type")
        message = self._message(error, where, document.value)
        return Problem(document.name, document.position(at, key=key), message, at)

    def _message(self, error: ErrorDetails, where: Where, value: Any) -> str:
        kind, given = error["type"], error.get("input")
        name = str(where[-1]) if where else "the document"
        match kind:
            case "extra_forbidden":
                known = _fields_at(self.kinds, value, where[:-1])
                return f"the field {name!r} is not known here{nearest(name, known)}"
            case "missing":
                return f"the field {name!r} is missing; add it"
            case "union_tag_invalid":
                tag = given.get("type") if isinstance(given, Mapping) else None
                return f"{tag!r} is not a kind of step{nearest(str(tag), self.kinds)}"
            case "union_tag_not_found":
                return "this step has no `type`; say which kind it is (shell, agent, assert …)"
            case "string_type":
                hint = f'; write it as text: "{given}"' if isinstance(given, int | float) else ""
                return f"{name!r} must be text, not {_noun(given)}{hint}"
            case "string_pattern_mismatch":
                return f"{name!r}: {given!r} is not allowed; {_PATTERNS.get(name, _ID_RULE)}"
            case "literal_error":
                expected = error.get("ctx", {}).get("expected", "")
                return f"{name!r}: {_shown(given)} is not one of {expected}"
            case "value_error":
                return f"{name!r}: {error.get('ctx', {}).get('error', error['msg'])}"
        return f"{name!r}: {_sentence(error['msg'])}, not {_shown(given)}"


_ID_RULE = "letters, digits, - and _, beginning with a letter or _"
_PATTERNS = {"name": "a slug: lower-case letters and digits, parted by - _ or ."}


def _place(loc: Sequence[int | str], value: Any) -> Where:
    """Pydantic's way to an error, without the names of the models it tried."""
    where: list[int | str] = []
    for index, segment in enumerate(loc):
        known = (isinstance(value, Mapping) and segment in value) or (
            isinstance(value, list) and isinstance(segment, int) and segment < len(value)
        )
        if known:
            where.append(segment)
            value = value[segment]
        elif index == len(loc) - 1 and isinstance(value, Mapping) and isinstance(segment, str):
            where.append(segment)
    return tuple(where)


def _fields_at(kinds: Registry[StepKind], value: Any, where: Where) -> list[str]:
    """The fields that could stand at a place: those of the step's kind, or the workflow's."""
    for segment in where:
        value = value[segment]
    kind = value.get("type") if isinstance(value, Mapping) else None
    model: type[Model] | None = None
    if not where:
        model = Workflow
    elif isinstance(kind, str) and kind in kinds:
        model = kinds.get(kind).model
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _noun(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "a mapping"


def _shown(value: Any) -> str:
    return _noun(value) if isinstance(value, list | Mapping) or value is None else repr(value)


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
