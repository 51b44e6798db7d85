"""What may be touched is said before anything runs, as far as it is known."""

from __future__ import annotations

from typing import Any

import pytest

from assay.graphs.binding import BoundStep
from assay.graphs.expressions import default_engine
from assay.graphs.language import Language
from assay.graphs.load import Loader
from assay.graphs.preview import StepPreview, preview
from assay.graphs.rules import Catalogue
from assay.graphs.step import Family
from assay.graphs.steps import kinds

KINDS = kinds()
LOADER = Loader(Language(KINDS), default_engine, Catalogue())
INPUTS = {
    "host": {"type": "string", "default": "a.example"},
    "file": {"type": "string", "default": "out.txt"},
}


def family(bound: BoundStep) -> Family:
    return KINDS.get(bound.kind).family


def look(*steps: dict[str, Any], given: dict[str, Any] | None = None) -> list[StepPreview]:
    program = LOADER.mapping({"name": "test", "inputs": INPUTS, "steps": list(steps)})
    return list(preview(program, family, inputs=given, default_model="demo").steps)


def shell(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "shell", "command": "true", **more}


@pytest.mark.parametrize(
    ("url", "given", "host"),
    [
        ("https://api.example:8443/x?y=1", None, "api.example:8443"),
        ("https://user:secret@api.example/", None, "api.example"),
        ("https://api.example/{{ inputs.file }}", None, "api.example"),
        ("https://{{ inputs.host }}/x", None, "https://{{ inputs.host }}/x"),
        ("https://{{ inputs.host }}/x", {"host": "b.example"}, "b.example"),
        ("{{ inputs.host }}", None, "{{ inputs.host }}"),
    ],
)
def test_a_request_says_its_host_as_far_as_it_is_known(
    url: str, given: dict[str, Any] | None, host: str
) -> None:
    (step,) = look({"id": "get", "type": "http", "url": url}, given=given)
    assert ("host", host) in step.touches


def test_a_template_stays_as_written_when_only_the_run_can_know_it() -> None:
    before = shell("before", outputs={"log": "{{ inputs.file }}"})
    after = shell("after", artifacts={"log": "{{ before.output }}", "x": "{{ now() }}-x"})
    first, second = look(before, after, given={"file": "given.txt"})
    assert ("keeps", "given.txt as log") in first.touches
    assert ("keeps", "{{ before.output }} as log") in second.touches
    assert ("keeps", "{{ now() }}-x as x") in second.touches


def test_an_agent_says_its_model_tools_and_profile() -> None:
    (step,) = look(
        {
            "id": "fix",
            "type": "agent",
            "prompt": "Mend it.\nAll of it.",
            "tools": ["read_file", "shell"],
            "guardrails": {"allowed_tools": ["read_file"], "max_iterations": 4},
            "security_profile": "restricted",
        }
    )
    assert list(step.touches) == [
        ("prompt", "Mend it. …"),
        ("model", "demo (the default)"),
        ("tools", "read_file"),
        ("profile", "restricted"),
    ]
    assert "at most 4 turns" in step.terms


def test_an_agent_with_a_command_line_says_which_program_is_started() -> None:
    step = {"type": "agent", "prompt": "x"}
    own = {"command": ["my-agent", "--fast"]}
    steps = look(
        {**step, "id": "a", "runtime": "cli"},
        {**step, "id": "b", "cli": "codex"},
        {**step, "id": "c", "cli": own},
    )
    programs = [dict(each.touches)["program"] for each in steps]
    assert programs == ["claude", "codex", "my-agent --fast"]


def test_a_skill_says_which_file_or_host_it_is_given() -> None:
    read, get = look(
        {"id": "r", "type": "skill", "skill": "file-read", "inputs": {"path": "a.txt"}},
        {"id": "g", "type": "skill", "skill": "http-get", "inputs": {"url": "http://x.example/y"}},
    )
    assert ("file", "a.txt") in read.touches
    assert ("host", "x.example") in get.touches


@pytest.mark.parametrize(
    ("fields", "term"),
    [
        ({"when": "inputs.file == ''"}, "only when inputs.file == ''"),
        ({"timeout": "90s"}, "at most 1m 30s an attempt"),
        ({"on_error": "skip"}, "a failure is skipped"),
        ({"on_error": "retry"}, "3 attempts, exponential delay from 1s"),
        (
            {"cache": {"key": "{{ inputs.file }}", "ttl": "7d"}},
            "cached by {{ inputs.file }} for 7d",
        ),
        ({"use_cache": True}, "cached by its inputs"),
        ({"effects": "pure"}, "effects: pure"),
    ],
)
def test_the_terms_of_a_step_are_told(fields: dict[str, Any], term: str) -> None:
    (step,) = look(shell("a", **fields))
    assert list(step.terms) == [term]


def test_without_caching_nothing_is_said_of_it() -> None:
    (step,) = look(shell("a", cache=False))
    assert list(step.terms) == []


@pytest.mark.parametrize(
    ("on_false", "consequence"),
    [
        ("fail", "when false it fails"),
        ("stop", "when false the workflow completes"),
        ("skip", "when false the rest of the list is skipped"),
    ],
)
def test_an_assertion_says_what_follows_from_it(on_false: str, consequence: str) -> None:
    _, step = look(
        shell("a"), {"id": "b", "type": "assert", "condition": "true", "on_false": on_false}
    )
    assert consequence in step.terms


def test_a_list_with_needs_says_the_order() -> None:
    first, second = look(shell("a"), shell("b", needs=["a"]))
    assert (first.terms[0], second.terms[0]) == ("at once", "after a")


def test_inner_lists_have_their_paths_and_compensations_too() -> None:
    (step,) = look(
        {
            "id": "each",
            "type": "foreach",
            "items": "[1]",
            "steps": [shell("make", rollback=[shell("undo")])],
        }
    )
    (make,) = step.branches["steps"]
    assert make.path == "each[…].make"
    (undo,) = make.branches["rollback"]
    assert undo.path == "each[…].make/rollback.undo"


def test_a_preview_is_json() -> None:
    program = LOADER.mapping({"name": "test", "inputs": INPUTS, "steps": [shell("a")]})
    given = {"host": "b.example", "file": "x"}
    data = preview(program, family, inputs=given).to_dict()
    assert data["inputs"]["host"]["value"] == "b.example"
    assert data["steps"][0]["touches"] == {"command": ["true"]}


def test_a_step_that_waits_says_what_for_how_long_and_what_then() -> None:
    ask = {
        "id": "ask",
        "type": "approval",
        "message": "Send {{ inputs.file }}?",
        "approvers": ["ada", "grace"],
        "approvals": 2,
        "escalate": {"after": "1d", "approvers": ["boss"]},
        "timeout": "2d",
        "on_timeout": "reject",
        "on_reject": "continue",
    }
    event = {"id": "e", "type": "wait_event", "event": "paid", "key": "{{ inputs.file }}"}
    late = {"id": "l", "type": "wait_event", "event": "paid", "timeout": "5m"}
    asked, waited, fails = look(ask, event, late, given={"file": "x"})

    assert list(asked.touches) == [("asks", "Send x?"), ("people", "ada, grace")]
    assert list(asked.terms) == [
        "2 must say yes",
        "boss too after 1d",
        "waits 2d at most, then is rejected",
        "goes on when rejected",
    ]
    assert list(waited.touches) == [("waits for", "paid"), ("key", "x")]
    assert (list(waited.terms), list(fails.terms)) == ([], ["waits 5m at most, then fails"])


def test_a_sleep_says_when_it_ends() -> None:
    long, until = look(
        {"id": "s", "type": "sleep", "duration": "2h"},
        {"id": "u", "type": "sleep", "until": "s.output"},
    )

    assert list(long.touches) == [("duration", "2h")]
    assert list(until.touches) == [("until", "s.output")]
