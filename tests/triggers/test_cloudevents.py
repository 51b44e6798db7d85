"""What other programs send, read: both modes of CloudEvents, JSON, text, and what is neither."""

from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.triggers.cloudevents import Came, Unreadable, read

EVENT = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "order.placed"}


def test_in_binary_mode_the_attributes_say_what_the_data_are() -> None:
    said = {"Ce-Id": "7", "ce-source": "/shop", "ce-type": "order.placed", "X-Other": "1"}
    came = read(b'{"total": 3}', said)
    assert came.payload == {"total": 3}
    assert came.id == "/shop 7"
    assert came.attributes == {
        "ce-id": "7",
        "ce-source": "/shop",
        "ce-type": "order.placed",
        "x-other": "1",
    }


def test_in_structured_mode_everything_is_in_the_data() -> None:
    body = orjson.dumps({**EVENT, "data": {"total": 3}, "sequence": 5, "subject": None})
    came = read(body, {"Content-Type": "application/cloudevents+json; charset=utf-8"})
    assert came.payload == {"total": 3}
    assert came.id == "/shop 7"
    assert came.attributes["ce-type"] == "order.placed"
    assert came.attributes["ce-sequence"] == "5"
    assert "ce-subject" not in came.attributes


@pytest.mark.parametrize(
    ("kind", "raw", "payload"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("text/plain", b"12", "12"),
        ("", b"hello", "hello"),
    ],
)
def test_in_structured_mode_data_may_be_in_base64(kind: str, raw: bytes, payload: object) -> None:
    encoded = base64.b64encode(raw).decode()
    event = {**EVENT, "data_base64": encoded, "datacontenttype": kind}
    came = read(orjson.dumps(event), {"content-type": "application/cloudevents+json"})
    assert came.payload == payload


@pytest.mark.parametrize(
    ("data", "kind", "payload"),
    [
        (b"", "", None),
        (b'{"a": [1]}', "", {"a": [1]}),
        (b"12", "text/plain", "12"),
        (b"not json", "", "not json"),
        ("grün".encode(), "text/plain; charset=utf-8", "grün"),
    ],
)
def test_what_is_no_cloud_event_is_json_or_text(data: bytes, kind: str, payload: object) -> None:
    assert read(data, {"content-type": kind}) == Came(payload, {"content-type": kind})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xfe", ""),
        (b"{", "application/json"),
        (b"{", "application/cloudevents+json"),
        (b"[]", "application/cloudevents+json"),
        (b'{"id": "7"}', "application/cloudevents+json"),
        (orjson.dumps({**EVENT, "id": 7}), "application/cloudevents+json"),
        (orjson.dumps({**EVENT, "data_base64": "%"}), "application/cloudevents+json"),
        (orjson.dumps({**EVENT, "data_base64": 7}), "application/cloudevents+json"),
    ],
)
def test_what_nobody_can_read_says_why(data: bytes, kind: str) -> None:
    with pytest.raises(Unreadable, match=r"\w"):
        read(data, {"content-type": kind})


KINDS = st.text() | st.sampled_from(["application/json", "application/cloudevents+json"])


@given(
    st.binary() | st.dictionaries(st.sampled_from([*EVENT, "data"]), st.text()).map(orjson.dumps),
    st.dictionaries(st.sampled_from(["content-type", "ce-id", "ce-source"]), KINDS),
)
def test_whatever_comes_is_read_or_refused(data: bytes, said: dict[str, str]) -> None:
    try:
        came = read(data, said)
    except Unreadable:
        return
    orjson.dumps(came.payload)
