"""A value that fits a JSON Schema, made of what a prompt holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs

from .facts import Facts, Failure
from .judgement import LABEL, choose
from .strings import text_for

_DEPTH = 12
"""Levels below which only what is required is filled."""

_TESTS = ("test", "fail", "finding", "issue", "problem", "error", "result", "defect")
_PLACES = ("file", "path", "module", "source")
_COUNTS = ("count", "failed", "failures", "failing", "errors", "total", "number")
_SURE = ("confiden", "probab", "certain", "score", "likel")

Schema = Mapping[str, Any] | bool


@dataclass(frozen=True, slots=True)
class _At:
    """Where the filling is: the property's name, the failure it speaks of, how deep."""

    name: str = ""
    failure: Failure | None = None
    depth: int = 0
    position: int = 0

    def below(self, name: str, **changes: Any) -> _At:
        return replace(self, name=name, depth=self.depth + 1, **changes)


def fill(schema: Schema, facts: Facts) -> Any:
    """A value for the schema, valid for any of the usual keywords.

    `not`, `if`, `contains`, `dependent…` and `patternProperties` are not looked at: the
    value may then be refused by whoever validates it, like any model's.
    """
    return _Filler(schema, facts).value(schema, _At())


class _Filler:
    def __init__(self, root: Schema, facts: Facts) -> None:
        self._root = root
        self._facts = facts

    def value(self, schema: Schema, at: _At) -> Any:
        if isinstance(schema, bool):
            return text_for({}, at.name, self._facts, at.failure, at.position)
        schema = self._resolved(schema)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._one_of(schema, keyword, at)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._option(schema, at)
        return self._typed(schema, at)

    def _typed(self, schema: Mapping[str, Any], at: _At) -> Any:
        match _type(schema, at.depth):
            case "object":
                return self._object(schema, at)
            case "array":
                return self._array(schema, at)
            case "integer" | "number" as kind:
                return self._number(schema, at, whole=kind == "integer")
            case "boolean":
                return self._verdict(at.name)
            case "null":
                return None
            case _:
                return text_for(schema, at.name, self._facts, at.failure, at.position)

    def _object(self, schema: Mapping[str, Any], at: _At) -> dict[str, Any]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required: Sequence[str] = schema.get("required", [])
        wanted = list(properties) if at.depth < _DEPTH // 2 else []
        names = [n for n in dict.fromkeys([*wanted, *required]) if properties.get(n) is not False]
        most = schema.get("maxProperties", math.inf)
        names = sorted(names, key=lambda n: n not in required)[: int(min(most, len(names)))]
        names = [n for n in [*properties, *required] if n in names]
        extra = schema.get("additionalProperties", True)
        others = {} if extra is False else extra
        filled = {n: self.value(properties.get(n, others), at.below(n)) for n in names}
        for index in range(int(schema.get("minProperties", 0))):
            if len(filled) >= schema["minProperties"]:
                break
            absent = next((n for n in properties if n not in filled), f"extra_{index + 1}")
            filled[absent] = self.value(properties.get(absent, others), at.below(absent))
        return filled

    def _array(self, schema: Mapping[str, Any], at: _At) -> list[Any]:
        fixed: Sequence[Schema] = schema.get("prefixItems", [])
        items: Schema = schema.get("items", {})
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems", math.inf)
        filled = [self.value(s, at.below(at.name, position=i)) for i, s in enumerate(fixed)]
        if items is not False:
            subjects = self._subjects(items, at)
            for position, subject in enumerate(subjects, len(filled)):
                failure = subject if isinstance(subject, Failure) else at.failure
                here = at.below(at.name, failure=failure, position=position)
                given = isinstance(subject, str)
                filled.append(subject if given else self.value(items, here))
            while len(filled) < least:
                here = at.below(at.name, position=len(filled))
                filled.append(self.value(items, here))
        if schema.get("uniqueItems"):
            filled = self._unique(filled, items, least)
        return filled[: int(min(most, len(filled)))]

    def _subjects(self, items: Schema, at: _At) -> Sequence[Failure | str | None]:
        """What the items of a list speak of: failing tests, paths, or nothing in particular."""
        if at.failure is not None or at.depth >= _DEPTH // 2:
            return ()
        shape = {} if isinstance(items, bool) else self._resolved(items)
        named = at.name.lower()
        if shape.get("type") == "object" or "properties" in shape:
            fields = " ".join(shape.get("properties", {})).lower()
            if any(sign in f"{named} {fields}" for sign in ("kind", "categ", "classif", *_TESTS)):
                return self._facts.failures
            return (None,)
        plain = shape.get("type") == "string" and shape.keys() <= {"type", "description", "title"}
        if plain and any(sign in named for sign in _PLACES):
            return self._facts.paths[:20]
        if plain and any(sign in named for sign in _TESTS):
            return [f.test for f in self._facts.failures]
        return (None,)

    def _unique(self, filled: list[Any], items: Schema, least: int) -> list[Any]:
        """Without repetitions; what is then missing is varied until it is new."""
        kept: list[Any] = []
        for value in filled:
            if not any(_same(value, k) for k in kept):
                kept.append(value)
        for value in self._variations(items):
            if len(kept) >= least:
                break
            if not any(_same(value, k) for k in kept) and self._fits(value, items):
                kept.append(value)
        return kept

    def _variations(self, items: Schema) -> list[Any]:
        shape = {} if isinstance(items, bool) else self._resolved(items)
        numbers = [shape.get("minimum", 0) + i for i in range(64)]
        words = [w for i in range(64) for w in (f"{LABEL} {i}", str(i))]
        return [*shape.get("enum", []), True, False, None, *numbers, *words]

    def _number(self, schema: Mapping[str, Any], at: _At, *, whole: bool) -> int | float:
        low, high = _bounds(schema, whole=whole)
        wanted = self._wanted_number(at, low, high)
        step = schema.get("multipleOf", 1 if whole else None)
        if step:
            wanted = round(wanted / step) * step
            if wanted < low:
                wanted = math.ceil(low / step) * step
            if wanted > high:
                wanted = math.floor(high / step) * step
        value = min(max(wanted, low), high)
        return int(value) if whole or float(value).is_integer() else value

    def _wanted_number(self, at: _At, low: float, high: float) -> float:
        name = at.name.lower()
        if name == "line" and at.failure is not None and at.failure.line is not None:
            return at.failure.line
        if any(sign in name for sign in _SURE):
            return low + (high - low) / 2 if math.isfinite(low + high) else 0.5
        found = self._facts.number(at.name) if at.name else None
        if found is not None and low <= found <= high:
            return found
        if self._facts.failures and any(sign in name for sign in _COUNTS):
            return len(self._facts.failures)
        return at.position

    def _verdict(self, name: str) -> bool:
        bad = any(sign in name.lower() for sign in ("fail", "broken", "error", "problem", "bug"))
        good = any(sign in name.lower() for sign in ("pass", "ok", "success", "green", "clean"))
        if bad or good:
            return bool(self._facts.failures) if bad else not self._facts.failures
        return False

    def _option(self, schema: Mapping[str, Any], at: _At) -> Any:
        rest = {k: v for k, v in schema.items() if k != "enum"}
        fitting = [o for o in schema["enum"] if self._fits(o, rest)]
        return choose(fitting or schema["enum"], self._facts, at.failure)

    def _one_of(self, schema: Mapping[str, Any], keyword: str, at: _At) -> Any:
        """The first alternative whose value satisfies the whole; nothing is the last resort."""
        rest = {k: v for k, v in schema.items() if k != keyword}
        choices = [self._merged(rest, choice) for choice in schema[keyword]]
        choices.sort(key=lambda c: isinstance(c, Mapping) and c.get("type") == "null")
        if at.depth >= _DEPTH:
            choices.reverse()
        value: Any = None
        for choice in choices:
            if choice is False:
                continue
            value = self.value(choice, at.below(at.name))
            if self._fits(value, schema):
                return value
        return value

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """With local references followed and `allOf` merged in."""
        for _ in range(_DEPTH):
            if "$ref" in schema:
                target = _pointed(self._root, schema["$ref"])
                rest = {k: v for k, v in schema.items() if k != "$ref"}
            elif "allOf" in schema:
                target, rest = True, {k: v for k, v in schema.items() if k != "allOf"}
                for part in schema["allOf"]:
                    target = self._merged({} if target is True else target, part)
            else:
                break
            merged = self._merged(rest, target)
            schema = {"enum": []} if isinstance(merged, bool) else merged
        return schema

    def _merged(self, schema: Any, other: Schema) -> Schema:
        """One schema that asks for what both ask."""
        if isinstance(other, bool) or isinstance(schema, bool):
            return (schema if other else False) if isinstance(other, bool) else other
        both: dict[str, Any] = {**schema}
        for key, value in other.items():
            if key not in both:
                both[key] = value
            elif key == "properties":
                shared = {
                    n: self._merged(both[key][n], s) for n, s in value.items() if n in both[key]
                }
                both[key] = {**both[key], **value, **shared}
            elif key == "required":
                both[key] = list(dict.fromkeys([*both[key], *value]))
            elif key.startswith(("min", "exclusiveMin")):
                both[key] = max(both[key], value)
            elif key.startswith(("max", "exclusiveMax")):
                both[key] = min(both[key], value)
            elif key == "enum":
                both[key] = [o for o in both[key] if o in value]
            elif key in ("anyOf", "oneOf", "allOf"):
                both["allOf"] = [*both.get("allOf", []), {key: value}]
        return both

    def _fits(self, value: Any, schema: Schema) -> bool:
        definitions = {}
        if isinstance(self._root, Mapping):
            definitions = {k: self._root[k] for k in ("$defs", "definitions") if k in self._root}
        try:
            whole = schema if isinstance(schema, bool) else {**definitions, **schema}
            return jsonschema_rs.is_valid(
                whole, value, pattern_options=jsonschema_rs.RegexOptions()
            )
        except ValueError:
            return True


def _type(schema: Mapping[str, Any], depth: int) -> str:
    """What kind of value to make; when nothing is said, what the keywords speak of."""
    declared = schema.get("type")
    if isinstance(declared, list):
        others = [t for t in declared if t != "null"]
        simple = [t for t in others if t not in ("object", "array")]
        return str(((simple if depth >= _DEPTH else others) or others or ["null"])[0])
    if declared:
        return str(declared)
    if schema.keys() & {"properties", "required", "additionalProperties", "minProperties"}:
        return "object"
    if schema.keys() & {"items", "prefixItems", "minItems", "maxItems"}:
        return "array"
    if schema.keys() & {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"}:
        return "number"
    return "string"


def _bounds(schema: Mapping[str, Any], *, whole: bool) -> tuple[float, float]:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    gap = 1.0
    if not whole and above is not None and (below is not None or math.isfinite(high)):
        gap = min(1.0, (min(high, below if below is not None else high) - above) / 4)
    elif not whole and below is not None and math.isfinite(low):
        gap = min(1.0, (below - low) / 4)
    if above is not None:
        low = max(low, math.floor(above) + 1 if whole else above + gap)
    if below is not None:
        high = min(high, math.ceil(below) - 1 if whole else below - gap)
    if whole:
        low = math.ceil(low) if math.isfinite(low) else low
        high = math.floor(high) if math.isfinite(high) else high
    return low, high


def _pointed(root: Schema, pointer: Any) -> Schema:
    """What a local reference names; a reference elsewhere asks for nothing we know."""
    if not isinstance(pointer, str) or not pointer.startswith("#"):
        return True
    found: Any = root
    for part in pointer[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return True
    return found if isinstance(found, Mapping | bool) else True


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: `1` is `1.0`, and `true` is neither."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)
