"""Branches and loops: what runs, and what it yields."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ..running import House, Order, note, statuses

pytestmark = pytest.mark.anyio

ECHO = "type: skill, skill: echo"


async def test_parallel_yields_the_outputs_of_its_branches_by_id(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"- {{id: p, type: parallel, steps: [{note('a')}, {note('b')}]}}\n"
        f'- {{id: c, {ECHO}, inputs: {{message: "{{{{ a.output + b.output }}}}"}}}}'
    )

    assert execution.steps["p"].output == {"a": "a", "b": "b"}
    assert execution.steps["c"].output == "ab"


async def test_branches_run_beside_each_other(house: House, order: Order) -> None:
    execution = await house.run(
        """
        - id: p
          type: parallel
          steps:
            - {id: a, type: python, function: pass_gate, inputs: {name: x}}
            - {id: b, type: python, function: open_gate, inputs: {name: x}}
        """
    )

    assert execution.status == "completed"


async def test_any_is_won_by_the_first_to_complete_and_cancels_the_others(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"""
        - id: p
          type: parallel
          wait_for: any
          steps:
            - {{id: never, type: python, function: pass_gate, inputs: {{name: x}}}}
            - {note("quick")}
        - {{id: w, {ECHO}, inputs: {{message: "{{{{ p.winner }}}}"}}}}
        """
    )

    assert execution.steps["w"].output == "quick"
    assert statuses(execution)["p.never"] == "cancelled"


async def test_any_is_not_won_by_a_branch_that_was_skipped_or_failed(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"""
        - id: p
          type: parallel
          wait_for: any
          steps:
            - {note("skipped", ", when: env.NO == '1'")}
            - {{id: broken, type: python, function: fail}}
            - {{id: right, type: python, function: note, inputs: {{name: right}}}}
        """
    )

    assert execution.status == "completed"
    assert execution.steps["p"].outputs["winner"] == "right"


async def test_any_fails_when_every_branch_has_failed(house: House, order: Order) -> None:
    execution = await house.run(
        """
        - id: p
          type: parallel
          wait_for: any
          steps:
            - {id: a, type: python, function: fail, inputs: {name: first}}
            - {id: b, type: python, function: fail, inputs: {name: second}}
        """
    )

    assert execution.status == "failed"
    assert statuses(execution) == {"p.a": "failed", "p.b": "failed", "p": "failed"}


async def test_none_goes_on_at_once_and_is_joined_at_the_end(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - id: p
          type: parallel
          wait_for: none
          steps: [{{id: late, type: python, function: pass_gate, inputs: {{name: late}}}}]
        - {note("next")}
        - {{id: o, type: python, function: open_gate, inputs: {{name: late}}}}
        """
    )

    assert order.seen == ["next", "late"]
    assert statuses(execution)["p.late"] == "completed"


async def test_a_failure_that_nobody_waits_for_is_recorded_and_not_fatal(
    house: House, order: Order
) -> None:
    execution = await house.run(
        "- {id: p, type: parallel, wait_for: none, steps: [{id: a, type: python, function: fail}]}"
    )

    assert execution.status == "completed"
    assert statuses(execution)["p.a"] == "failed"


@pytest.mark.parametrize(("value", "taken", "untaken"), [("yes", "a", "b"), ("no", "b", "a")])
async def test_a_conditional_takes_one_branch_and_records_the_other(
    house: House, value: str, taken: str, untaken: str
) -> None:
    execution = await house.run(
        f"""
        name: w
        inputs: {{v: {{}}}}
        outputs: {{o: {{value: "{{{{ c.output }}}}"}}, b: {{value: "{{{{ c.branch }}}}"}}}}
        steps:
          - id: c
            type: conditional
            condition: inputs.v == 'yes'
            then: [{{id: a, {ECHO}, inputs: {{message: a}}}}]
            else: [{{id: b, {ECHO}, inputs: {{message: b}}}}]
        """,
        {"v": value},
    )

    assert execution.outputs["o"] == taken
    assert execution.outputs["b"] == {"yes": "then", "no": "else"}[value]
    assert statuses(execution)[f"c.{untaken}"] == "skipped"


@pytest.mark.parametrize(
    ("value", "output", "branch"), [("x", "ex", "x"), (7, "seven", "7"), (True, "other", "default")]
)
async def test_a_switch_compares_the_text_of_its_value(
    house: House, value: object, output: str, branch: str
) -> None:
    house.function(lambda_named("give", value))
    execution = await house.run(
        f"""
        - {{id: v, type: python, function: give}}
        - id: s
          type: switch
          value: v.output
          cases:
            x: [{{id: a, {ECHO}, inputs: {{message: ex}}}}]
            "7": [{{id: b, {ECHO}, inputs: {{message: seven}}}}]
          default: [{{id: c, {ECHO}, inputs: {{message: other}}}}]
        """
    )

    assert (execution.steps["s"].output, execution.steps["s"].outputs) == (
        output,
        {"branch": branch},
    )


def lambda_named(name: str, value: object) -> Any:
    def function() -> object:
        return value

    function.__name__ = name
    return function


async def test_a_switch_without_a_case_and_a_default_takes_nothing(house: House) -> None:
    execution = await house.run(
        f"- {{id: s, type: switch, value: \"'z'\", cases: {{x: [{{id: a, {ECHO}}}]}}}}"
    )

    assert execution.steps["s"].outputs == {"branch": None}
    assert statuses(execution) == {"s.a": "skipped", "s": "completed"}


async def test_while_is_tested_before_an_iteration(house: House) -> None:
    execution = await house.run(
        "- {id: l, type: loop, max_iterations: 3, while: env.NO == '1',"
        f" steps: [{{id: a, {ECHO}}}]}}"
    )

    assert execution.steps["l"].outputs == {"iterations": 0}
    assert list(execution.steps) == ["l"]


async def test_until_is_tested_after_an_iteration_and_sees_it(house: House) -> None:
    execution = await house.run(
        "- {id: l, type: loop, max_iterations: 9, until: a.output == 2 && iteration == 2,"
        f' steps: [{{id: a, {ECHO}, inputs: {{message: "{{{{ iteration }}}}"}}}}]}}'
    )

    assert (execution.steps["l"].output, execution.steps["l"].outputs) == (2, {"iterations": 3})
    assert [p for p in execution.steps if p != "l"] == ["l[0].a", "l[1].a", "l[2].a"]


async def test_a_loop_that_reaches_its_limit_fails(house: House) -> None:
    execution = await house.run(
        "- {id: l, type: loop, max_iterations: 3, while: env.NO == '',"
        f" steps: [{{id: a, {ECHO}}}]}}"
    )

    assert execution.error is not None
    assert (execution.error.code, execution.error.path) == ("limit_reached", "l")
    assert "the loop ran 3 times" in execution.error.message


async def test_a_loop_that_is_done_at_its_limit_completes(house: House) -> None:
    execution = await house.run(
        "- {id: l, type: loop, max_iterations: 3, while: iteration < 3,"
        f" steps: [{{id: a, {ECHO}}}]}}"
    )

    assert execution.steps["l"].outputs == {"iterations": 3}


async def test_foreach_yields_the_last_outputs_in_order_of_the_items(
    house: House, order: Order
) -> None:
    execution = await house.run(
        """
        - id: f
          type: foreach
          items: "['a', 'b']"
          steps:
            - {id: first, type: conditional, condition: index == 0, then: [
                {id: wait, type: python, function: pass_gate, inputs: {name: b}}]}
            - {id: open, type: python, function: open_gate, inputs: {name: "{{ item }}"}}
            - {id: last, type: python, function: note, inputs: {name: "{{ item + string(index) }}"}}
        """
    )

    assert execution.steps["f"].output == ["a0", "b1"]
    assert order.seen[-1] == "a0"


async def test_foreach_runs_as_many_items_at_once_as_it_says(house: House) -> None:
    running, most = 0, 0

    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    house.function(count)
    await house.run(
        "- {id: f, type: foreach, items: '[1, 2, 3, 4, 5, 6]', concurrency: 2,"
        " steps: [{id: c, type: python, function: count}]}"
    )

    assert most == 2


async def test_foreach_over_nothing_yields_an_empty_list(house: House) -> None:
    execution = await house.run(
        f"- {{id: f, type: foreach, items: '[]', steps: [{{id: a, {ECHO}}}]}}"
    )

    assert execution.steps["f"].output == []


async def test_foreach_over_text_fails_in_words(house: House) -> None:
    execution = await house.run(
        f"- {{id: f, type: foreach, items: env.HOME, steps: [{{id: a, {ECHO}}}]}}"
    )

    assert execution.error is not None
    assert execution.error.message == "`items` is text, not a list"


async def test_every_item_runs_when_one_fails_and_then_the_foreach_fails(
    house: House, order: Order
) -> None:
    execution = await house.run(
        """
        - id: f
          type: foreach
          items: "['a', 'b', 'c']"
          concurrency: 1
          steps:
            - {id: bad, type: python, function: fail, inputs: {name: x}, when: item == 'a'}
            - {id: good, type: python, function: note, inputs: {name: "{{ item }}"}}
        """
    )

    assert order.seen == ["x", "b", "c"]
    assert execution.error is not None
    assert execution.error.path == "f[0].bad"


async def test_a_set_in_branches_works_on_copies_that_are_merged_in_order(house: House) -> None:
    execution = await house.run(
        """
        name: w
        context: {readonly: {step: 2}, mutable: {a: 0, b: 0, both: 0}}
        outputs: {o: {value: "{{ [context.a, context.b, context.both] }}"}}
        steps:
          - id: p
            type: parallel
            steps:
              - {id: x, type: set, values: {a: "{{ context.step }}", both: first}}
              - {id: y, type: set, values: {b: "{{ context.a + 1 }}", both: second}}
        """
    )

    assert execution.outputs["o"] == [2, 1, "second"]
