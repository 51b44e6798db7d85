"""What happens when a step fails: tried again, gone on without, undone, or the end."""

from __future__ import annotations

import asyncio
import sys

import pytest

from assay.graphs.errors import Retryable, WorkflowError
from assay.graphs.runner import pause
from assay.graphs.step import Retry

from ..deadlines import Deadlines
from ..running import House, Order, note, statuses

pytestmark = pytest.mark.anyio

ECHO = "type: skill, skill: echo"


class Flaky:
    """Fails a number of times, then succeeds."""

    def __init__(self, house: House, failures: int, error: Exception | None = None) -> None:
        self.calls = 0
        self.failures = failures
        self.error = error or ValueError("not yet")
        house.function(self.flaky)

    async def flaky(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


def flaky(more: str) -> str:
    return f"- {{id: a, type: python, function: flaky, {more}}}"


AT_ONCE = "delay: 0s"


async def test_retry_counts_attempts_in_total(house: House) -> None:
    work = Flaky(house, failures=2)

    execution = await house.run(flaky(f"retry: {{attempts: 3, {AT_ONCE}}}"))

    assert (execution.steps["a"].output, execution.steps["a"].attempts) == (3, 3)
    assert work.calls == 3


async def test_the_last_attempt_that_fails_is_the_error(house: House) -> None:
    work = Flaky(house, failures=9)

    execution = await house.run(flaky(f"retry: {{max_attempts: 2, {AT_ONCE}}}"))

    assert (execution.status, work.calls) == ("failed", 2)
    assert execution.error == execution.steps["a"].error
    assert execution.error is not None
    assert execution.error.message == "'flaky' raised ValueError: not yet"


async def test_without_retry_there_is_one_attempt(house: House) -> None:
    work = Flaky(house, failures=9)

    await house.run(flaky("on_error: halt"))

    assert work.calls == 1


async def test_strategy_retry_alone_means_three_attempts(house: House) -> None:
    work = Flaky(house, failures=9)

    execution = await house.run(flaky(f"on_error: {{strategy: retry, {AT_ONCE}}}"))

    assert (execution.status, work.calls) == ("failed", 3)


async def test_a_permanent_failure_is_not_tried_again(house: House) -> None:
    work = Flaky(house, failures=9, error=WorkflowError("wrong for good"))

    execution = await house.run(flaky(f"retry: {{attempts: 5, {AT_ONCE}}}"))

    assert work.calls == 1
    assert execution.error is not None
    assert execution.error.code == "workflow_error"


@pytest.mark.parametrize(("codes", "calls"), [("[timeout]", 1), ("[step_failed]", 3)])
async def test_retry_on_names_the_codes_that_are_tried_again(
    house: House, codes: str, calls: int
) -> None:
    work = Flaky(house, failures=9, error=Retryable("once more"))

    await house.run(flaky(f"retry: {{attempts: 3, {AT_ONCE}, retry_on: {codes}}}"))

    assert work.calls == calls


async def test_an_assertion_is_never_tried_again(house: House) -> None:
    execution = await house.run(
        '- {id: a, type: assert, condition: "1 == 2", retry: {attempts: 5, delay: 0s}}'
    )

    assert execution.steps["a"].attempts == 1
    assert execution.error is not None
    assert execution.error.message == "`1 == 2` is false"


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        ("fixed", [2, 2, 2, 2]),
        ("linear", [2, 4, 6, 7]),
        ("exponential", [2, 4, 7, 7]),
    ],
)
def test_pauses_grow_as_they_say_up_to_their_maximum(backoff: str, pauses: list[float]) -> None:
    retry = Retry.model_validate({"backoff": backoff, "delay": "2s", "max_delay": "7s"})

    assert [pause(retry, attempt) for attempt in (1, 2, 3, 4)] == pauses


def test_jitter_shortens_a_pause_and_never_lengthens_it() -> None:
    retry = Retry.model_validate({"delay": "2s", "backoff": "fixed", "jitter": True})

    pauses = [pause(retry, 1) for _ in range(200)]

    assert 1 <= min(pauses) < max(pauses) <= 2


def test_a_pause_after_a_thousand_attempts_is_the_maximum() -> None:
    assert pause(Retry(), 1000) == 60


async def test_a_timeout_ends_an_attempt_and_the_next_may_succeed(
    house: House, deadlines: Deadlines
) -> None:
    calls = 0

    async def slow() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            await deadlines.end()
            await asyncio.Event().wait()
        return calls

    house.function(slow)
    execution = await house.run(
        "- {id: a, type: python, function: slow, timeout: 1h, retry: {attempts: 2, delay: 0s}}"
    )

    assert (execution.status, execution.steps["a"].output) == ("completed", 2)


async def test_a_timeout_is_named_with_its_limit(house: House) -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    house.function(forever)
    execution = await house.run("- {id: a, type: python, function: forever, timeout: 20ms}")

    assert execution.error is not None
    assert execution.error.code == "timeout"
    assert "timeout of 0.02 s" in execution.error.message


async def test_a_timeout_of_a_composite_ends_everything_in_it(
    house: House, order: Order, deadlines: Deadlines
) -> None:
    started = await house.start(
        """
        - id: p
          type: parallel
          timeout: 1h
          steps: [{id: never, type: python, function: pass_gate, inputs: {name: x}}]
        """
    )
    await order.gate("x reached").wait()
    await deadlines.end()
    execution = await house.app.wait(started.id)

    assert statuses(execution) == {"p.never": "cancelled", "p": "failed"}


async def test_a_timeout_error_of_the_work_itself_is_not_the_steps_timeout(house: House) -> None:
    Flaky(house, failures=9, error=TimeoutError("the database did not answer"))

    execution = await house.run(flaky("timeout: 5s"))

    assert execution.error is not None
    assert execution.error.code != "timeout"
    assert "the database did not answer" in execution.error.message


async def test_halt_ends_the_list(house: House, order: Order) -> None:
    execution = await house.run(f"- {{id: a, type: python, function: fail}}\n- {note('b')}")

    assert statuses(execution) == {"a": "failed"}
    assert execution.current_step is None


async def test_skip_goes_on_and_keeps_the_error(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - {{id: a, type: python, function: fail, inputs: {{name: x}}, on_error: skip}}
        - {{id: b, {ECHO}, inputs: {{message: "{{{{ a.status }}}}: {{{{ a.error.message }}}}"}}}}
        """
    )

    assert execution.status == "completed"
    assert execution.steps["b"].output == "skipped: 'fail' raised ValueError: x failed"


async def test_a_failure_inside_fails_the_composite_with_the_path_it_began_at(
    house: House, order: Order
) -> None:
    execution = await house.run(
        "- {id: p, type: parallel, steps:"
        f" [{{id: x, type: python, function: fail}}, {note('y')}]}}"
    )

    assert statuses(execution) == {"p.x": "failed", "p.y": "completed", "p": "failed"}
    assert execution.error is not None
    assert execution.error.path == "p.x"


async def test_skip_around_a_failure_absorbs_it(house: House, order: Order) -> None:
    execution = await house.run(
        f"""
        - id: p
          type: parallel
          on_error: skip
          steps: [{{id: x, type: python, function: fail}}]
        - {note("next")}
        """
    )

    assert execution.status == "completed"
    assert statuses(execution) == {"p.x": "failed", "p": "skipped", "next": "completed"}


async def test_a_second_attempt_of_a_composite_runs_its_steps_again_at_new_paths(
    house: House,
) -> None:
    Flaky(house, failures=1)

    execution = await house.run(
        "- {id: p, type: parallel, retry: {attempts: 2, delay: 0s},"
        " steps: [{id: x, type: python, function: flaky}]}"
    )

    assert statuses(execution) == {"p.x": "failed", "p#2.x": "completed", "p": "completed"}


async def test_what_a_function_cannot_take_is_said_and_not_tried_again(house: House) -> None:
    work = Flaky(house, failures=0)

    execution = await house.run(flaky("inputs: {colour: red}, retry: {attempts: 3}"))

    assert work.calls == 0
    assert execution.error is not None
    assert "cannot take these inputs: got an unexpected keyword argument 'colour'" in (
        execution.error.message
    )


async def test_what_nobody_registered_fails_when_it_is_reached(house: House) -> None:
    execution = await house.run("- {id: a, type: skill, skill: ecoh}")

    assert execution.error is not None
    assert execution.error.code == "not_registered"
    assert "did you mean 'echo'?" in execution.error.message


async def test_a_value_that_json_cannot_hold_fails_its_step(house: House) -> None:
    def give() -> object:
        return {1, 2}

    house.function(give)
    execution = await house.run("- {id: a, type: python, function: give}")

    assert execution.error is not None
    assert execution.error.message.startswith("'give' returned what JSON cannot hold")


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError(), StopAsyncIteration(), AssertionError(), OSError(28)]
)
async def test_whatever_a_function_raises_is_the_failure_of_its_step(
    house: House, error: Exception
) -> None:
    Flaky(house, failures=9, error=error)

    execution = await house.run(flaky("on_error: halt"))

    assert execution.status == "failed"
    assert execution.error is not None
    assert type(error).__name__ in execution.error.message


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_function_that_exits_fails_its_step_and_nothing_else(
    house: House, asynchronous: bool
) -> None:
    def leave() -> None:
        sys.exit(3)

    async def leave_async() -> None:
        sys.exit(3)

    house.app.function("leave", leave_async if asynchronous else leave)
    execution = await house.run("- {id: a, type: python, function: leave}")

    assert execution.status == "failed"
    assert execution.error is not None
    assert execution.error.message == "'leave' raised SystemExit: 3"


async def test_a_function_that_cancels_itself_fails_and_is_not_the_execution_stopped(
    house: House,
) -> None:
    async def cancel_oneself() -> None:
        raise asyncio.CancelledError

    house.function(cancel_oneself)
    execution = await house.run("- {id: a, type: python, function: cancel_oneself}")

    assert execution.status == "failed"
    assert execution.error is not None
    assert "CancelledError" in execution.error.message


async def test_a_failed_execution_says_where_and_why(house: House, order: Order) -> None:
    from assay import ExecutionFailed

    with pytest.raises(ExecutionFailed) as caught:
        await house.app.run(
            {"name": "w", "steps": [{"id": "a", "type": "python", "function": "fail"}]}
        )

    assert "'w' failed at a: 'fail' raised ValueError" in caught.value.message


class Graph:
    """Stands for a compiled graph: gives a state, or raises."""

    def __init__(self, state: object) -> None:
        self.state = state

    async def ainvoke(self, inputs: object, config: object) -> object:
        if isinstance(self.state, BaseException):
            raise self.state
        return self.state


@pytest.mark.parametrize(
    ("state", "says"),
    [({"x": {1, 2}}, "what JSON cannot hold"), (SystemExit(3), "raised SystemExit: 3")],
)
async def test_a_graph_that_misbehaves_fails_its_step(
    house: House, state: object, says: str
) -> None:
    house.app.graph("g", Graph(state))

    execution = await house.run("- {id: a, type: graph, graph: g}")

    assert execution.error is not None
    assert execution.error.path == "a"
    assert says in execution.error.message
