"""Where secrets may be named, where they come from, and that they are masked in any form."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.errors import ConfigurationError
from assay.graphs.secrets import Secrets, Veil, of_tenant, public

from ..running import load, refused

GITHUB = "gh canary+/=é"
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQ\n-----END KEY-----"


@pytest.fixture
def secrets() -> Secrets:
    return Secrets({"ASSAY_SECRET_GITHUB": GITHUB, "ASSAY_SECRET_MY_KEY": PEM, "OTHER": "plain"})


def test_a_secret_is_found_by_its_name(secrets: Secrets) -> None:
    assert secrets.resolve("github") == GITHUB
    assert secrets.filled("Bearer secret://github, secret://my-key") == f"Bearer {GITHUB}, {PEM}"


def test_a_file_comes_first_and_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "github").write_text("from the file\n")
    secrets = Secrets({"ASSAY_SECRETS": str(tmp_path), "ASSAY_SECRET_GITHUB": "variable"})

    before = secrets.resolve("github")
    (tmp_path / "github").write_text("after rotation")

    assert (before, secrets.resolve("github")) == ("from the file", "after rotation")
    masked = secrets.masked(["from the file", "after rotation", "a variable"])
    assert masked == ["[secret github]", "[secret github]", "a [secret github]"]


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "set ASSAY_SECRET_GIT_HUB, or ASSAY_SECRETS=FOLDER"),
        ({"ASSAY_SECRET_GIT_HUB": "short"}, "fewer than 8 characters"),
    ],
)
def test_what_is_no_secret_is_said_with_what_to_do(environ: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Secrets(environ).resolve("git-hub")


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ASSAY_SECRETS"):
        Secrets({"ASSAY_SECRETS": str(tmp_path / "none")})


@pytest.mark.parametrize(
    "form",
    [
        GITHUB,
        json.dumps(GITHUB)[1:-1],
        quote(GITHUB),
        quote(GITHUB, safe=""),
        base64.b64encode(GITHUB.encode()).decode(),
    ],
)
def test_a_secret_is_masked_however_it_is_written(secrets: Secrets, form: str) -> None:
    value = {"a": [f"x{form}y", 1, None], form: form}
    if form == quote(GITHUB):
        form = quote(GITHUB, safe="")  # only this way of the two is known

    masked = json.dumps(secrets.masked({"a": [f"x{form}y", 1, None], form: form}))

    assert masked.count("[secret github]") == 3
    assert "canary" not in masked or form in json.dumps(value)


def test_lines_of_a_long_secret_are_masked_one_by_one(secrets: Secrets) -> None:
    printed = "\n".join(f"| {line}" for line in PEM.splitlines())

    assert "MIIE" not in secrets.masked(printed)


@given(st.lists(st.sampled_from([GITHUB[:4], GITHUB[4:], GITHUB, "g", "gh ", "x", "\n"])))
def test_a_veil_lets_nothing_through_wherever_a_text_is_cut(pieces: list[str]) -> None:
    secrets = Secrets({"ASSAY_SECRET_GITHUB": GITHUB})
    veil = Veil(secrets)

    told = [veil.pass_on(piece) for piece in pieces]
    told.append(veil.pass_on("", last=True))

    assert "".join(told) == secrets.masked("".join(pieces))


def test_a_veil_holds_back_no_more_than_it_must() -> None:
    veil = Veil(Secrets({"ASSAY_SECRET_GITHUB": GITHUB}))

    assert veil.pass_on("a line\n") == "a line\n"
    assert veil.pass_on("and gh") == "and "
    assert veil.pass_on(" other") == "gh other"


def test_programs_see_no_secret_and_tenants_only_their_own(tmp_path: Path) -> None:
    environ = {"PATH": "/bin", "ASSAY_SECRET_A": "x", "ASSAY_SECRETS": str(tmp_path)}
    bot = {"ASSAY_SLACK_BOT_TOKEN": "x", "ASSAY_JSON_SECRET": "x"}
    (tmp_path / "tenants" / "acme").mkdir(parents=True)

    assert public({**environ, **bot}) == {"PATH": "/bin"}
    assert of_tenant(environ, "") == environ
    assert of_tenant(environ, "other") == {"PATH": "/bin"}
    own = str(tmp_path / "tenants" / "acme")
    assert of_tenant(environ, "acme") == {"PATH": "/bin", "ASSAY_SECRETS": own}


NOWHERE = "anywhere else it would be written down"


@pytest.mark.parametrize(
    "step",
    [
        "- {id: a, type: shell, command: ¶echo secret://x}",
        "- {id: a, type: agent, prompt: ¶Use secret://x.}",
        "- {id: a, type: emit, event: e, payload: {k: ¶secret://x}}",
        "- {id: a, type: http, url: ¶'https://h/?k=secret://x'}",
        "- {id: a, type: skill, skill: echo, inputs: {message: ¶secret://x}}",
        "- {id: a, type: agent, prompt: x, mcp: [{name: m, url: 'http://x/', allow: [¶secret://x]}]}",
        "- {id: a, type: parallel, steps: [{id: b, type: shell, command: ¶echo secret://x}]}",
    ],
)
def test_a_secret_that_would_be_written_down_is_refused(step: str) -> None:
    refused(step, NOWHERE)


def test_a_secret_without_a_name_is_refused() -> None:
    refused("- {id: a, type: shell, command: x, env: {K: ¶'secret://{{ env.X }}'}}", "by a name")


def test_secrets_are_named_where_they_are_used_and_spoken_of_in_prose() -> None:
    load("""
        - {id: a, type: shell, command: x, env: {K: secret://x}, description: takes secret://x}
        - {id: b, type: http, url: 'https://h/', headers: {K: Bearer secret://x.y}, body: {k: [secret://z]}}
        - id: c
          type: agent
          prompt: x
          mcp: [{name: m, url: 'http://x/', allow: [y], headers: {K: Bearer secret://x}}]
    """)
