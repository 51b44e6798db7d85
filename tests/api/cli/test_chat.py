"""People on chat platforms, as whoever runs a server lets them do things."""

from __future__ import annotations

import json

import pytest

from .conftest import Tell


def test_somebody_is_allowed_listed_and_forbidden_again(tell: Tell) -> None:
    allowed = tell("chat", "allow", "slack", "T1/U2", "--name", "ada", "--scope", "build-*")
    listed = tell("chat", "list")
    forbidden = tell("chat", "forbid", "slack", "T1/U2")

    assert allowed.out == "chat:slack:T1/U2, ada: operator, restricted\n"
    assert listed.out == "chat:slack:T1/U2  operator, restricted on build-*  ada\n"
    assert forbidden.out == "chat:slack:T1/U2 may nothing any more\n"
    assert tell("chat", "list").out == "nobody on a chat platform was allowed anything\n"


def test_who_is_allowed_again_may_only_that(tell: Tell) -> None:
    tell("chat", "allow", "json", "/ada", "--role", "admin")
    tell("chat", "allow", "json", "/ada", "--role", "viewer")

    (person,) = json.loads(tell("chat", "list", "--json").out)
    assert (person["id"], person["role"], person["name"]) == ("chat:json:/ada", "viewer", "/ada")


def test_people_are_no_keys(tell: Tell) -> None:
    tell("chat", "allow", "slack", "T1/U2")

    assert tell("keys", "list").out == "there are no keys\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("allow", "slack", "U2"), "write TEAM/USER"),
        (("allow", "slack", "T/U", "--role", "boss"), "is not a role"),
        (("allow", "slak", "T/U"), "'slak' is no chat platform; did you mean 'slack'?"),
        (("forbid", "slack", "T/U"), "was allowed nothing"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], says: str, tell: Tell) -> None:
    told = tell("chat", *words)

    assert told.code == 2
    assert says in told.err
