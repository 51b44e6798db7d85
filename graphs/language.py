"""The language as data: the models of all registered kinds, its JSON Schema, its error texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema
from pydantic_core import ErrorDetails

from .document import Document
from .errors import InvalidSpec, Problem
from .fields import Where
from .ports import StepKind
from .prompts import names_a_file
from .registry import Registry, nearest
from .step import Model
from .trigger import NOTIFICATION, AnyTrigger, TriggerKind, TriggerSpec
from .workflow import Workflow

_TRIGGER: TypeAdapter[Any] = TypeAdapter(AnyTrigger)

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


class Language:
    """Reads documents into workflows made of the registered kinds.

    `triggers` is called when a document has some: to load their kinds takes a while.
    """

    def __init__(
        self,
        kinds: Registry[StepKind],
        triggers: Callable[[], Registry[TriggerKind]] | None = None,
    ) -> None:
        self.kinds = kinds
        self.triggers = triggers or cache(lambda: Registry[TriggerKind]("kind of trigger", {}))

    def workflow(self, document: Document) -> Workflow:
        """The workflow a document means; raises `InvalidSpec` with every problem of form."""
        if not isinstance(document.value, dict):
            raise InvalidSpec([self._not_a_workflow(document)])
        try:
            workflow = Workflow.model_validate(document.value, context=self._context())
        except ValidationError as error:
            errors = error.errors(include_url=False)
            raise InvalidSpec([*self._problems(errors, document)]) from None
        workflow.written(document.value)
        return workflow

    def trigger(self, document: Document) -> TriggerSpec:
        """The trigger a document means; raises `InvalidSpec` with every problem of form."""
        try:
            spec: TriggerSpec = _TRIGGER.validate_python(document.value, context=self._context())
        except ValidationError as error:
            errors = error.errors(include_url=False)
            raise InvalidSpec([*self._problems(errors, document)]) from None
        return spec

    def _context(self) -> dict[str, Any]:
        return {"kinds": self.kinds, "triggers": self.triggers}

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of a document."""
        triggers = self.triggers()
        steps: dict[str, type[Model]] = {n: self.kinds.get(n).model for n in self.kinds}
        others: dict[str, type[Model]] = {n: triggers.get(n).model for n in triggers}
        own: list[type[Model]] = [Workflow, *steps.values(), *others.values()]
        models = dict.fromkeys(own)
        inputs: list[tuple[type[Model], Literal["validation"]]]
        inputs = [(model, "validation") for model in models]
        refs, schema = models_json_schema(inputs)

        def any_of(names: Mapping[str, type[Model]]) -> dict[str, Any]:
            kinds = {name: refs[model, "validation"]["$ref"] for name, model in names.items()}
            return {
                "oneOf": [{"$ref": ref} for ref in sorted(set(kinds.values()))],
                "discriminator": {"propertyName": "type", "mapping": kinds},
            }

        definitions = {**schema["$defs"], "AnyStep": any_of(steps)}
        notifies = others.pop(NOTIFICATION, None)
        definitions["AnyTrigger"] = any_of(others) if others else {"type": "object"}
        definitions["AnyNotification"] = {"type": "object"}
        if notifies is not None:
            definitions["AnyNotification"] = {"$ref": refs[notifies, "validation"]["$ref"]}
        root = definitions.pop("Workflow")
        whole = {"$schema": SCHEMA_ID, **root, "$defs": dict(sorted(definitions.items()))}
        linked: dict[str, Any] = _linked(whole)
        return linked

    def _not_a_workflow(self, document: Document) -> Problem:
        message = f"a definition is a mapping with `name` and `steps`, not {_noun(document.value)}"
        return Problem(document.name, document.position(()), message)

    def _problems(self, errors: Sequence[ErrorDetails], document: Document) -> Iterator[Problem]:
        """One problem for each place: where a value may have several forms, all are named."""
        told: dict[Where, list[ErrorDetails]] = {}
        for error in errors:
            told.setdefault(_place(error, document.value), []).append(error)
        for where, found in told.items():
            forms = [e for e in found if e["type"] in _FORMS]
            if any(len(w) > len(where) and w[: len(where)] == where for w in told):
                # What is wrong inside says more: one of the forms was right so far.
                found = [e for e in found if e not in forms and e["type"] != "too_short"]
            elif len(forms) > 1:
                wanted = dict.fromkeys(_FORMS[e["type"]] for e in forms)
                message = f"{_named(where)} must be {' or '.join(wanted)}"
                yield self._problem(forms[0], where, document, message)
                continue
            # What is wrong with its only entry may stand where the list would.
            said = [e for e in found if e["type"] != "too_short"] or found
            for error in said:
                yield self._problem(error, where, document)

    def _problem(
        self, error: ErrorDetails, where: Where, document: Document, message: str | None = None
    ) -> Problem:
        kind = error["type"]
        at = (*where, "type") if kind in ("kind_unknown", "trigger_unknown") else where
        position = document.position(at, key=kind == "extra_forbidden")
        message = message or self._message(error, where, document.value)
        return Problem(document.name, position, message, at)

    def _fields_at(self, value: Any, where: Where) -> list[str]:
        """The fields that could stand at a place: those of its kind, or the workflow's."""
        for segment in where:
            value = value[segment]
        kind = value.get("type") if isinstance(value, Mapping) else None
        model: type[Model] | None = None
        if not where and not isinstance(kind, str):
            model = Workflow
        elif where[:1] == ("notifications",) and len(where) == 2:
            triggers = self.triggers()
            model = triggers.get(NOTIFICATION).model if NOTIFICATION in triggers else None
        elif isinstance(kind, str) and len(where) in (0, 2) and where[:1] in ((), ("triggers",)):
            triggers = self.triggers()
            model = triggers.get(kind).model if kind in triggers else None
        elif isinstance(kind, str) and kind in self.kinds:
            model = self.kinds.get(kind).model
        if model is None:
            return []
        return [info.alias or name for name, info in model.model_fields.items()]

    def _message(self, error: ErrorDetails, where: Where, value: Any) -> str:
        kind, given = error["type"], error.get("input")
        name = _named(where)
        match kind:
            case "extra_forbidden":
                known = self._fields_at(value, where[:-1])
                return f"the field {name} is not known here{nearest(str(where[-1]), known)}"
            case "too_short":
                few = "has too few entries" if given else "is empty"
                return f"{name} {few}; it needs at least {error['ctx']['min_length']}"
            case "missing":
                return f"the field {name} is missing; add it"
            case "kind_unknown":
                tag = given.get("type") if isinstance(given, Mapping) else None
                if not isinstance(tag, str):
                    return f"'type' must be text, the name of a kind of step, not {_noun(tag)}"
                return f"{tag!r} is not a kind of step{nearest(tag, self.kinds)}"
            case "trigger_unknown":
                tag = given.get("type") if isinstance(given, Mapping) else None
                if not isinstance(tag, str):
                    return f"'type' must be text, the name of a kind of trigger, not {_noun(tag)}"
                return f"{tag!r} is not a kind of trigger{nearest(tag, self.triggers())}"
            case "trigger_missing":
                return "this trigger has no `type`; say which kind it is (cron, webhook, chat …)"
            case "kind_missing":
                return "this step has no `type`; say which kind it is (shell, agent, assert …)"
            case "string_type":
                written = json.dumps(given) if isinstance(given, int | float) else None
                hint = f'; write it as text: "{written}"' if written else ""
                if names_a_file(given):
                    hint = "; a file is read only where the definition is a file as well"
                return f"{name} must be text, not {_noun(given)}{hint}"
            case form if form in _FORMS:
                return f"{name} must be {_FORMS[form]}, not {_shown(given)}"
            case "string_pattern_mismatch":
                return f"{name}: {given!r} is not allowed; {_PATTERNS.get(where, _ID_RULE)}"
            case "literal_error":
                expected = error.get("ctx", {}).get("expected", "")
                return f"{name}: {_shown(given)} is not one of {expected}"
            case "step" | "trigger" | "notification":
                return f"{error['msg']}, not {_shown(given)}"
            case "value_error":
                why = str(error.get("ctx", {}).get("error", error["msg"]))
                return f"{name}: {why}" if where and isinstance(where[-1], str) else why
        return f"{name}: {_sentence(error['msg'])}, not {_shown(given)}"


_ID_RULE = "letters, digits, - and _, beginning with a letter or _"
_FORMS = {
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}
_PATTERNS: Mapping[Where, str] = {
    ("name",): "a slug: lower-case letters and digits, parted by - _ or ."
}


def _linked(value: Any) -> Any:
    """The schema with every place of a step pointing to the one list of kinds."""
    if isinstance(value, list):
        return [_linked(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value in [{"title": each} for each in ("AnyStep", "AnyTrigger", "AnyNotification")]:
        return {"$ref": f"#/$defs/{value['title']}"}
    return {key: _linked(entry) for key, entry in value.items()}


def _named(where: Where) -> str:
    """What a message calls the value at a place."""
    if not where:
        return "the document"
    return repr(where[-1]) if isinstance(where[-1], str) else f"an entry of {where[-2]!r}"


def _place(error: ErrorDetails, value: Any) -> Where:
    """Pydantic's way to an error, without the names of the alternatives it tried."""
    where: list[int | str] = []
    for segment in error["loc"]:
        known = (isinstance(value, Mapping) and segment in value) or (
            isinstance(value, list) and isinstance(segment, int) and segment < len(value)
        )
        if known:
            where.append(segment)
            value = value[segment]
    if error["type"] == "missing":
        where.append(error["loc"][-1])
    return tuple(where)


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
