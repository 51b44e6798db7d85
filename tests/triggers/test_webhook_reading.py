"""What a delivery says, as the expressions of a trigger see it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.errors import InvalidInput
from assay.triggers.webhooks.delivery import Delivery
from assay.triggers.webhooks.reading import DEEPEST, handshake, read

from .signing import WAYS, verify_as

NONE = verify_as("none")
JSON = "application/json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"


def said(body: bytes, kind: str = JSON, **headers: str) -> Delivery:
    return Delivery(
        body, {"content-type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    )


@pytest.mark.parametrize(
    ("body", "kind", "payload"),
    [
        (b'{"a": [1]}', JSON, {"a": [1]}),
        (b"7", "application/vnd.github+json", 7),
        (b"", JSON, None),
        (b"a=1&b=x+y&b=%E2%82%AC", FORM, {"a": "1", "b": ["x y", "\u20ac"]}),
        (b"a=", FORM, {"a": ""}),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        (b'{"a": 1}', "", {"a": 1}),
        (b"hello", "", "hello"),
        (b"", "", None),
    ],
)
def test_the_payload_is_json_a_form_or_text(body: bytes, kind: str, payload: Any) -> None:
    assert read(NONE, said(body, kind)).payload == payload


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", JSON),
        (b"NaN", JSON),
        (b'"\\ud800"', JSON),
        (b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2), JSON),
        (b"\xff\xfe", "text/plain"),
        (b"a=%ff", FORM),
        (b"&".join(b"a=1" for _ in range(2000)), FORM),
        (b"[]", "application/cloudevents+json"),
        (b'{"id": "1"}', "application/cloudevents+json"),
        (b'{"id": "1", "source": "s", "data_base64": "?"}', "application/cloudevents+json"),
        (b'{"id": "1", "source": "s", "data_base64": 7}', "application/cloudevents+json"),
        (b"[]", "application/cloudevents-batch+json"),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(InvalidInput):
        read(NONE, said(body, kind))


@pytest.mark.parametrize("scheme", ["github", "slack"])
def test_a_form_that_holds_json_is_that_json(scheme: str) -> None:
    body = urlencode({"payload": '{"action": "opened"}'}).encode()

    assert read(verify_as(scheme), said(body, FORM)).payload == {"action": "opened"}
    assert read(NONE, said(body, FORM)).payload == {"payload": '{"action": "opened"}'}


def test_attributes_are_headers_and_parameters_without_any_credential() -> None:
    sent = Delivery(
        b"",
        {
            "x-github-event": "push",
            "host": "assay.example",
            "authorization": "Bearer x",
            "cookie": "session=1",
            "proxy-authorization": "x",
            "x-api-key": "x",
            "x-hub-signature-256": "x",
            "x-gitlab-token": "x",
            "webhook-signature": "x",
            "x-proof": "x",
        },
        [("branch", "main"), ("access_token", "x"), ("host", "elsewhere.example")],
    )
    verify = verify_as("bearer", header="X-Proof")

    assert read(verify, sent).attributes == {
        "x-github-event": "push",
        "host": "assay.example",
        "branch": "main",
    }


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_no_scheme_leaves_what_proves_its_sender_where_expressions_see_it(way: Any) -> None:
    sent = way.sends()
    beside = ("content-type", "x-id", "x-github-delivery", "webhook-id", "idempotency-key")
    proof = {value for name, value in sent.headers.items() if name not in beside}
    shown = read(way.verify, sent).attributes.values()

    assert not {each for each in proof & set(shown) if not each.isdigit()}


def test_a_cloud_event_in_headers_is_its_data_and_has_a_name() -> None:
    sent = said(b'{"a": 1}', ce_specversion="1.0", ce_id="7", ce_source="/shop", ce_type="order")
    told = read(NONE, sent)

    assert (told.payload, told.event) == ({"a": 1}, "/shop 7")
    assert told.attributes["ce-type"] == "order"


@pytest.mark.parametrize(
    "data",
    [
        {"data": {"a": 1}},
        {"data_base64": base64.b64encode(b'{"a": 1}').decode()},
    ],
)
def test_a_cloud_event_in_one_piece_is_its_data_and_has_a_name(data: dict[str, Any]) -> None:
    event = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "order", "mine": "x"}
    told = read(NONE, said(orjson.dumps({**event, **data}), "application/cloudevents+json"))

    assert (told.payload, told.event) == ({"a": 1}, "/shop 7")
    assert told.attributes["ce-type"] == "order"
    assert told.attributes["ce-mine"] == "x"
    assert not any("data" in name for name in told.attributes)


def test_whoever_only_tries_is_answered() -> None:
    ping, challenge = said(b"{}", x_github_event="ping"), said(b"{}")

    assert handshake(verify_as("github"), ping, {"zen": "…"}) == {"pong": True}
    assert handshake(verify_as("github"), said(b"{}", x_github_event="push"), {}) is None
    trial = {"type": "url_verification", "challenge": "3eZb"}
    assert handshake(verify_as("slack"), challenge, trial) == {"challenge": "3eZb"}
    assert handshake(verify_as("hmac", header="x"), challenge, trial) is None


@settings(deadline=None)
@given(
    body=st.binary(max_size=200),
    kind=st.sampled_from([JSON, FORM, "text/plain", "", "application/cloudevents+json"]),
    scheme=st.sampled_from(["none", "github", "slack"]),
)
def test_whatever_comes_is_json_or_refused(body: bytes, kind: str, scheme: str) -> None:
    try:
        told = read(verify_as(scheme), said(body, kind))
    except InvalidInput:
        return
    orjson.dumps([told.payload, dict(told.attributes)])
