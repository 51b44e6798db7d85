"""CloudEvents over Pub/Sub: what is sealed is read; everything else is refused, with why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.event import Event, EventType
from assay.store.pubsub.envelope import (
    ATTRIBUTE,
    Letter,
    Unreadable,
    bury,
    read_control,
    read_event,
    read_ring,
    seal_control,
    seal_event,
    seal_ring,
)

texts = st.text(st.characters(codec="utf-8"), max_size=400)
json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
EVENT = Event("e", EventType.NOTICE, "2026-01-01T00:00:00Z", "a", {"n": 1}, 3)


@given(
    st.builds(
        Event,
        texts | texts.map(lambda text: text * 20),
        st.sampled_from(EventType),
        st.just("2026-01-01T00:00:00Z"),
        texts,
        st.dictionaries(texts, json, max_size=3),
        st.integers(0, 2**40),
    )
)
def test_an_event_is_read_as_it_was_sealed_and_fits_into_a_message(event: Event) -> None:
    letter = seal_event(event, "p1", 1)
    assert read_event(letter) == event
    assert 0 < len(letter.key.encode()) <= ATTRIBUTE
    assert all(0 < len(value.encode()) <= ATTRIBUTE for value in letter.attributes.values())


def test_a_cloud_event_says_what_it_is() -> None:
    attributes = dict(seal_event(EVENT, "p1", 1).attributes)
    assert attributes == {
        "ce-specversion": "1.0",
        "ce-id": "3",
        "ce-source": "/assay/executions/e",
        "ce-type": "assay.Notice",
        "ce-time": "2026-01-01T00:00:00Z",
        "ce-dataschema": "urn:assay:event:1",
        "ce-origin": "p1",
        "content-type": "application/json",
    }


def test_a_durable_event_has_one_id_whoever_sends_it_and_a_live_one_its_own() -> None:
    live = replace(EVENT, seq=0)
    assert seal_event(EVENT, "p1", 1).id == seal_event(EVENT, "p2", 2).id
    assert seal_event(live, "p1", 1).id != seal_event(live, "p1", 2).id


def test_rings_and_control_messages_are_read_as_they_were_sealed() -> None:
    assert read_ring(seal_ring("é/1", "p1", 1)) == "é/1"
    assert read_control(seal_control({"drain": ["w"]}, "p1", 1)) == {"drain": ["w"]}


@pytest.mark.parametrize(
    ("changes", "data", "why"),
    [
        ({"ce-specversion": "0.3"}, None, "CloudEvent"),
        ({"ce-dataschema": "urn:assay:event:2"}, None, "urn:assay:event:2"),
        ({"ce-dataschema": "urn:assay:ring:1"}, None, "urn:assay:ring:1"),
        ({}, b"\xff\x00", "JSON"),
        ({}, b"[]", "object"),
        ({}, b"{}", "no event"),
        ({}, b'{"execution_id":"e","type":"Unheard","at":"","seq":1}', "Unheard"),
        ({}, b'{"execution_id":1,"type":"Notice","at":"","seq":1}', "execution_id"),
        ({}, b'{"execution_id":"e","type":"Notice","at":"","seq":true}', "seq"),
        ({}, b'{"execution_id":"e","type":"Notice","at":"","data":[]}', "mapping"),
        ({}, b'{"execution_id":"e","type":"Notice","at":"","more":1}', "more"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    changes: dict[str, str], data: bytes | None, why: str
) -> None:
    sealed = seal_event(EVENT, "p1", 1)
    letter = Letter(data or sealed.data, {**sealed.attributes, **changes})
    with pytest.raises(Unreadable, match=why):
        read_event(letter)


@pytest.mark.parametrize("data", [b'{"execution_id": 1}', b"{}"])
def test_a_ring_names_an_execution(data: bytes) -> None:
    with pytest.raises(Unreadable, match="execution_id"):
        read_ring(replace(seal_ring("e", "p1", 1), data=data))


def test_a_dead_letter_is_the_letter_with_the_reason_within_what_pubsub_takes() -> None:
    crowded: dict[str, Any] = {f"n{number}": "v" for number in range(100)}
    dead = bury(Letter(b"\xff", crowded), "é" * 2000, "assay-events", "42")
    assert dead.data == b"\xff"
    assert len(dead.attributes) <= 100
    assert dead.attributes["dead-reason"] == "é" * (ATTRIBUTE // 2)
    assert dead.attributes["dead-topic"] == "assay-events"
    assert dead.attributes["dead-message-id"] == "42"
