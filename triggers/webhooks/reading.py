"""What a delivery says: its payload, text about it, and the CloudEvent that it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from ...graphs.errors import InvalidInput
from .. import cloudevents
from ..cloudevents import STRUCTURED, Unreadable

if TYPE_CHECKING:
    from .delivery import Delivery
    from .trigger import WebhookVerify

DEEPEST = 64
"""Levels of JSON."""

_FORM = "application/x-www-form-urlencoded"
_FIELDS = 1000
"""Fields of a form, at most."""


@dataclass(frozen=True, slots=True)
class Told:
    """`event` is the name of a CloudEvent, of its source and its id; None: it is none."""

    payload: Any
    attributes: Mapping[str, str]
    event: str | None = None


def read(verify: WebhookVerify, delivery: Delivery) -> Told:
    """JSON parsed, a form as a mapping, anything else as text; of a CloudEvent its data.

    Attributes are the parameters of the query and the headers, but for what proves who sent
    it; those of a CloudEvent are `ce-id`, `ce-type` and so on, however they came. Raises
    `InvalidInput`.
    """
    attributes = dict(_attributes(verify, delivery))
    if delivery.kind.startswith("application/cloudevents"):
        return _structured(delivery, attributes)
    payload = _payload(verify, delivery)
    id, source = (delivery.header(f"ce-{name}") for name in ("id", "source"))
    binary = bool(delivery.header("ce-specversion") and id and source)
    return Told(payload, attributes, f"{source} {id}" if binary else None)


def handshake(verify: WebhookVerify, delivery: Delivery, payload: Any) -> Mapping[str, Any] | None:
    """What a sender wants to hear who only tries whether somebody listens; None: it is no trial."""
    if verify.scheme == "github" and delivery.header("x-github-event") == "ping":
        return {"pong": True}
    trial = isinstance(payload, dict) and payload.get("type") == "url_verification"
    if verify.scheme == "slack" and trial and isinstance(payload.get("challenge"), str):
        return {"challenge": payload["challenge"]}
    return None


def _attributes(verify: WebhookVerify, delivery: Delivery) -> Iterator[tuple[str, str]]:
    own = {(verify.header or "").lower()}
    for name, value in (*delivery.query, *delivery.headers.items()):
        shown = name.lower()
        if shown not in own and shown not in _LEFT_OUT and not any(w in shown for w in _SECRET):
            yield shown, value


_LEFT_OUT = frozenset({"connection", "content-length", "transfer-encoding"})
_SECRET = ("auth", "cookie", "jwt", "key", "password", "secret", "signature", "token")
"""A name with such a word in it is of something that nobody should read: a credential."""


def _payload(verify: WebhookVerify, delivery: Delivery) -> Any:
    kind = delivery.kind
    if kind == _FORM:
        form = _form(_text(delivery.body))
        if verify.scheme in ("github", "slack") and isinstance(inner := form.get("payload"), str):
            return _json(inner.encode())
        return form
    if kind == "application/json" or kind.endswith("+json"):
        return _json(delivery.body)
    if not kind and delivery.body[:1] in (b"{", b"["):
        return _json(delivery.body)
    return _text(delivery.body) or None


def _structured(delivery: Delivery, attributes: Mapping[str, str]) -> Told:
    if delivery.kind != STRUCTURED:
        raise InvalidInput(f"send one CloudEvent as {STRUCTURED}, not as {delivery.kind}")
    try:
        came = cloudevents.read(delivery.body, attributes)
    except Unreadable as error:
        raise InvalidInput(f"the body cannot be read: {error}") from error
    return Told(_bounded(came.payload), came.attributes, came.id)


def _json(text: bytes) -> Any:
    if not text.strip():
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error
    return _bounded(value)


def _bounded(value: Any) -> Any:
    if _deep(value):
        raise InvalidInput(f"JSON may be nested {DEEPEST} levels deep at most")
    return value


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the body is no text in UTF-8; send text, JSON or a form") from error


def _form(text: str) -> dict[str, Any]:
    """Each field's text, or a list of those of the same name."""
    form: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the form cannot be read: {error}") from error
    for name, value in pairs:
        if name not in form:
            form[name] = value
        elif isinstance(form[name], list):
            form[name].append(value)
        else:
            form[name] = [form[name], value]
    return form
