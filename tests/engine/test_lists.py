"""Lists of steps: in order, as graphs, ended early; and what a workflow gives at its end."""

from __future__ import annotations

import pytest

from ..running import House, Order, note, statuses

pytestmark = pytest.mark.anyio

ECHO = "type: skill, skill: echo"


async def test_a_list_runs_in_order_of_the_file(house: House, order: Order) -> None:
    await house.run(f"- {note('c')}\n- {note('a')}\n- {note('b')}")

    assert order.seen == ["c", "a", "b"]


async def test_a_step_whose_when_is_false_is_skipped_and_what_follows_runs(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"- {note('a', ', when: env.NO == `1`')}\n- {note('b')}".replace("`", "'")
    )

    assert statuses(execution) == {"a": "skipped", "b": "completed"}
    assert execution.steps["a"].reason == "`when` is false: env.NO == '1'"


async def test_the_output_of_a_skipped_step_is_absent(house: House) -> None:
    execution = await house.run(
        f"""
        - {{id: a, {ECHO}, when: env.NO == '1'}}
        - {{id: b, {ECHO}, inputs: {{message: "{{{{ a.?output.orValue('nothing') }}}}"}}}}
        - {{id: c, {ECHO}, inputs: {{message: "{{{{ a.output }}}}"}}}}
        """
    )

    assert execution.steps["b"].output == "nothing"
    assert execution.error is not None
    assert (execution.error.code, execution.error.path) == ("expression", "c")


async def test_a_template_that_is_one_expression_keeps_its_type(house: House) -> None:
    execution = await house.run(
        f"""
        - {{id: a, {ECHO}, inputs: {{message: "{{{{ [1, 2.5, 'x', null, true] }}}}"}}}}
        - {{id: b, {ECHO}, inputs: {{message: "<{{{{ a.output }}}}>"}}}}
        """
    )

    assert execution.steps["a"].output == [1, 2.5, "x", None, True]
    assert execution.steps["b"].output == '<[1,2.5,"x",null,true]>'


async def test_in_a_list_with_needs_a_step_starts_when_what_it_needs_or_reads_has_ended(
    house: House, order: Order
) -> None:
    await house.run(
        f"""
        - {note("last", ", needs: [second]")}
        - {note("second", ", when: first.status == 'completed'")}
        - {note("first")}
        """
    )

    assert order.seen == ["first", "second", "last"]


async def test_in_a_list_with_needs_what_depends_on_a_failure_does_not_run_and_the_rest_does(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"""
        - {{id: bad, type: python, function: fail, inputs: {{name: bad}}}}
        - {note("behind", ", needs: [bad]")}
        - {note("free")}
        """
    )

    assert sorted(order.seen) == ["bad", "free"]
    assert execution.status == "failed"
    assert "behind" not in execution.steps


async def test_a_skipped_or_softly_failed_step_counts_as_finished(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"""
        - {note("skipped", ", when: env.NO == '1'")}
        - {{id: soft, type: python, function: fail, on_error: skip}}
        - {note("next", ", needs: [skipped, soft]")}
        """
    )

    assert statuses(execution)["next"] == "completed"


async def test_an_async_step_is_joined_by_the_first_that_mentions_it(
    house: House, order: Order
) -> None:
    await house.run(
        f"""
        - {{id: late, type: python, function: pass_gate, inputs: {{name: late}}, async: true}}
        - {note("next")}
        - {{id: o, type: python, function: open_gate, inputs: {{name: late}}}}
        - {note("reader", ", when: late.output == 'late'")}
        """
    )

    assert order.seen == ["next", "late", "reader"]


async def test_an_async_failure_surfaces_where_it_is_joined(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - {{id: bad, type: python, function: fail, async: true}}
        - {note("next")}
        """
    )

    assert execution.error is not None
    assert execution.error.path == "bad"
    assert statuses(execution)["next"] == "completed"


@pytest.mark.parametrize("source", ["false", "'a' == 'b'"])
async def test_stop_completes_the_workflow_at_once(house: House, order: Order, source: str) -> None:
    execution = await house.run(
        f"""
        - id: p
          type: parallel
          steps:
            - {{id: never, type: python, function: pass_gate, inputs: {{name: x}}}}
            - {{id: a, type: assert, condition: "{source}", on_false: stop, message: enough}}
        - {note("after")}
        """
    )

    assert execution.status == "completed"
    assert order.seen == []
    assert execution.steps["p.a"].reason == "enough"
    assert "after" not in execution.steps


async def test_skip_skips_the_rest_of_its_list_only(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - id: c
          type: conditional
          condition: "true"
          then:
            - {{id: a, type: assert, condition: "false", on_false: skip, message: no need}}
            - {note("rest")}
        - {note("after")}
        """
    )

    assert order.seen == ["after"]
    assert execution.steps["c.rest"].reason == "a: no need"
    assert execution.status == "completed"


async def test_the_order_of_the_journal_is_the_order_of_the_steps(
    house: House, order: Order
) -> None:
    execution = await house.run(f"- {note('a')}\n- {note('b')}")

    assert list(execution.steps) == ["a", "b"]
    assert execution.steps["a"].seq < execution.steps["b"].seq


async def test_an_output_without_a_value_is_the_last_of_that_name(house: House) -> None:
    execution = await house.run(
        f"""
        name: w
        outputs: {{x: {{}}, y: {{type: string}}}}
        steps:
          - {{id: a, {ECHO}, inputs: {{message: 1}}, outputs: [x]}}
          - {{id: b, {ECHO}, inputs: {{message: 2}}, outputs: [x]}}
        """
    )

    assert execution.outputs == {"x": 2, "y": None}


async def test_an_output_of_the_wrong_type_fails_the_execution(house: House) -> None:
    execution = await house.run(
        f"""
        name: w
        outputs: {{x: {{type: integer, value: "{{{{ a.output }}}}"}}}}
        steps: [{{id: a, {ECHO}, inputs: {{message: text}}}}]
        """
    )

    assert execution.error is not None
    assert "output 'x' must be a whole number" in execution.error.message
