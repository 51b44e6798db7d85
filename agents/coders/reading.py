"""Fields of a line of JSON that somebody else wrote, whatever they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


def parsed(line: bytes) -> Mapping[str, Any]:
    """The object on a line. Raises `ValueError`."""
    event = orjson.loads(line)
    if not isinstance(event, dict):
        raise ValueError("not a JSON object")
    return event


def mapping(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def number(event: Mapping[str, Any], name: str) -> int:
    value = event.get(name)
    return value if isinstance(value, int) and value > 0 else 0
