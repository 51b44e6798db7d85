"""The walk back outlives the process, reaches every depth, and undoes each step once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.lease import Command, Message
from assay.testing import Clock

from ..running import House, Order, mapping, note, open_house, statuses
from .asking import answered
from .lasting import events, happened, heard, types

pytestmark = pytest.mark.anyio

BAD = "{id: bad, type: python, function: fail, inputs: {name: bad}, on_error: rollback}"


class Undo(Order):
    """`undo` notes what it is given, once it may; it fails for what is `broken`."""

    def __init__(self, house: House, *, open: bool = True) -> None:
        super().__init__(house)
        self.broken: dict[str, int] = {}
        self.open = open
        house.function(self.undo)

    async def undo(self, what: Any) -> Any:
        name = str(what)
        self.gate(f"{name} reached").set()
        if not self.open:
            await self.gate(name).wait()
        self.seen.append(f"-{name}")
        if self.broken.get(name, 0):
            self.broken[name] -= 1
            raise ValueError(f"{name} cannot be undone")
        return what


def undo(what: str, id: str = "u", more: str = "") -> str:
    inputs = f"{{what: '{what}'}}"
    return f"rollback: [{{id: {id}, type: python, function: undo, inputs: {inputs}{more}}}]"


def made(id: str, what: str = "") -> str:
    return note(id, f", {undo(what or id, f'u_{id}')}")


THREE = f"- {made('a')}\n- {made('b')}\n- {made('c')}\n- {BAD}"


@pytest.mark.parametrize("where", "cba")
async def test_closed_in_the_middle_another_goes_on(tmp_path: Path, where: str) -> None:
    async with open_house(tmp_path) as house:
        first = Undo(house, open=False)
        for name in "cba"[: "cba".index(where)]:
            first.gate(name).set()
        execution = await house.start(THREE)
        await first.gate(f"{where} reached").wait()

    async with open_house(tmp_path) as house:
        second = Undo(house)
        between = await house.app.manager.get(execution.id)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)
        found = await events(house, execution)

    undone = [name for name in first.seen + second.seen if name.startswith("-")]
    assert undone == ["-c", "-b", "-a"]
    assert not between.status.terminal
    assert (done.status, done.error and done.error.path) == ("failed", "bad")
    assert [statuses(done)[id] for id in "abc"] == ["compensated"] * 3
    order = [e.path for e in found if e.type is EventType.STEP_COMPENSATED]
    assert order == ["c", "b", "a"]


async def test_what_goes_on_undoing_says_that_it_runs(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        order = Undo(house, open=False)
        execution = await house.start(THREE)
        await order.gate("c reached").wait()

    async with open_house(tmp_path) as house:
        order = Undo(house, open=False)
        await house.app.resume(execution.id)
        await order.gate("c reached").wait()
        await happened(house, execution, EventType.STEP_STARTED, "c/rollback.u_c", times=2)
        undoing = await house.app.manager.get(execution.id)
        found = await events(house, execution)
        order.open = True
        for name in "abc":
            order.gate(name).set()
        await house.app.wait(execution.id)

    assert undoing.status == "running"
    assert types(found).count("ExecutionResumed") == 1


async def test_a_stop_that_undoes_is_resumed_as_one(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        order = Undo(house, open=False)
        hold = "{id: hold, type: python, function: pass_gate, inputs: {name: hold}}"
        definition = mapping(f"- {made('a')}\n- {made('b')}\n- {hold}")
        execution = await house.start({**definition, "error_handling": {"default": "rollback"}})
        await order.gate("hold reached").wait()
        # Not `manager.stop`, which would wait for an end that this process never sees.
        stop = Message(execution.id, Command.STOP, {"reason": "enough"})
        await house.app.manager.store.post(stop)
        await order.gate("b reached").wait()

    async with open_house(tmp_path) as house:
        again = Undo(house)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert (done.status, again.seen) == ("cancelled", ["-b", "-a"])
    assert [statuses(done)[id] for id in "ab"] == ["compensated"] * 2
    assert done.error is not None
    assert "enough" in done.error.message


async def test_a_compensation_that_failed_is_listed_also_by_whoever_goes_on(
    tmp_path: Path,
) -> None:
    """And is not tried again by that."""
    async with open_house(tmp_path) as house:
        first = Undo(house, open=False)
        first.broken = {"c": 9}
        first.gate("c").set()
        execution = await house.start(THREE)
        await first.gate("b reached").wait()

    async with open_house(tmp_path) as house:
        second = Undo(house)
        second.broken = {"a": 9}
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert first.seen[-1] == "-c"
    assert second.seen == ["-b", "-a"]
    assert done.error is not None
    assert done.error.message.endswith("not compensated: c, a")
    assert [statuses(done)[id] for id in "abc"] == ["completed", "compensated", "completed"]
    assert statuses(done)["c/rollback.u_c"] == "failed"


async def test_a_compensation_may_be_tried_again(house: House) -> None:
    order = Undo(house)
    order.broken = {"a": 2}
    again = ", retry: {attempts: 3, delay: 2ms}"

    execution = await house.run(f"- {note('a', ', ' + undo('a', 'u', again))}\n- {BAD}")

    assert order.seen == ["a", "bad", "-a", "-a", "-a"]
    assert statuses(execution)["a"] == "compensated"
    assert execution.steps["a/rollback.u"].attempts == 3


async def test_attempts_of_a_compensation_are_counted_across_a_restart(
    tmp_path: Path, clock: Clock
) -> None:
    again = ", retry: {attempts: 3, delay: 1h, max_delay: 1h, backoff: fixed}"
    async with open_house(tmp_path) as house:
        first = Undo(house)
        first.broken = {"a": 9}
        execution = await house.start(f"- {note('a', ', ' + undo('a', 'u', again))}\n- {BAD}")
        await happened(house, execution, EventType.STEP_RETRYING, "a/rollback.u")

    async with open_house(tmp_path) as house:
        second = Undo(house)
        second.broken = {"a": 9}
        await house.app.resume(execution.id)
        clock.advance("1h")
        await happened(house, execution, EventType.STEP_RETRYING, "a/rollback.u", times=2)
        clock.advance("1h")
        done = await house.app.wait(execution.id)

    assert (first.seen + second.seen).count("-a") == 3
    assert statuses(done)["a"] == "completed"


DEPTHS = f"""
    name: w
    context: {{mutable: {{n: 0}}}}
    steps:
      - {made("top")}
      - id: each
        type: foreach
        items: "['x', 'y']"
        concurrency: 1
        steps: [{made("item", "{{ item }}{{ index }} {{ item.size() }}")}]
      - id: l
        type: loop
        while: context.n < 2
        max_iterations: 2
        steps:
          - {made("turn", "turn {{ iteration }} {{ context.n }}")}
          - {{id: add, type: set, values: {{n: "{{{{ context.n + 1 }}}}"}}}}
      - id: c
        type: conditional
        condition: "true"
        then: [{made("branch")}]
        {undo("all of c", "u_c")}
      - id: race
        type: parallel
        wait_for: any
        steps:
          - id: loser
            type: conditional
            condition: "true"
            then: [{made("lost")}, {{id: held, type: approval, message: x}}]
          - id: winner
            type: conditional
            condition: "true"
            then: [{{id: after, type: wait_event, event: lost}}, {made("won")}]
      - id: w
        type: workflow
        workflow: child
        inputs: {{who: "{{{{ top.output }}}}"}}
      - {BAD}
"""

CHILD = f"""
    name: child
    inputs: {{who: {{type: string}}}}
    context: {{readonly: {{hello: hi}}}}
    steps: [{made("inner", "{{ context.hello }} {{ inputs.who }} {{ inner.output }}")}]
"""


async def test_it_reaches_every_depth_the_latest_first(house: House) -> None:
    """Each sees what its step saw: its item, its iteration, its inputs, the context then."""
    order = Undo(house)
    await house.app.register(mapping(CHILD))

    execution = await house.start(DEPTHS)
    await happened(house, execution, EventType.STEP_COMPLETED, "race.loser.lost")
    await house.app.manager.send_event("lost")
    done = await house.app.wait(execution.id)

    assert [name for name in order.seen if name.startswith("-")] == [
        *("-hi top inner", "-won", "-lost", "-all of c", "-branch"),
        *("-turn 1 1", "-turn 0 0", "-y1 1", "-x0 1", "-top"),
    ]
    compensated = [path for path, status in statuses(done).items() if status == "compensated"]
    seqs = [done.steps[path].seq for path in compensated]
    assert len(compensated) == 10
    assert seqs == sorted(seqs), "what was undone keeps its place"


async def test_it_reaches_every_depth_in_another_process(tmp_path: Path) -> None:
    """Nothing that a compensation sees is known to this process but from the journal."""
    async with open_house(tmp_path) as house:
        first = Undo(house, open=False)
        await house.app.register(mapping(CHILD))
        execution = await house.start(DEPTHS)
        await happened(house, execution, EventType.STEP_COMPLETED, "race.loser.lost")
        await house.app.manager.send_event("lost")
        await first.gate("hi top inner reached").wait()

    async with open_house(tmp_path) as house:
        order = Undo(house)
        await house.app.resume(execution.id)
        await house.app.wait(execution.id)

    assert order.seen == [
        *("-hi top inner", "-won", "-lost", "-all of c", "-branch"),
        *("-turn 1 1", "-turn 0 0", "-y1 1", "-x0 1", "-top"),
    ]


async def test_a_compensation_may_be_a_whole_list(tmp_path: Path) -> None:
    """With steps that wait, repeat and decide; it goes on where it was."""
    steps = f"""[
        {{id: ask, type: approval, message: x}},
        {{id: each, type: foreach, items: "output.parts", steps: [
            {{id: u, type: python, function: undo, inputs: {{what: "{{{{ item }}}}"}}}}]}},
        {note("then", ", when: each.output.size() == 2")}]"""
    text = f"""
        - {{id: a, type: python, function: parts, rollback: {steps}}}
        - {BAD}
        """

    async def parts() -> dict[str, Any]:
        return {"parts": ["p", "q"]}

    async with open_house(tmp_path) as house:
        Undo(house)
        house.function(parts)
        execution = await house.start(text)
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    async with open_house(tmp_path) as house:
        order = Undo(house)
        house.function(parts)
        await house.app.resume(execution.id)
        await answered(house, execution, "a/rollback.ask")
        done = await house.app.wait(execution.id)

    assert (sorted(order.seen[:2]), order.seen[2:]) == (["-p", "-q"], ["then"])
    assert statuses(done)["a"] == "compensated"
    assert done.error is not None
    assert done.error.path == "bad"


async def test_a_compensation_that_is_refused_is_listed(house: House) -> None:
    Undo(house)
    ask = "rollback: [{id: ask, type: approval, message: x}]"

    execution = await house.start(f"- {note('a', f', {ask}')}\n- {made('b')}\n- {BAD}")
    await answered(house, execution, "a/rollback.ask", approved=False, by="ada")
    done = await house.app.wait(execution.id)

    assert [statuses(done)[id] for id in "ab"] == ["completed", "compensated"]
    assert done.error is not None
    assert done.error.message.endswith("not compensated: a")


async def test_it_begins_when_nobody_runs_any_more(house: House) -> None:
    """Work beside the execution as well is waited for, and undone."""
    order = Undo(house)
    slow = "{id: slow, type: python, function: pass_gate, inputs: {name: slow}, rollback: [U]}"
    slow = slow.replace("U", note("undo_slow"))

    execution = await house.start(
        f"- {made('a')}\n- {{id: p, type: parallel, wait_for: none, steps: [{slow}]}}\n- {BAD}"
    )
    await order.gate("slow reached").wait()
    await happened(house, execution, EventType.STEP_FAILED, "bad")
    before = list(order.seen)
    order.gate("slow").set()
    await house.app.wait(execution.id)

    assert "-a" not in before
    assert order.seen == ["a", "bad", "slow", "undo_slow", "-a"]


async def test_a_pause_holds_it(house: House) -> None:
    """Between two compensations as between two steps."""
    order = Undo(house, open=False)
    execution = await house.start(THREE)
    await order.gate("c reached").wait()
    await house.app.manager.pause(execution.id)
    await heard(house)
    order.open = True
    order.gate("c").set()
    await house.app.manager.wait(execution.id, until=(Status.PAUSED,))
    before = list(order.seen)
    await house.app.resume(execution.id)
    done = await house.app.wait(execution.id)

    assert before[-1] == "-c"
    assert order.seen[-3:] == ["-c", "-b", "-a"]
    assert done.status == "failed"


async def test_large_outputs_are_seen_by_compensations(tmp_path: Path) -> None:
    async def large() -> str:
        return "x" * 100_000

    sizes = undo("{{ output.size() }} {{ other.output.size() }}")
    async with open_house(tmp_path) as house:
        order = Undo(house, open=False)
        house.function(large)
        execution = await house.start(
            "- {id: other, type: python, function: large}\n"
            f"- {{id: a, type: python, function: large, {sizes}}}\n- {BAD}"
        )
        await order.gate("100000 100000 reached").wait()

    async with open_house(tmp_path) as house:
        order = Undo(house)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert order.seen == ["-100000 100000"]
    assert statuses(done)["a"] == "compensated"
