"""Texts of the demo model: by the property's name, within length, pattern and format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from .facts import Facts, Failure
from .judgement import explain

_PROSE = (
    "expla", "reason", "summar", "descri", "why", "cause", "detail", "suggest", "fix", "advice",
    "comment", "text", "answer", "report", "analys", "note", "rationale", "action", "recommend",
)  # fmt: skip

_FORMATS = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "demo@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "uri-reference": "/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_SAMPLES = (
    "a",
    "A",
    "0",
    "demo",
    "Demo",
    "DEMO",
    "demo-1",
    "demo_1",
    "1.0",
    "1.0.0",
    "0000",
    "A-1",
)


def text_for(
    schema: Mapping[str, Any],
    name: str,
    facts: Facts,
    failure: Failure | None,
    position: int = 0,
) -> str:
    """A text within the schema's length and format; with a pattern, the first sample that fits."""
    if "pattern" in schema:
        plain = {**schema, "type": "string"}
        found = (c for c in _samples(facts) if _matches(c, plain))
        return next(found, _own(name.lower(), facts, failure, position))
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = _own(name.lower(), facts, failure, position)
    return text.ljust(int(schema.get("minLength", 0)), ".")[: int(schema.get("maxLength", 10_000))]


def _samples(facts: Facts) -> Iterator[str]:
    """Words of the prompt, then simple words up to thirty times over, for a pattern."""
    yield ""
    yield from dict.fromkeys(re.findall(r"[^\s\"'`,;()<>]{1,80}", facts.text)[:2000])
    for sample in _SAMPLES:
        yield from (sample * times for times in range(1, 33))


def _own(name: str, facts: Facts, failure: Failure | None, position: int) -> str:
    """What the property's name asks for."""
    if any(sign in name for sign in _PROSE):
        return explain(facts, failure)
    if failure is not None:
        if any(sign in name for sign in ("file", "path", "module")):
            return failure.file
        if any(sign in name for sign in ("error", "message", "exception")):
            return failure.error or failure.test
        if any(sign in name for sign in ("test", "name", "id", "node", "title", "case")):
            return failure.test
        if any(sign in name for sign in ("kind", "type", "categ", "class")):
            return failure.kind or "unknown"
        return explain(facts, failure)
    if any(sign in name for sign in ("file", "path")) and facts.paths:
        return facts.paths[position % len(facts.paths)]
    again = f" ({position + 1})" if position else ""
    return explain(facts, None) + again


def _matches(text: str, schema: dict[str, Any]) -> bool:
    try:
        return jsonschema_rs.is_valid(schema, text, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        return True
