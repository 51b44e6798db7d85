"""What another program sends, read: a CloudEvent 1.0 in either of its modes, JSON, or text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
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


def event_id(source: str, id: str) -> str:
    """The id here of an event that is called that where it comes from: 32 characters."""
    return "m" + hashlib.sha256(f"{source}\0{id}".encode()).hexdigest()[:31]


def read(data: bytes, attributes: Mapping[str, str]) -> Came:
    """Data with what is said about them: the headers of a request, the attributes of a message.

    What is no JSON is text, unless it says that it is JSON. Raises `Unreadable`.
    """
    named = {name.lower(): value for name, value in attributes.items()}
    kind = named.get("content-type", "").partition(";")[0].strip().lower()
    if kind == STRUCTURED:
        return structured(_json(data), named)
    return _named(_payload(data, named.get("ce-datacontenttype", kind)), named)


def structured(event: Any, named: Mapping[str, str] | None = None) -> Came:
    """A CloudEvent as a JSON object, with what else is said about it. Raises `Unreadable`."""
    if not isinstance(event, dict) or not all(
        isinstance(event.get(name), str) and event[name] for name in ("id", "source", "type")
    ):
        raise Unreadable("it is no CloudEvent: it needs `id`, `source` and `type`, texts")
    event = dict(event)
    payload = event.pop("data", None)
    encoded = event.pop("data_base64", None)
    if encoded is not None:
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise Unreadable(f"its `data_base64` cannot be read: {error}") from error
        payload = _payload(raw, str(event.get("datacontenttype", "")))
    told = {f"ce-{name.lower()}": value for name, value in event.items() if value is not None}
    text = {n: v if isinstance(v, str) else json.dumps(v) for n, v in told.items()}
    return _named(payload, {**(named or {}), **text})


def as_sent(event: Any) -> dict[str, Any]:
    """A CloudEvent as an event that is sent here: `name payload key id`. Raises `Unreadable`."""
    came = structured(event)
    told = came.attributes
    return {
        "name": told["ce-type"],
        "payload": came.payload,
        "key": told.get("ce-subject"),
        "id": event_id("", str(came.id)),
    }


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
