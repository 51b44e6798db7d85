"""What another program sends, read: a CloudEvent 1.0 in either of its modes, JSON, or text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

STRUCTURED = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Came:
    """`attributes` is text about the payload, by lower-case name; those of a CloudEvent begin
    with `ce-`. `id` is what its sender calls it, with the sender; None when nobody says."""

    payload: Any
    attributes: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None


class Unreadable(ValueError):
    """Says why nobody will ever be able to read it."""


def read(data: bytes, attributes: Mapping[str, str]) -> Came:
    """Data with what is said about them: the headers of a request, the attributes of a message.

    What is no JSON is text, unless it says that it is JSON. Raises `Unreadable`.
    """
    named = {name.lower(): value for name, value in attributes.items()}
    kind = named.get("content-type", "").partition(";")[0].strip().lower()
    if kind == STRUCTURED:
        return _structured(data, named)
    return _named(_payload(data, named.get("ce-datacontenttype", kind)), named)


def _structured(data: bytes, named: Mapping[str, str]) -> Came:
    event = _json(data)
    if not isinstance(event, dict) or not all(event.get(n) for n in ("id", "source", "type")):
        raise Unreadable("it is no CloudEvent: it needs `id`, `source` and `type`")
    payload = event.pop("data", None)
    encoded = event.pop("data_base64", None)
    if encoded is not None:
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise Unreadable(f"its `data_base64` cannot be read: {error}") from error
        payload = _payload(raw, str(event.get("datacontenttype", "")))
    told = {f"ce-{name.lower()}": value for name, value in event.items() if value is not None}
    text = {n: v if isinstance(v, str) else orjson.dumps(v).decode() for n, v in told.items()}
    return _named(payload, {**named, **text})


def _named(payload: Any, named: Mapping[str, str]) -> Came:
    id, source = named.get("ce-id"), named.get("ce-source")
    return Came(payload, named, f"{source} {id}" if id and source else None)


def _payload(data: bytes, kind: str) -> Any:
    if not data:
        return None
    plain = kind.startswith("text/")
    if not plain:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            if kind.endswith(("/json", "+json")):
                raise Unreadable(f"it says that it is JSON, and is not: {error}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("it is neither JSON nor text in UTF-8") from error


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"it is no JSON: {error}") from error
