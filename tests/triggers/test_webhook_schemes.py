"""Each scheme takes what its sender signs, and nothing that was made or changed by another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.errors import ConfigurationError
from assay.triggers.webhooks.delivery import Delivery, names
from assay.triggers.webhooks.verification import refusal

from .signing import BODY, NEW, NOW, OVER_BODY, SECRET, TIMED, WAYS, Way, verify_as

every = pytest.mark.parametrize("name", list(WAYS))


@every
def test_what_the_sender_signed_is_taken(name: str) -> None:
    way = WAYS[name]

    assert refusal(way.verify, [SECRET], way.sends(), NOW) is None


@pytest.mark.parametrize("name", OVER_BODY)
def test_a_body_that_was_altered_is_refused(name: str) -> None:
    way = WAYS[name]
    sent = way.sends()

    for altered in (BODY + b" ", BODY[:-1], b"", BODY.replace(b"2", b"3", 1)):
        assert refusal(way.verify, [SECRET], replace(sent, body=altered), NOW) is not None


@every
def test_another_secret_is_refused(name: str) -> None:
    way = WAYS[name]

    assert refusal(way.verify, [NEW], way.sends(), NOW) is not None


@every
def test_while_a_secret_changes_both_are_taken_and_a_third_is_not(name: str) -> None:
    way, third = WAYS[name], SECRET[:-1] + "g"

    for secret in (SECRET, NEW):
        assert refusal(way.verify, [SECRET, NEW], way.sends(secret=secret), NOW) is None
    assert refusal(way.verify, [SECRET, NEW], way.sends(secret=third), NOW) is not None


def test_a_new_secret_that_is_none_leaves_the_old_one_in_its_rights() -> None:
    way, none = WAYS["standard"], "no base64 at all!"

    for secrets in ([none, SECRET], [SECRET, none]):
        assert refusal(way.verify, secrets, way.sends(), NOW) is None
        with pytest.raises(ConfigurationError, match="base64"):
            refusal(way.verify, secrets, way.sends(secret=NEW), NOW)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("late", [301, -301, 10**9])
def test_what_was_signed_too_long_ago_or_in_the_future_is_refused(name: str, late: int) -> None:
    way = WAYS[name]

    assert refusal(way.verify, [SECRET], way.sends(), NOW + late) is not None
    assert refusal(way.verify, [SECRET], way.sends(), NOW + (300 if late > 0 else -300)) is None


@pytest.mark.parametrize("name", TIMED)
def test_a_time_that_was_altered_is_refused(name: str) -> None:
    way = WAYS[name]
    sent = way.sends()
    moved = {k: str(NOW + 600) if v == str(NOW) else v for k, v in sent.headers.items()}

    assert refusal(way.verify, [SECRET], Delivery(sent.body, moved), NOW + 600) is not None


@every
def test_nothing_is_taken_without_any_of_its_headers(name: str) -> None:
    way = WAYS[name]
    sent = way.sends()
    proof = [h for h in sent.headers if h not in ("content-type", "x-id", "x-github-delivery")]

    for header in set(proof) - {"idempotency-key"}:
        left = {k: v for k, v in sent.headers.items() if k != header}
        assert refusal(way.verify, [SECRET], Delivery(sent.body, left), NOW) is not None


@every
@pytest.mark.parametrize("text", ["", " ", "v1", "v1,", "v1,\xff", ",,", "sha256=", "v0=", "\xe9"])
def test_signatures_that_are_none_are_refused(name: str, text: str) -> None:
    way = WAYS[name]
    sent = way.sends()
    headers = dict.fromkeys(sent.headers, text)

    assert refusal(way.verify, [SECRET], Delivery(sent.body, headers), NOW) is not None


@settings(deadline=None)
@given(
    name=st.sampled_from(list(WAYS)),
    body=st.binary(max_size=50),
    headers=st.dictionaries(
        st.sampled_from([h for way in WAYS.values() for h in way.sends().headers]),
        st.text(st.characters(max_codepoint=255), max_size=40),
    ),
)
def test_nobody_guesses_what_is_taken(name: str, body: bytes, headers: dict[str, str]) -> None:
    assert refusal(WAYS[name].verify, [SECRET], Delivery(body, headers), NOW) is not None


def test_without_a_scheme_everything_is_taken() -> None:
    assert refusal(verify_as("none"), [], Delivery(b"anything"), NOW) is None


def test_the_vector_of_standard_webhooks() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1a,x v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert refusal(verify_as("standard"), [SECRET], Delivery(BODY, headers), NOW) is None


def test_the_vector_of_github() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    sent = Delivery(b"Hello, World!", {"x-hub-signature-256": signature})

    assert refusal(verify_as("github"), ["It's a Secret to Everybody"], sent, NOW) is None


def test_the_vector_of_slack() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    sent, secret = Delivery(body, headers), "8f742231b10e8888abcd99yyyzzz85a5"

    assert refusal(verify_as("slack"), [secret], sent, 1531420618) is None


@pytest.mark.parametrize("secret", ["whsec_ä", "whsec_", "whsec_no base 64!", "a password"])
def test_a_secret_that_is_no_base64_is_said_to_who_runs_the_server(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="base64"):
        refusal(verify_as("standard"), [secret], WAYS["standard"].sends(), NOW)


def test_an_id_that_is_signed_cannot_be_changed() -> None:
    way = verify_as("hmac", header="x-signed", id_header="x-id", signed="{id}:{body}")
    signed = Way("hmac", {"header": "x-signed"}).sends(b"7:hello").headers["x-signed"]
    headers = {"x-signed": signed, "x-id": "7"}

    assert refusal(way, [SECRET], Delivery(b"hello", headers), NOW) is None
    assert refusal(way, [SECRET], Delivery(b"hello", {**headers, "x-id": "8"}), NOW) is not None


@every
def test_a_delivery_that_comes_again_has_the_same_name_and_another_one_another(name: str) -> None:
    way = WAYS[name]
    other = way.sends(b"{}", id="msg_2")

    first, again = (names(way.verify, way.sends(), None, NOW + late) for late in (0, 60))

    assert first
    assert set(first) & set(again)
    assert not set(first) & set(names(way.verify, other, None, NOW))


def test_deliveries_of_one_event_of_gitlab_are_told_apart() -> None:
    """What a delivery causes has the same X-Gitlab-Event-UUID."""
    same = {"x-gitlab-event-uuid": "1"}
    one, other = (
        names(verify_as("gitlab"), Delivery(BODY, {**same, "x-gitlab-webhook-uuid": id}), None, NOW)
        for id in "ab"
    )

    assert one != other
    assert names(verify_as("gitlab"), Delivery(BODY, same), None, NOW) == []


def test_an_event_of_slack_keeps_its_name_when_it_is_sent_again() -> None:
    way, body = WAYS["slack"], b'{"event_id": "Ev1", "type": "event_callback"}'
    first, again = (names(way.verify, way.sends(body, at=NOW + late), None, NOW) for late in (0, 9))

    assert first == again == ["id/Ev1"]


def test_what_is_signed_without_a_name_is_known_again_over_the_end_of_a_window() -> None:
    way = Way("hmac", {"header": "X-Signed"})
    end = (NOW // 300 + 1) * 300

    before, after = (names(way.verify, way.sends(), None, end + late) for late in (-1, 1))

    assert before[0] == after[1]
    assert before[0] != after[0]


def test_who_only_shows_a_token_sends_another_delivery_each_time() -> None:
    assert names(verify_as("bearer"), Delivery(BODY), None, NOW) == []
    assert names(verify_as("none"), Delivery(BODY), None, NOW) == []


def test_a_key_for_idempotency_or_a_cloud_event_names_a_delivery() -> None:
    keyed = Delivery(BODY, {"idempotency-key": "k"})

    assert names(verify_as("bearer"), keyed, None, NOW) == ["id/k"]
    assert names(verify_as("bearer"), keyed, "/shop 7", NOW) == ["event//shop 7"]
