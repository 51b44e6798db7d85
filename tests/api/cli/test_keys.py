"""Keys as whoever runs a server makes them: told once, listed without their secret, revoked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Tell


def test_a_key_is_told_once_and_listed_without_its_secret(tell: Tell, desk: Path) -> None:
    created = tell("keys", "create", "ci", "--role", "operator", "--scope", "build-*")
    first, secret = created.out.splitlines()
    listed = tell("keys", "list")

    assert created.code == 0
    assert first.endswith("for ci: operator, restricted; it is told this one time:")
    assert secret.startswith("assay_")
    assert listed.out == f"{secret.split('_')[1]}  operator, restricted on build-*  ci\n"
    assert secret not in tell("keys", "list", "--json").out
    kept = [file for file in (desk / ".assay").rglob("*") if file.is_file()]
    assert kept
    assert not any(secret.encode() in file.read_bytes() for file in kept)


def test_it_is_told_as_json(tell: Tell) -> None:
    created = json.loads(tell("keys", "create", "ci", "--expires", "30d", "--json").out)
    (listed,) = json.loads(tell("keys", "list", "--json").out)

    assert created["secret"].startswith(f"assay_{created['id']}_")
    assert created["role"] == "viewer"
    assert listed == {key: value for key, value in created.items() if key != "secret"}
    assert listed["expires_at"] > listed["created_at"]


def test_its_profile_is_its_own_or_that_of_its_role(tell: Tell) -> None:
    for given, profile in [
        (["--role", "admin"], "trusted"),
        (["--role", "admin", "--profile", "standard"], "standard"),
        (["--role", "editor"], "restricted"),
        (["--role", "operator", "--profile", "trusted"], "trusted"),
    ]:
        created = json.loads(tell("keys", "create", "ci", *given, "--json").out)
        assert created["profile"] == profile


def test_there_are_none_at_first_and_after_the_last_is_revoked(tell: Tell) -> None:
    assert tell("keys", "list").out == "there are no keys\n"
    id = json.loads(tell("keys", "create", "ci", "--json").out)["id"]
    revoked = tell("keys", "revoke", id)

    assert (revoked.code, revoked.out) == (0, f"revoked {id}, the key of ci\n")
    assert tell("keys", "list").out == "there are no keys\n"


def test_a_tenant_has_keys_of_its_own(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TENANTS", "blue")
    secret = tell("keys", "create", "ci", "--tenant", "blue").out.splitlines()[-1]

    assert secret.startswith("assay_blue_")
    assert tell("keys", "list").out == "there are no keys\n"
    assert "ci" in tell("keys", "list", "--tenant", "blue").out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["create", "ci", "--role", "king"], "'king' is not a role; there are: viewer, operator"),
        (["create", "ci", "--profile", "lax"], "'lax' is not a security profile; there are"),
        (["create", " "], "A key needs a name"),
        (["create", "x" * 201], "of 1 to 200 characters"),
        (["create", "ci", "--expires", "soon"], "--expires"),
        (["create", "ci", "--expires", "0s"], "cannot expire before it exists"),
        (["create", "ci", "--tenant", "red"], "there is no tenant 'red'"),
        (["revoke", "nobody"], "there is no key 'nobody'; assay keys list shows"),
    ],
)
def test_what_makes_no_sense_is_refused(tell: Tell, given: list[str], says: str) -> None:
    told = tell("keys", *given)

    assert (told.code, told.out) == (2, "")
    assert says in told.err


def test_names_cannot_draw_on_the_terminal(tell: Tell) -> None:
    tell("keys", "create", "a\x1b[31mb")

    assert "\x1b" not in tell("keys", "list").out
