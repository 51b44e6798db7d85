"""What a definition may say of a step that waits, and what it means when it is loaded."""

from __future__ import annotations

import pytest

from ..running import load, refused

ASK = "type: approval, message: x"
EVENT = "type: wait_event, event: x"

WRONG = [
    # where the time is wrong
    ("type: sleep, duration: ¶5", "a duration needs a unit; write 5s"),
    ("type: sleep, duration: ¶-5s", "'-5s' is not a duration"),
    ("type: sleep, duration: ¶366d", "'366d' is too long for a sleep; at most 365d"),
    ("type: sleep, duration: '{{ ¶nope }}'", "'nope' is not known"),
    ("type: sleep, until: ¶2030-01-01", "'2030-01-01' is not a time; write for example"),
    ("type: sleep, until: ¶2030-01-01T00:00:00", "or with another offset +01:00"),
    ("type: sleep, until: ¶2030-02-30T00:00:00Z", "is not a time"),
    ("type: sleep, until: ¶'2030-01-01T{{ 1 }}:00:00Z'", "is not a time"),
    ("type: sleep, until: ¶nope", "'nope' is not known"),
    ("type: sleep, duration: 1s, timeout: ¶1s", "a sleep ends by itself"),
    # what means nothing to a step that waits
    (f"{ASK}, retry: ¶{{}}", "nothing to try again"),
    (f"{ASK}, on_error: ¶retry", "nothing to try again"),
    (f"{EVENT}, on_error: ¶{{strategy: retry, attempts: 2}}", "nothing to try again"),
    (f"{EVENT}, effects: ¶once", "has no effect"),
    (f"{EVENT}, resource_limits: ¶{{memory: 1GiB}}", "uses nothing that could be limited"),
    (f"{ASK}, cache: ¶true", "belongs to steps that do work"),
    (f"{ASK}, artifacts: ¶{{a: b}}", "belongs to steps that do work"),
    (f"{ASK}, inputs: ¶{{a: b}}", "takes no `inputs`"),
    # deadlines
    (f"{ASK}, on_timeout: ¶reject", "add `timeout`"),
    (f"{EVENT}, on_timeout: ¶continue", "add `timeout`"),
    (f"{EVENT}, timeout: 1h, on_timeout: ¶reject", "'reject' is for approvals"),
    (f"{EVENT}, timeout: 1h, on_timeout: ¶approve", "'approve' is for approvals"),
    (f"{EVENT}, timeout: 1h, on_timeout: ¶explode", "not one of 'fail' or 'continue'"),
    # people
    (f"{ASK}, approvers: ¶[]", "is empty; it needs at least 1"),
    (f"{ASK}, approvals: ¶0", "greater than or equal to 1"),
    (f"{ASK}, approvers: [ada, ada], approvals: ¶2", "2 must say yes, and 1 may answer"),
    (f"{ASK}, escalate: ¶{{after: 1h, approvers: [a]}}", "everyone may answer from the beginning"),
    (
        f"{ASK}, approvers: [a], timeout: 1h, escalate: {{after: ¶1h, approvers: [b]}}",
        "the `timeout` comes first",
    ),
    # values
    (f"{ASK}, schema: ¶{{type: strin}}", "this is not a JSON Schema"),
    (f"{ASK}, schema: ¶{{pattern: '(?=a)'}}", "this is not a JSON Schema"),
    (f"{ASK}, schema: ¶{{$ref: 'http://127.0.0.1:1/'}}", "a schema may not refer to"),
    (f"{ASK}, schema: ¶{{$schema: 'http://127.0.0.1:1/'}}", "Unknown meta-schema"),
    (
        f"{ASK}, schema: {{type: integer}}, timeout: 1h, on_timeout: ¶approve",
        "gives no value, and `schema` wants one",
    ),
]


@pytest.mark.parametrize(("step", "says"), WRONG)
def test_what_is_wrong_is_said_where_it_stands(step: str, says: str) -> None:
    refused(f"- {{id: s, {step}}}", says)


@pytest.mark.parametrize("ends", ["", ", duration: 1s, until: 2030-01-01T00:00:00Z"])
def test_a_sleep_has_one_end(ends: str) -> None:
    refused(f"- ¶{{id: s, type: sleep{ends}}}", "exactly one of `duration` and `until`")


def test_a_retry_by_id_means_nothing_either() -> None:
    refused(
        f"""
        name: w
        error_handling: {{per_step: {{s: ¶retry, t: skip}}}}
        steps: [{{id: s, {ASK}}}, {{id: t, {ASK}}}]
        """,
        "nothing to try again",
    )


@pytest.mark.parametrize(
    "step",
    [
        "type: sleep, duration: 365d",
        "type: sleep, duration: '{{ env.WAIT }}'",
        "type: sleep, until: 2030-01-31T09:00:00Z",
        "type: sleep, until: 2030-01-31t09:00:00.25-03:30",
        "type: sleep, until: timestamp(now()) + duration('1h')",
        "type: sleep, until: '{{ now() }}'",
        f"{ASK}, approvers: [a], approvals: 2, escalate: {{after: 1h, approvers: [b]}}",
        f"{ASK}, approvals: 5, on_error: skip, rollback: [{{id: r, {ASK}}}]",
        f"{ASK}, schema: {{type: [integer, 'null']}}, timeout: 1h, on_timeout: approve",
        f"{EVENT}, key: '{{{{ env.X }}}}', timeout: 1h, on_timeout: continue, when: 1 < 2",
    ],
)
def test_what_is_right_loads(step: str) -> None:
    assert load(f"- {{id: s, {step}}}").steps[0].kind in ("sleep", "approval", "wait_event")


def test_defaults_never_touch_a_step_that_waits() -> None:
    program = load(
        f"""
        name: w
        defaults: {{timeout: 5s, retry: {{attempts: 3}}, on_error: skip}}
        error_handling: {{default: retry}}
        steps: [{{id: s, {ASK}}}, {{id: t, type: sleep, duration: 1s}}]
        """
    )

    for step in program.steps:
        assert (step.policy.retry, step.policy.timeout, step.policy.strategy) == (
            None,
            None,
            "halt",
        )


def test_a_schema_of_an_agent_fetches_nothing_either() -> None:
    refused(
        "- {id: s, type: agent, prompt: x, output: ¶{$schema: 'http://127.0.0.1:1/'}}",
        "Unknown meta-schema",
    )
