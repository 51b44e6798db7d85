"""What a definition means, and what it is told when something in it is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from assay.api.app import loader
from assay.graphs.binding import BoundStep
from assay.graphs.errors import InvalidInput, InvalidSpec, WorkflowNotFound
from assay.graphs.inputs import accept_inputs

from ..running import load, refused

ECHO = "type: skill, skill: echo"


def test_all_problems_are_told_at_once_in_order_of_place() -> None:
    refused(
        f"""
        name: w
        inputs:
          count: {{type: integer, default: ¶3.5}}
        context: {{readonly: {{x: 1}}, mutable: {{x: ¶2}}}}
        error_handling: {{per_step: {{¶nobody: skip}}}}
        steps:
          - {{id: a, {ECHO}, inputs: {{message: "{{{{ ¶inputs.cuont }}}}"}}}}
          - {{id: ¶a, {ECHO}}}
          - {{id: b, type: shell, command: "eval {{{{ ¶a.output }}}}"}}
        """,
        "the default of 'count' must be a whole number; 3.5 is not",
        "is in `readonly` as well",
        "no step has the id 'nobody'",
        "did you mean 'count'?",
        "is used in line",
        "`eval` may evaluate a value",
    )


def test_all_problems_of_form_are_told_at_once() -> None:
    refused(
        """
        name: ¶Bad Name
        versoin: "1"
        steps:
          - {id: a, type: shell, command: ¶5}
          - {id: b, type: ¶unknown}
        """.replace("versoin", "¶versoin"),
        "a slug",
        "did you mean 'version'?",
        "must be text",
        "not a kind of step",
    )


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("cache: {ttl: ¶soon}", "is not a duration"),
        ("cache: ¶5", "must be true or false or a mapping"),
        ("outputs: ¶5", "must be a list or a mapping"),
        ("outputs: [¶1]", "an entry of 'outputs' must be text"),
        ("needs: ¶a", "must be a list"),
        ("retry: ¶3", "must be a mapping"),
        ("on_error: {strategy: ¶explode}", "is not one of 'halt'"),
        ("timeout: ¶5", "a duration needs a unit; write 5s"),
    ],
)
def test_a_field_of_several_forms_is_one_problem(field: str, says: str) -> None:
    refused(f"- {{id: s, type: shell, command: ls, {field}}}", says)


DECLARED = """
    name: w
    inputs:
      text: {required: true, description: what to say}
      number: {type: number, default: 1.5}
      integer: {type: integer}
      boolean: {type: boolean}
      array: {type: array}
      object: {type: object}
    steps: [{id: a, type: skill, skill: echo}]
"""


def test_inputs_take_their_defaults_and_are_null_without() -> None:
    given = accept_inputs(load(DECLARED).workflow, {"text": "x"})

    nothing = dict.fromkeys(("integer", "boolean", "array", "object"))
    assert given == {"text": "x", "number": 1.5, **nothing}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("text", 5, "must be text; 5 is not"),
        ("text", 2**70, "must be text; JSON cannot hold it: Integer exceeds 64-bit range"),
        ("array", [2**70], "JSON cannot hold it"),
        ("text", None, "'text' (what to say) is required"),
        ("number", "5", 'must be a number; "5" is not'),
        ("number", True, "must be a number; true is not"),
        ("number", float("nan"), "must be a number"),
        ("integer", 5.5, "must be a whole number; 5.5 is not"),
        ("integer", 2**63, "64 bits"),
        ("boolean", "true", 'must be true or false; "true" is not'),
        ("array", {}, "must be a list; {} is not"),
        ("object", [], "must be a mapping; [] is not"),
        ("object", {"x": {1, 2}}, "JSON cannot hold it"),
        ("txet", "x", "there is no input 'txet'; did you mean 'text'?"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(name: str, value: object, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        accept_inputs(load(DECLARED).workflow, {"text": "x", name: value})

    assert says in caught.value.message


def test_every_wrong_input_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        accept_inputs(load(DECLARED).workflow, {"number": "x", "no": 1})

    assert all(n in caught.value.message for n in ("'text'", "'number'", "'no'"))


def test_declared_types_are_checked_in_expressions() -> None:
    refused(
        """
        name: w
        inputs: {n: {type: number, default: 3}, s: {default: x}}
        steps:
          - {id: a, type: assert, condition: inputs.n + 1 < 90 && inputs.n / 2 >= 1.5}
          - {id: b, type: assert, condition: inputs.s ¶> 3}
        """,
        "cannot compare string with int",
    )


POLICIES = [
    # own fields of the step, error_handling, defaults -> strategy, attempts, timeout
    ("", "", "", ("halt", 1, None)),
    ("", "", "defaults: {on_error: skip, timeout: 5s, retry: {attempts: 2}}", ("skip", 2, 5.0)),
    ("", "default: rollback", "defaults: {on_error: skip}", ("rollback", 1, None)),
    ("", "per_step: {s: skip}, default: rollback", "", ("skip", 1, None)),
    ("on_error: halt", "per_step: {s: skip}, default: rollback", "", ("halt", 1, None)),
    ("on_error: retry", "", "", ("halt", 3, None)),
    ("on_error: {strategy: retry, max_attempts: 4}", "", "", ("halt", 4, None)),
    ("", "per_step: {s: retry}", "defaults: {retry: {attempts: 7}}", ("halt", 3, None)),
    ("retry: {attempts: 2}", "per_step: {s: retry}", "", ("halt", 2, None)),
    ("retry: {max_attempts: 5}, on_error: skip", "", "", ("skip", 5, None)),
    ("timeout: 1s", "", "defaults: {timeout: 5s}", ("halt", 1, 1.0)),
]


@pytest.mark.parametrize(("own", "handling", "defaults", "decided"), POLICIES)
def test_a_step_beats_per_step_beats_the_default_beats_defaults(
    own: str, handling: str, defaults: str, decided: tuple[str, int, float | None]
) -> None:
    step = f"{{id: s, type: shell, command: ls{', ' if own else ''}{own}}}"
    policy = (
        load(f"name: w\nerror_handling: {{{handling}}}\n{defaults}\nsteps: [{step}]")
        .steps[0]
        .policy
    )

    attempts = policy.retry.total if policy.retry else 1
    assert (policy.strategy, attempts, policy.timeout) == decided


def test_defaults_touch_working_leaves_only() -> None:
    outer, inner = _outer_and_inner("defaults: {on_error: skip, timeout: 5s, retry: {attempts: 2}}")

    assert (outer.policy.strategy, outer.policy.retry, outer.policy.timeout) == ("halt", None, None)
    assert (inner.policy.strategy, inner.policy.timeout) == ("skip", 5.0)


@pytest.mark.parametrize(
    ("default", "strategy"), [("skip", "halt"), ("retry", "halt"), ("rollback", "rollback")]
)
def test_a_control_step_inherits_only_rollback(default: str, strategy: str) -> None:
    outer, _ = _outer_and_inner(f"error_handling: {{default: {default}}}")

    assert (outer.policy.strategy, outer.policy.retry) == (strategy, None)


def _outer_and_inner(head: str) -> tuple[BoundStep, BoundStep]:
    text = f"name: w\n{head}\nsteps: [{{id: p, type: parallel, steps: [{{id: x, {ECHO}}}]}}]"
    outer = load(text).steps[0]
    return outer, outer.blocks["steps",][0]


def test_yaml_json_and_python_mean_the_same_workflow(tmp_path: Path) -> None:
    yaml, json = tmp_path / "w.yaml", tmp_path / "w.json"
    yaml.write_text("name: w\nsteps: [{id: a, type: shell, command: ls}]")
    json.write_text('{"steps": [{"command": "ls", "type": "shell", "id": "a"}], "name": "w"}')
    python = {"name": "w", "steps": [{"id": "a", "type": "shell", "command": "ls"}]}

    digests = {
        loader().file(yaml).workflow.digest,
        loader().file(json).workflow.digest,
        loader().mapping(python).workflow.digest,
    }

    assert len(digests) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [("nothing.yaml", "No such file"), ("folder.yaml", "Is a directory"), ("w.txt", "ends in")],
)
def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder.yaml").mkdir()

    with pytest.raises(WorkflowNotFound) as caught:
        loader().file(tmp_path / name)

    assert says in caught.value.message
    assert name in caught.value.message


def test_a_definition_made_in_python_names_the_path_of_a_problem() -> None:
    with pytest.raises(InvalidSpec) as caught:
        loader().mapping({"name": "w", "steps": [{"id": "a", "type": "shell", "comand": "ls"}]})

    assert {p.path for p in caught.value.problems} == {
        ("steps", 0, "comand"),
        ("steps", 0, "command"),
    }


def test_a_graph_of_many_steps_costs_as_much_for_each_as_one_of_few() -> None:
    """Strangers have definitions looked at: one with three thousand took minutes."""

    def calls(count: int) -> int:
        made = 0

        def count_one(_frame: object, event: str, _argument: object) -> None:
            nonlocal made
            made += event in ("call", "c_call")

        needs = [", ".join(f"s{m}" for m in range(max(0, n - 5), n)) for n in range(count)]
        steps = [f"- {{id: s{n}, {ECHO}, needs: [{each}]}}" for n, each in enumerate(needs)]
        text = "\n".join(["name: w", "steps:", *steps]).encode()
        sys.setprofile(count_one)
        try:
            loader().text(text, "w")
        finally:
            sys.setprofile(None)
        return made

    calls(10)  # what is made once
    assert calls(400) < 5 * calls(100)
