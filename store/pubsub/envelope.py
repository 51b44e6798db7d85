"""CloudEvents 1.0 in Pub/Sub's binary mode: `ce-` attributes, and JSON as the data.

`(ce-source, ce-id)` names an event once and for all: a durable one by execution and `seq`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from ...graphs.event import Event

EVENT: Final = "event"
RING: Final = "ring"
CONTROL: Final = "control"

VERSION: Final = 1
"""Of the data of each kind; another one is not read."""

ATTRIBUTE: Final = 1024
"""Bytes: the most that Pub/Sub takes as an attribute's value, or as an ordering key."""

_ATTRIBUTES: Final = 80
"""How many a dead letter keeps of those it had: Pub/Sub takes 100."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as Pub/Sub carries it. Letters of one `key` arrive in the order of sending."""

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    key: str = ""

    @property
    def origin(self) -> str:
        """The bus that sent it, if one did."""
        return self.attributes.get("ce-origin", "")

    @property
    def id(self) -> str:
        """The same for every copy of the letter."""
        return f"{self.attributes.get('ce-source')} {self.attributes.get('ce-id')}"

    @property
    def size(self) -> int:
        """Bytes, about."""
        return (
            len(self.data)
            + len(self.key)
            + sum(len(n) + len(v) for n, v in self.attributes.items())
        )


class Unreadable(Exception):
    """Says why a letter is for the dead letters."""


def seal_event(event: Event, origin: str, number: int) -> Letter:
    """`number` tells an origin's live events apart, which have no `seq`.

    Raises `TypeError` for what JSON cannot say; so do the others.
    """
    key = _key(event.execution_id)
    return _seal(
        EVENT,
        event.to_dict(),
        origin,
        id=str(event.seq) if event.seq else f"{origin}.{number}",
        source=f"/assay/executions/{quote(key, safe='')}",
        type=f"assay.{event.type}",
        time=event.at,
        key=key,
    )


def read_event(letter: Letter) -> Event:
    """Raises `Unreadable`."""
    data = _open(letter, EVENT)
    try:
        event = Event.from_dict(data)
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable(f"no event: {error}") from error
    if not isinstance(event.execution_id, str) or type(event.seq) is not int:
        raise Unreadable("no event: execution_id must be text and seq a number")
    if not isinstance(event.data, dict):
        raise Unreadable("no event: data must be a mapping")
    return event


def seal_ring(execution_id: str, origin: str, number: int) -> Letter:
    return _seal(RING, {"execution_id": execution_id}, origin, id=f"{origin}.{number}")


def read_ring(letter: Letter) -> str:
    """The id of the execution to look at. Raises `Unreadable`."""
    execution_id = _open(letter, RING).get("execution_id")
    if not isinstance(execution_id, str):
        raise Unreadable("no ring: execution_id must be text")
    return execution_id


def seal_control(message: Mapping[str, Any], origin: str, number: int) -> Letter:
    return _seal(CONTROL, dict(message), origin, id=f"{origin}.{number}")


def read_control(letter: Letter) -> dict[str, Any]:
    """Raises `Unreadable`."""
    return _open(letter, CONTROL)


def bury(letter: Letter, reason: str, topic: str, message_id: str) -> Letter:
    """The same letter for the dead letters, with the reason and where it was."""
    kept = dict(list(letter.attributes.items())[:_ATTRIBUTES])
    said = {"reason": reason, "topic": topic, "message-id": message_id, "at": _now()}
    return Letter(letter.data, {**kept, **{f"dead-{n}": _cut(v) for n, v in said.items()}})


def _seal(
    kind: str,
    data: Mapping[str, Any],
    origin: str,
    *,
    id: str,
    source: str = "/assay",
    type: str = "",
    time: str = "",
    key: str = "",
) -> Letter:
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-source": source,
        "ce-type": type or f"assay.{kind}",
        "ce-time": time or _now(),
        "ce-dataschema": _schema(kind),
        "ce-origin": origin,
        "content-type": "application/json",
    }
    return Letter(orjson.dumps(data), attributes, key)


def _open(letter: Letter, kind: str) -> dict[str, Any]:
    if letter.attributes.get("ce-specversion") != "1.0":
        raise Unreadable("no CloudEvent 1.0: the attribute ce-specversion is not 1.0")
    schema = letter.attributes.get("ce-dataschema", "")
    if schema != _schema(kind):
        raise Unreadable(f"unknown schema {schema!r}; this Assay reads {_schema(kind)!r}")
    try:
        data = orjson.loads(letter.data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the data are not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Unreadable("the data are not a JSON object")
    return data


def _schema(kind: str) -> str:
    return f"urn:assay:{kind}:{VERSION}"


def _key(execution_id: str) -> str:
    """The execution's ordering key: its id, unless that cannot be one."""
    if 0 < len(quote(execution_id, safe="")) <= ATTRIBUTE // 2:
        return execution_id
    return "sha256." + hashlib.sha256(execution_id.encode("utf-8", "surrogatepass")).hexdigest()


def _cut(text: str) -> str:
    return text.encode()[:ATTRIBUTE].decode(errors="ignore")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
