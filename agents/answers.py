"""An answer that must fit a JSON Schema: asked for in words, read, validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema_rs
import orjson

from ..graphs.errors import ConfigurationError

REPAIRS = 2
"""How often a model may correct an answer that does not fit."""

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?```", re.DOTALL | re.IGNORECASE)


class Unfit(ValueError):
    """An answer does not fit; the text says where and why, for the model and for people."""


class AnswerForm:
    """The form an answer must have. Raises `ConfigurationError` for a schema that is none."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = dict(schema)
        try:
            self._validator = jsonschema_rs.validator_for(
                self.schema, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
            )
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise ConfigurationError(
                f"`output` is not a JSON Schema that can be used: {reason}"
            ) from error

    def request(self) -> str:
        """What the model is told."""
        text = orjson.dumps(self.schema).decode()
        return (
            "Answer with one JSON value and nothing else: no explanation, no code fence. "
            f"It must fit this JSON Schema:\n{text}"
        )

    def read(self, text: str) -> Any:
        """The value in a model's text, as plain JSON; raises `Unfit`."""
        value = self._parsed(text)
        error = next(self._validator.iter_errors(value), None)
        if error is not None:
            place = "/".join(str(part) for part in error.instance_path)
            rule = "/".join(str(part) for part in error.schema_path)
            where = f"at {place}" if place else "as a whole"
            raise Unfit(f"{where}: {error.message} (schema: {rule})")
        return value

    def _parsed(self, text: str) -> Any:
        bare = text.strip()
        fenced = [block.strip() for block in _FENCED.findall(bare)]
        for candidate in (bare, *reversed(fenced), _embedded(bare)):
            try:
                return orjson.loads(candidate)
            except orjson.JSONDecodeError:
                continue
        if bare and self._validator.is_valid(bare):
            return bare
        raise Unfit(f"as a whole: not JSON: {bare[:80] or 'an empty answer'!r}")


def strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI's strict mode takes the schema: every object closed, every field required."""
    if schema.get("type") != "object":
        return False
    return _strict(schema)


_LOOSE = frozenset(
    {"allOf", "oneOf", "not", "if", "then", "else", "patternProperties", "dependentRequired",
     "dependentSchemas", "contains", "prefixItems", "uniqueItems", "propertyNames",
     "minProperties", "maxProperties", "unevaluatedProperties", "unevaluatedItems"}
)  # fmt: skip


def _strict(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or schema.keys() & _LOOSE:
        return False
    if not schema.keys() & {"type", "enum", "const", "anyOf", "$ref"}:
        return False
    properties = schema.get("properties", {})
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema.get("required", ())) != set(properties)
    ):
        return False
    inner = [*properties.values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    if schema.get("type") == "array":
        inner.append(schema.get("items"))
    return all(_strict(part) for part in inner)


def _embedded(text: str) -> str:
    """From the first bracket to the last of its kind: JSON inside a sentence."""
    starts = [(text.find(o), c) for o, c in ("{}", "[]") if o in text]
    if not starts:
        return ""
    start, closer = min(starts)
    return text[start : text.rfind(closer) + 1]


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema may not refer to {uri}")
