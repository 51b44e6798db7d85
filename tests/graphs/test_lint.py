"""What the linter says of definitions that run and are probably not meant so."""

from __future__ import annotations

import pytest

from ..running import load, marked, warnings

ECHO = "type: skill, skill: echo"

LINTS = {
    "an assertion that comes first without on_false": (
        '- {id: a, type: assert, condition: env.A == "x"}',
        '- {id: a, type: assert, condition: env.A == "x", on_false: fail}',
        "comes first and does not say `on_false`",
    ),
    "an agent whose work nobody checks": (
        "- {id: a, type: agent, prompt: x}",
        '- {id: a, type: agent, prompt: x}\n- {id: b, type: assert, condition: a.output == "x"}',
        "nothing checks what the agentic step 'a' did",
    ),
    "an agent whose work verify checks": (
        "- {id: a, type: agent, prompt: x}",
        "- {id: a, type: agent, prompt: x, verify: {checks: [{condition: output == 'x'}]}}",
        "nothing checks",
    ),
    "a pure step that nobody reads": (
        f"- {{id: a, {ECHO}, effects: pure}}\n- {{id: b, {ECHO}}}",
        f"- {{id: a, {ECHO}, effects: pure}}\n- {{id: b, {ECHO}, when: a.output == 1}}",
        "nobody reads what the step 'a' gives",
    ),
    "an output that no step declares": (
        f"name: w\noutputs: {{o: {{}}}}\nsteps: [{{id: a, {ECHO}}}]",
        f"name: w\noutputs: {{o: {{}}}}\nsteps: [{{id: a, {ECHO}, outputs: [o]}}]",
        "no step declares the output 'o'",
    ),
    "an assertion that the default softens": (
        "name: w\nerror_handling: {default: skip}\nsteps:\n"
        f'  - {{id: s, {ECHO}}}\n  - {{id: a, type: assert, condition: env.A == "x"}}',
        "name: w\nerror_handling: {default: skip}\nsteps:\n"
        f"  - {{id: s, {ECHO}}}\n"
        '  - {id: a, type: assert, condition: env.A == "x", on_error: halt}',
        "lets the execution go on when the assertion 'a' fails",
    ),
    "a condition that is always true": (
        f'- {{id: a, {ECHO}, when: "true"}}',
        f'- {{id: a, {ECHO}, when: env.A == ""}}',
        "the condition is always true: it never changes",
    ),
    "a branch that is never taken": (
        f'- {{id: a, type: conditional, condition: "false", then: [{{id: b, {ECHO}}}]}}',
        f'- {{id: a, type: conditional, condition: env.A == "", then: [{{id: b, {ECHO}}}]}}',
        "one branch is never taken",
    ),
    "a step that can never run": (
        f'- {{id: a, {ECHO}}}\n- {{id: b, type: assert, condition: "false"}}\n- {{id: c, {ECHO}}}',
        f'- {{id: a, {ECHO}}}\n- {{id: b, type: assert, condition: env.A == ""}}\n'
        f"- {{id: c, {ECHO}}}",
        "'c' can never run: 'b' always ends the list",
    ),
    "a skill that nobody has registered": (
        "- {id: a, type: skill, skill: ecoh}",
        f"- {{id: a, {ECHO}}}",
        "no skill is registered as 'ecoh'; did you mean 'echo'?",
    ),
    "a function that nobody has registered": (
        "- {id: a, type: python, function: nobody}",
        f"- {{id: a, {ECHO}}}",
        "no function is registered as 'nobody'",
    ),
    "a value that bash would calculate with": (
        "name: w\ninputs: {n: {}}\nsteps: [{id: a, type: shell, "
        'command: "N={{ inputs.n }}; echo $((N))"}]',
        "name: w\ninputs: {n: {}}\nsteps: [{id: a, type: shell, "
        'command: "N={{ inputs.n }}; echo $N"}]',
        "N",
    ),
}


@pytest.mark.parametrize(("doubtful", "right", "says"), LINTS.values(), ids=list(LINTS))
def test_the_linter_warns_of(doubtful: str, right: str, says: str) -> None:
    assert [says in message for message in warnings(doubtful)].count(True) == 1
    assert not any(says in message for message in warnings(right))


def test_warnings_have_places_and_come_in_their_order() -> None:
    document, places = marked(
        """
        - {id: a, type: skill, skill: ¶nothing}
        - {id: b, type: python, function: ¶nobody}
        """
    )

    assert [w.position for w in load(document).warnings] == places
