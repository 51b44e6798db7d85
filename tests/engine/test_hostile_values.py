"""Values with quotes, commands and control characters reach their place unchanged; none runs."""

from __future__ import annotations

import pytest

from ..running import House
from ..servers import http_site

pytestmark = pytest.mark.anyio

NASTY = {
    "quotes": """it's "quoted" `twice`""",
    "a command behind a semicolon": "x; touch canary",
    "a command behind an ampersand": "x & touch canary && touch canary",
    "a substitution": "$(touch canary)",
    "backticks": "`touch canary`",
    "a variable": "$HOME ${PATH} $1 $$",
    "arithmetic": "$((a[$(touch canary)]))",
    "a redirection": "> canary",
    "a pipe": "| touch canary",
    "line breaks": "first\nsecond\ttabbed\rreturned",
    "the end of a here-document": "EOF\ntouch canary\nEOF",
    "the end of quotes, then a command": "'; touch canary; echo '",
    "the end of double quotes, then a command": '"; touch canary; echo "',
    "a template": "{{ inputs.secret }} {{ 1 + 1 }}",
    "a pattern": "* ? [a-z] ~ {a,b}",
    "an option": "-n --help",
    "backslashes": "\\n \\ \\\\ \\$(touch canary)",
    "history": "!! !$",
    "control characters": "\x01\x07\x1b[31m\x7f",
    "other scripts": "日本語 🎉 e\u0301 \u202e",
}
nasty = pytest.mark.parametrize("value", NASTY.values(), ids=list(NASTY))


PLACES = """
    name: places
    inputs: {v: {type: string, required: true}}
    steps:
      - {id: bare, type: shell, command: "printf %s {{ inputs.v }} >bare"}
      - {id: double, type: shell, command: 'printf %s "{{ inputs.v }}" >double'}
      - {id: single, type: shell, command: "printf %s '{{ inputs.v }}' >single"}
      - {id: within, type: shell, command: 'printf %s "$(printf %s {{ inputs.v }})" >within'}
      - id: document
        type: shell
        command: |
          cat >document <<EOF
          {{ inputs.v }}
          EOF
      - id: quoted_document
        type: shell
        command: |
          cat >quoted_document <<'EOF'
          $(touch canary) {{ inputs.v }}
          EOF
      - {id: variable, type: shell, command: 'printf %s "$V" >variable', env: {V: "{{ inputs.v }}"}}
"""


@nasty
async def test_a_value_reaches_every_place_of_a_command_byte_for_byte(
    house: House, value: str
) -> None:
    execution = await house.run(PLACES, {"v": value})

    assert execution.status == "completed", execution.error
    written = {f.name: f.read_bytes().decode() for f in house.workspace.iterdir()}
    assert written == {
        **dict.fromkeys(("bare", "double", "single", "within", "variable"), value),
        "document": value + "\n",
        "quoted_document": f"$(touch canary) {value}\n",
    }


@nasty
async def test_a_value_reaches_a_file_byte_for_byte(house: House, value: str) -> None:
    execution = await house.run(
        """
        name: w
        inputs: {v: {type: string, required: true}}
        steps:
          - id: write
            type: skill
            skill: file-write
            inputs: {path: out, content: "{{ inputs.v }}"}
        """,
        {"v": value},
    )

    assert execution.status == "completed", execution.error
    assert [f.name for f in house.workspace.iterdir()] == ["out"]
    assert (house.workspace / "out").read_bytes() == value.encode()


@nasty
async def test_a_value_reaches_the_path_query_and_body_of_a_request(
    house: House, value: str
) -> None:
    with http_site() as (address, site):
        execution = await house.run(
            f"""
            name: w
            inputs: {{v: {{type: string, required: true}}}}
            steps:
              - id: post
                type: http
                method: POST
                url: "{address}/a/{{{{ inputs.v }}}}/b?c={{{{ inputs.v }}}}"
                body: {{value: "{{{{ inputs.v }}}}"}}
            """,
            {"v": value},
        )

    assert execution.status == "completed", execution.error
    (request,) = site.requests
    assert request.path_segments == ["a", value, "b"]
    assert request.query == {"c": [value]}
    assert request.json() == {"value": value}


async def test_a_nul_in_a_command_fails_the_step_before_it_starts(house: House) -> None:
    execution = await house.run(PLACES, {"v": "x\0y"})

    assert execution.status == "failed"
    assert execution.error is not None
    assert "NUL" in execution.error.message
    assert execution.error.path == "bare"
    assert list(house.workspace.iterdir()) == []


async def test_a_nul_in_a_path_is_refused(house: House) -> None:
    execution = await house.run(
        """
        name: w
        inputs: {v: {type: string, required: true}}
        steps:
          - {id: read, type: skill, skill: file-read, inputs: {path: "{{ inputs.v }}"}}
        """,
        {"v": "x\0y"},
    )

    assert execution.error is not None
    assert (execution.error.code, execution.error.path) == ("not_allowed", "read")


async def test_a_template_in_a_value_is_never_evaluated(house: House) -> None:
    execution = await house.run(
        """
        name: w
        inputs: {v: {type: string, required: true}}
        steps:
          - {id: one, type: skill, skill: echo, inputs: {message: "{{ inputs.v }}"}}
          - {id: two, type: skill, skill: echo, inputs: {message: "{{ one.output }}"}}
        """,
        {"v": "{{ 1 + 1 }}"},
    )

    assert execution.steps["two"].output == "{{ 1 + 1 }}"
