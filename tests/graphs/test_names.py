"""Which names an expression may use where it stands, and what it is told when it may not."""

from __future__ import annotations

from typing import Any

import pytest

from ..running import load, refused

ECHO = "type: skill, skill: echo"


NAMES = {
    "map": ("map¶.status", "steps['map']"),
    "type": ("type¶.status", "steps['type']"),
    "string": ("string¶.status", "steps['string']"),
    "size": ("¶size.status", "steps['size']"),
    "hash": ("¶hash.status", "steps['hash']"),
    "loop": ("¶loop.status", "steps['loop']"),
    "import": ("¶import.status", "steps['import']"),
    "error": ("¶error.status", "steps.error"),
    "item": ("¶item.status", "steps.item"),
    "output": ("¶output.status", "steps.output"),
}


@pytest.mark.parametrize(("id", "bare", "form"), [(i, *f) for i, f in NAMES.items()], ids=NAMES)
def test_a_step_with_a_name_of_ours_says_which_form_reads_it(id: str, bare: str, form: str) -> None:
    step = f"- {{id: {id}, {ECHO}}}\n- {{id: b, {ECHO}, when: \"%s == 'completed'\"}}"

    refused(step % bare, f"`{form}`" if "[" not in form else form)
    load(step % f"{form}.status")


def test_a_step_with_a_hyphen_says_which_form_reads_it() -> None:
    step = f"- {{id: my-step, {ECHO}}}\n- {{id: b, {ECHO}, when: \"%s.status == 'completed'\"}}"

    refused(step % "¶my-¶step", "steps['my-step']", "'step' is not known")
    load(step % "steps['my-step']")


def test_hyphens_subtract_when_both_sides_are_known() -> None:
    load(
        f"""
        - {{id: my, {ECHO}, inputs: {{message: 3}}}}
        - {{id: step, {ECHO}, inputs: {{message: 2}}}}
        - {{id: b, {ECHO}, when: my.output-step.output == 1}}
        """
    )


REFERS = {
    "to a later step": (
        f'- {{id: a, {ECHO}, inputs: {{message: "{{{{ ¶b.output }}}}"}}}}\n- {{id: b, {ECHO}}}',
        "has not run before this one",
    ),
    "to itself": (
        '- {id: a, type: shell, command: "echo {{ ¶a.output }}"}',
        "has not run before this one",
    ),
    "to a branch beside": (
        f"- {{id: p, type: parallel, steps: [{{id: x, {ECHO}}}, "
        f"{{id: y, {ECHO}, when: ¶x.output == 1}}]}}",
        "has not run before this one",
    ),
    "to the other branch": (
        f'- {{id: c, type: conditional, condition: "true", then: [{{id: x, {ECHO}}}],'
        f" else: [{{id: y, {ECHO}, when: ¶x.output == 1}}]}}",
        "has not run before this one",
    ),
    "into an iteration": (
        f'- {{id: l, type: foreach, items: "[1]", steps: [{{id: x, {ECHO}}}]}}\n'
        f"- {{id: a, {ECHO}, when: ¶x.output == 1}}",
        "visible only within an iteration of 'l'",
    ),
    "into an iteration, from an output": (
        'name: w\noutputs: {o: {value: "{{ ¶x.output }}"}}\nsteps:\n'
        f'  - {{id: l, type: foreach, items: "[1]", steps: [{{id: x, {ECHO}}}]}}',
        "visible only within an iteration of 'l'",
    ),
    "to what nobody waits for": (
        f"- {{id: p, type: parallel, wait_for: none, steps: [{{id: x, {ECHO}}}]}}\n"
        f"- {{id: a, {ECHO}, when: ¶x.output == 1}}",
        "which nobody waits for",
    ),
    "to a compensation": (
        f"- {{id: a, {ECHO}, rollback: [{{id: u, {ECHO}}}]}}\n"
        f"- {{id: b, {ECHO}, when: ¶u.output == 1}}",
        "has not run before this one",
    ),
    "to an item outside a foreach": (
        f"- {{id: a, {ECHO}, when: ¶item == 1}}",
        "`item` exists only inside a `foreach`",
    ),
    "to an iteration outside a loop": (
        f"- {{id: a, {ECHO}, when: ¶iteration == 1}}",
        "`iteration` exists only inside a `loop`",
    ),
    "to the whole environment": (
        f'- {{id: a, {ECHO}, inputs: {{message: "{{{{ ¶env }}}}"}}}}',
        "name the variable",
    ),
    "to a computed variable": (
        f"""- {{id: a, {ECHO}, inputs: {{message: "{{{{ ¶env['A' + 'B'] }}}}"}}}}""",
        "name the variable",
    ),
    "to whether an input is declared": (
        "name: w\ninputs: {i: {}}\nsteps:\n"
        f'  - {{id: a, {ECHO}, inputs: {{message: "{{{{ has(¶inputs.i) }}}}"}}}}',
        "write inputs.i != null",
    ),
    "to a context value nobody declared": (
        f"name: w\ncontext: {{mutable: {{tries: 0}}}}\nsteps:\n"
        f"  - {{id: a, {ECHO}, when: ¶context.trys == 1}}",
        "did you mean 'tries'?",
    ),
    "to a number within a text": (
        f"""- {{id: a, {ECHO}, when: "'¶{{{{ env.A }}}}' == 'b'"}}""",
        "inside a quoted text of a condition",
    ),
}


@pytest.mark.parametrize(("text", "says"), REFERS.values(), ids=list(REFERS))
def test_no_expression_refers(text: str, says: str) -> None:
    refused(text, says)


SEES = {
    "the steps inside a parallel after it": (
        f"- {{id: p, type: parallel, steps: [{{id: x, {ECHO}}}]}}\n"
        f"- {{id: a, {ECHO}, when: x.output == 1}}"
    ),
    "both branches after a conditional": (
        f'- {{id: c, type: conditional, condition: "true", then: [{{id: x, {ECHO}}}],'
        f" else: [{{id: y, {ECHO}}}]}}\n"
        f"- {{id: a, {ECHO}, when: x.output == 1 || y.status == 'skipped'}}"
    ),
    "the steps of its own iteration": (
        f'- {{id: l, type: foreach, items: "[1]", steps: [{{id: x, {ECHO}}}, '
        f"{{id: y, {ECHO}, when: x.output == item && index == 0}}]}}"
    ),
    "what is around a loop from inside": (
        f"- {{id: a, {ECHO}}}\n"
        "- {id: l, type: loop, max_iterations: 2, until: x.output == a.output,"
        f" steps: [{{id: x, {ECHO}, when: a.output == 1 && iteration == 0}}]}}"
    ),
    "a later step in a list with needs": (
        f"- {{id: a, {ECHO}, when: b.output == 1}}\n- {{id: b, {ECHO}, needs: []}}"
    ),
    "its own output and the failure in a compensation": (
        f"- {{id: a, {ECHO}, rollback: [{{id: u, {ECHO}, "
        "when: output == a.output && error.code == 'x'}]}"
    ),
}


@pytest.mark.parametrize("text", SEES.values(), ids=list(SEES))
def test_an_expression_sees(text: str) -> None:
    load(text)


def test_references_in_a_list_with_needs_may_not_run_in_a_circle() -> None:
    refused(
        f"- {{id: ¶a, {ECHO}, when: b.output == 1}}\n- {{id: b, {ECHO}, needs: [a]}}",
        "steps wait for each other: a -> b -> a",
    )


def field(text: str, *where: str | int) -> Any:
    """A bound field of the last step, without a scope to render it in."""
    return load(text).steps[-1].fields[where]


def test_a_bare_text_is_a_reference_exactly_when_the_step_declares_that_output() -> None:
    inputs = field(
        f"""
        - {{id: a, type: shell, command: ls, outputs: {{file: ./x}}}}
        - {{id: b, {ECHO}, inputs: {{file: a.file, all: a.output, none: a.nothing, no: c.output}}}}
        """,
        "inputs",
    )

    assert inputs.entries["file"].path == ("steps", "a", "file")
    assert inputs.entries["all"].path == ("steps", "a", "output")
    assert inputs.entries["none"].value == "a.nothing"
    assert inputs.entries["no"].value == "c.output"


def test_the_environment_that_a_workflow_reads_is_known_before_it_runs() -> None:
    program = load(
        """
        name: w
        outputs: {o: {value: "{{ env.LAST }}"}}
        steps:
          - id: l
            type: foreach
            items: "[1]"
            steps: [{id: s, type: shell, command: "echo {{ env.FIRST }}", when: env.SECOND != ''}]
        """
    )

    assert program.env == {"FIRST", "SECOND", "LAST"}
