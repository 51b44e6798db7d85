"""Compensation: what is undone, in which order, and what is said when undoing fails."""

from __future__ import annotations

import pytest

from ..running import House, Order, note, statuses

pytestmark = pytest.mark.anyio


def undone(id: str, more: str = "") -> str:
    """A step that says how it is undone."""
    undo = f"{{id: undo_{id}, type: python, function: note, inputs: {{name: undo_{id}}}}}"
    return note(id, f", rollback: [{undo}]{more}")


FAILS = "{id: bad, type: python, function: fail, inputs: {name: bad}, on_error: rollback}"


async def test_completed_steps_are_undone_the_latest_first(house: House, order: Order) -> None:
    execution = await house.run(f"- {undone('a')}\n- {undone('b')}\n- {FAILS}")

    assert order.seen == ["a", "b", "bad", "undo_b", "undo_a"]
    assert execution.status == "failed"
    assert statuses(execution)["a"] == statuses(execution)["b"] == "compensated"
    assert statuses(execution)["a/rollback.undo_a"] == "completed"


async def test_a_failure_without_that_strategy_undoes_nothing(house: House, order: Order) -> None:
    execution = await house.run(f"- {undone('a')}\n- {{id: bad, type: python, function: fail}}")

    assert execution.status == "failed"
    assert "undo_a" not in order.seen


async def test_a_step_that_did_not_complete_is_not_undone(house: House, order: Order) -> None:
    await house.run(
        f"- {undone('a', ', when: env.NO == `1`')}\n- {undone('b')}\n- {FAILS}".replace("`", "'")
    )

    assert order.seen == ["b", "bad", "undo_b"]


async def test_steps_at_any_depth_are_undone(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - id: f
          type: foreach
          items: "[1, 2]"
          concurrency: 1
          steps: [{undone("a")}]
        - id: c
          type: conditional
          condition: "true"
          then: [{undone("b")}]
        - {FAILS}
        """
    )

    assert order.seen == ["a", "a", "b", "bad", "undo_b", "undo_a", "undo_a"]
    assert statuses(execution)["f[1].a"] == "compensated"


async def test_the_rollback_waits_until_siblings_have_settled(house: House, order: Order) -> None:
    await house.run(
        f"""
        - id: p
          type: parallel
          steps:
            - {FAILS}
            - id: slow
              type: conditional
              condition: "true"
              then: [{note("first")}, {undone("last")}]
        """
    )

    assert order.seen[-2:] == ["last", "undo_last"]


async def test_a_failed_compensation_is_listed_and_the_walk_goes_on(
    house: House, order: Order
) -> None:
    execution = await house.run(
        f"""
        - {undone("a")}
        - {note("b", ", rollback: [{id: broken, type: python, function: fail}]")}
        - {undone("c")}
        - {FAILS}
        """
    )

    assert order.seen[-3:] == ["undo_c", "", "undo_a"]
    assert statuses(execution)["b"] == "completed"
    assert execution.error is not None
    assert execution.error.message.endswith("not compensated: b")


async def test_a_compensation_sees_the_output_and_the_failure(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - id: a
          type: skill
          skill: echo
          inputs: {{message: seat 12}}
          rollback:
            - id: u
              type: skill
              skill: echo
              inputs: {{message: "{{{{ output }}}} {{{{ a.output }}}} {{{{ error.path }}}}"}}
        - {FAILS}
        """
    )

    assert execution.steps["a/rollback.u"].output == "seat 12 seat 12 bad"


async def test_skip_around_the_failure_absorbs_the_wish(house: House, order: Order) -> None:
    execution = await house.run(
        f"- {undone('a')}\n- {{id: p, type: parallel, on_error: skip, steps: [{FAILS}]}}"
    )

    assert execution.status == "completed"
    assert order.seen == ["a", "bad"]


async def test_an_any_that_is_won_absorbs_the_wish(house: House, order: Order) -> None:
    execution = await house.run(
        f"- {undone('a')}\n"
        f"- {{id: p, type: parallel, wait_for: any, steps: [{FAILS}, {note('b')}]}}"
    )

    assert execution.status == "completed"
    assert "undo_a" not in order.seen


async def test_a_default_of_rollback_holds_for_a_loop_that_met_its_limit(
    house: House, order: Order
) -> None:
    await house.run(
        f"""
        name: w
        error_handling: {{default: rollback}}
        steps:
          - {undone("a")}
          - {{id: l, type: loop, max_iterations: 1, while: env.NO == '', steps: [{note("b")}]}}
        """
    )

    assert order.seen == ["a", "b", "undo_a"]


@pytest.mark.parametrize(("default", "undone_too"), [("rollback", True), ("halt", False)])
async def test_stopping_undoes_only_where_that_is_the_default(
    house: House, order: Order, default: str, undone_too: bool
) -> None:
    started = await house.start(
        f"""
        name: w
        error_handling: {{default: {default}}}
        steps:
          - {undone("a")}
          - {{id: never, type: python, function: pass_gate, inputs: {{name: x}}}}
        """
    )
    await order.gate("x reached").wait()

    execution = await house.app.manager.stop(started.id)

    assert execution.status == "cancelled"
    assert ("undo_a" in order.seen) is undone_too
