"""A new execution goes on from another: what it keeps, what it repeats, what it never undoes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import ExecutionNotFound, InvalidInput, NotPossible
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.question import signal_id

from ..running import House, Order, mapping, note, open_house, statuses
from .asking import answered, asked, open_questions
from .lasting import events, happened, types

pytestmark = pytest.mark.anyio


class Mended(Order):
    """Notes what runs; `work` of a name that is `broken` fails."""

    def __init__(self, house: House, *broken: str) -> None:
        super().__init__(house)
        self.broken = set(broken)
        house.function(self.work)

    async def work(self, name: str, value: Any = None) -> Any:
        self.seen.append(name)
        if name in self.broken:
            raise ValueError(f"{name} is broken")
        return name if value is None else value


def work(id: str, more: str = "", value: str = "null") -> str:
    inputs = f"{{name: {id}, value: {value}}}"
    return f"{{id: {id}, type: python, function: work, inputs: {inputs}{more}}}"


THREE = "- " + "\n- ".join(work(id) for id in "abc")


async def test_what_was_mended_goes_on_where_it_failed(house: House) -> None:
    mended = Mended(house, "b")
    failed = await house.run(THREE)

    mended.broken.clear()
    retry = await house.app.manager.retry(failed.id)
    done = await house.app.wait(retry.id)
    old = await house.app.manager.get(failed.id)

    assert mended.seen == ["a", "b", "b", "c"]
    assert (done.status, statuses(done)) == ("completed", dict.fromkeys("abc", "completed"))
    assert done.origin == {"execution_id": failed.id, "path": None, "how": "retry"}
    assert (old.status, old.steps, done.restarts) == ("failed", failed.steps, 0)
    assert done.steps["a"].started_at == failed.steps["a"].started_at


async def test_it_fails_again_while_nothing_is_mended(house: House) -> None:
    mended = Mended(house, "b")
    failed = await house.run(THREE)

    retry = await house.app.manager.retry(failed.id)
    again = await house.app.wait(retry.id)

    assert (again.status, again.error) == ("failed", failed.error)
    assert mended.seen == ["a", "b", "b"]


async def test_from_a_step_it_and_what_follows_runs_again(house: House) -> None:
    mended = Mended(house)
    first = await house.run(THREE)

    again = await house.app.manager.retry(first.id, path="b")
    done = await house.app.wait(again.id)

    assert mended.seen == ["a", "b", "c", "b", "c"]
    assert done.origin == {"execution_id": first.id, "path": "b", "how": "retry"}


async def test_from_an_iteration(house: House) -> None:
    """Those before it stay, with what they set."""
    mended = Mended(house, "broken")
    execution = await house.run(
        f"""
        name: w
        context: {{mutable: {{n: 0}}}}
        outputs: {{n: {{value: "{{{{ context.n }}}}"}}}}
        steps:
          - id: l
            type: loop
            while: context.n < 4
            max_iterations: 4
            steps:
              - {work("s", value="'{{ context.n }}'")}
              - {{id: add, type: set, values: {{n: "{{{{ context.n + 1 }}}}"}}}}
          - {work("last")}
        """
    )
    before = len(mended.seen)
    fork = await house.app.manager.fork(execution.id, "l[2]")
    done = await house.app.wait(fork.id)

    assert mended.seen[before:] == ["s", "s", "last"]
    assert done.outputs == {"n": 4}
    assert [done.steps[f"l[{n}].s"].output for n in range(4)] == [0, 1, 2, 3]


async def test_from_an_item_its_siblings_stay(house: House) -> None:
    mended = Mended(house)
    item = work("s", value="'{{ item * 10 }}'")
    text = f"- {{id: each, type: foreach, items: '[1, 2, 3]', steps: [{item}]}}\n- {work('last')}"
    first = await house.run(text)

    fork = await house.app.manager.fork(first.id, "each[1]")
    done = await house.app.wait(fork.id)

    assert mended.seen == ["s", "s", "s", "last", "s", "last"]
    assert done.steps["each"].output == [10, 20, 30]


async def test_with_other_inputs(house: House) -> None:
    """What is kept was made of the old ones; what runs again sees the new."""
    Mended(house)
    first = await house.app.manager.start(
        mapping(
            f"""
            name: w
            inputs: {{x: {{type: number}}, y: {{type: number, default: 7}}}}
            steps:
              - {work("a", value="'{{ inputs.x }}'")}
              - {work("b", value="'{{ inputs.x + inputs.y }}'")}
            """
        ),
        {"x": 1},
    )
    await house.app.wait(first.id)

    fork = await house.app.manager.fork(first.id, "b", inputs={"x": 100})
    done = await house.app.wait(fork.id)

    assert done.inputs == {"x": 100, "y": 7}
    assert (done.steps["a"].output, done.steps["b"].output) == (1, 107)
    assert done.origin == {"execution_id": first.id, "path": "b", "how": "fork"}


async def test_an_effect_that_is_kept_is_neither_repeated_nor_asked_about(house: House) -> None:
    mended = Mended(house, "c")
    pay = work("pay", ", effects: once")
    failed = await house.run(f"- {pay}\n- {work('c')}")

    mended.broken.clear()
    retry = await house.app.manager.retry(failed.id)
    done = await house.app.wait(retry.id)

    assert (done.status, mended.seen) == ("completed", ["pay", "c", "c"])
    assert await open_questions(house, done) == []


async def test_what_was_inherited_is_never_compensated(house: House) -> None:
    mended = Mended(house)
    running = await house.start(
        f"""
        - {work("a", f", rollback: [{note('undo_a')}]")}
        - {{id: hold, type: python, function: pass_gate, inputs: {{name: hold}}}}
        - {work("b", f", rollback: [{note('undo_b')}]")}
        - {work("bad", ", on_error: rollback")}
        """
    )
    await mended.gate("hold reached").wait()
    stopped = await house.app.manager.stop(running.id)

    mended.gate("hold").set()
    mended.broken = {"bad"}
    done = await house.app.wait((await house.app.manager.retry(stopped.id)).id)

    assert mended.seen == ["a", "hold", "b", "bad", "undo_b"]
    assert done.status == "failed"
    assert [statuses(done)[id] for id in "ab"] == ["completed", "compensated"]


async def test_a_fork_undoes_what_it_did_itself(house: House) -> None:
    mended = Mended(house, "bad")
    undo_a, undo_b = note("undo_a"), note("undo_b")
    failed = await house.run(
        f"""
        - {work("a", f", rollback: [{undo_a}]")}
        - {work("b", f", rollback: [{undo_b}]")}
        - {work("bad", ", on_error: rollback")}
        """
    )
    assert mended.seen == ["a", "b", "bad", "undo_b", "undo_a"]
    assert statuses(failed)["a"] == "compensated"
    mended.seen.clear()

    first = await house.app.wait((await house.app.manager.retry(failed.id)).id)
    assert mended.seen == ["a", "b", "bad", "undo_b", "undo_a"], "what was undone runs again"
    mended.seen.clear()
    mended.broken.clear()
    whole = await house.app.wait((await house.app.manager.retry(first.id)).id)
    assert (whole.status, mended.seen) == ("completed", ["a", "b", "bad"])
    mended.seen.clear()
    mended.broken = {"bad"}

    last = await house.app.wait((await house.app.manager.retry(whole.id, path="b")).id)

    assert mended.seen == ["b", "bad", "undo_b"]
    assert [statuses(last)[id] for id in "ab"] == ["completed", "compensated"]


async def test_a_fork_of_a_fork(house: House) -> None:
    mended = Mended(house)
    first = await house.run(THREE)

    second = await house.app.wait((await house.app.manager.fork(first.id, "b")).id)
    mended.seen.clear()
    third = await house.app.wait((await house.app.manager.fork(second.id, "c")).id)

    assert (third.status, mended.seen) == ("completed", ["c"])
    assert third.origin == {"execution_id": second.id, "path": "c", "how": "fork"}
    assert third.steps["a"].started_at == first.steps["a"].started_at
    assert third.steps["b"].started_at == second.steps["b"].started_at


async def test_an_execution_that_is_forked_goes_on_as_it_is(house: House) -> None:
    mended = Mended(house)
    hold = "{id: hold, type: python, function: pass_gate, inputs: {name: hold}}"
    running = await house.start(f"- {work('a')}\n- {work('b')}\n- {hold}\n- {work('c')}")
    await happened(house, running, EventType.STEP_STARTED, "hold")

    fork = await house.app.manager.fork(running.id, "b")
    await happened(house, fork, EventType.STEP_STARTED, "hold")
    mended.gate("hold").set()
    one, two = await house.app.wait(running.id), await house.app.wait(fork.id)

    assert (one.status, two.status) == ("completed", "completed")
    assert sorted(mended.seen) == sorted(["a", "b", "b", "hold", "hold", "c", "c"])
    for execution in (one, two):
        assert types(await events(house, execution)).count("ExecutionCompleted") == 1


async def test_an_event_that_a_fork_emits_is_another(house: House) -> None:
    """While one that is emitted again after a crash is the same, and so has the same id."""
    text = mapping("{name: e, steps: [{id: say, type: emit, event: done, payload: 1}]}")
    first = await house.app.run(text)
    fork = await house.app.manager.fork(first.id, "say")
    await house.app.wait(fork.id)
    sent = await house.app.manager.store.signals("done", None, since=0)
    assert [(signal.id, signal.source) for signal in sent] == [
        (signal_id(id, "say"), id) for id in (first.id, fork.id)
    ]


async def test_a_fork_asks_for_itself(house: House) -> None:
    """Its question is another, and an answer to one is none to the other."""
    Mended(house)
    waiting = await house.start(f"- {work('a')}\n- {{id: ask, type: approval, message: x}}")
    before = await asked(house, waiting, "ask")

    fork = await house.app.manager.fork(waiting.id, "ask")
    await answered(house, fork, "ask", by="ada")
    done = await house.app.wait(fork.id)

    assert done.steps["ask"].outputs["by"] == "ada"
    assert await open_questions(house, waiting) == [before]
    await answered(house, waiting, "ask", by="grace")
    assert (await house.app.wait(waiting.id)).steps["ask"].outputs["by"] == "grace"


async def test_an_answer_that_is_kept_is_not_asked_for_again(house: House) -> None:
    mended = Mended(house, "b")
    execution = await house.start(f"- {{id: ask, type: approval, message: x}}\n- {work('b')}")
    await answered(house, execution, "ask", by="ada")
    await house.app.wait(execution.id)

    mended.broken.clear()
    done = await house.app.wait((await house.app.manager.retry(execution.id)).id)

    assert (done.status, done.steps["ask"].outputs["by"]) == ("completed", "ada")


async def test_inside_a_child(house: House) -> None:
    mended = Mended(house, "b")
    await house.app.register({**mapping(THREE), "name": "child"})
    failed = await house.run(
        f"- {work('first')}\n- {{id: w, type: workflow, workflow: child}}\n- {work('last')}"
    )

    mended.broken.clear()
    retry = await house.app.wait((await house.app.manager.retry(failed.id)).id)
    fork = await house.app.wait((await house.app.manager.fork(retry.id, "w.c")).id)

    assert mended.seen == ["first", "a", "b", "b", "c", "last", "c", "last"]
    assert (retry.status, fork.status) == ("completed", "completed")


async def test_variables_and_times_are_inherited(tmp_path: Path) -> None:
    """Wherever, and whenever, it is forked."""
    text = f"""
        name: w
        steps:
          - {work("a", value="'{{ env.WHO }} {{ now() }}'")}
          - {work("b", value="'{{ env.WHO }} {{ a.output }}'")}
        """
    async with open_house(tmp_path, {"WHO": "ada"}) as house:
        Mended(house)
        first = await house.run(text)

    async with open_house(tmp_path, {"WHO": "grace"}) as house:
        Mended(house)
        fork = await house.app.wait((await house.app.manager.fork(first.id, "b")).id)

    assert fork.env == {"WHO": "ada"}
    assert fork.steps["a"].output == first.steps["a"].output
    assert fork.steps["b"].output == first.steps["b"].output
    assert str(fork.steps["b"].output).startswith("ada ada ")


async def test_what_was_stopped_goes_on(house: House) -> None:
    mended = Mended(house)
    hold = "{id: hold, type: python, function: pass_gate, inputs: {name: hold}}"
    running = await house.start(f"- {work('a')}\n- {hold}\n- {work('b')}")
    await mended.gate("hold reached").wait()
    stopped = await house.app.manager.stop(running.id)

    mended.gate("hold").set()
    done = await house.app.wait((await house.app.manager.retry(stopped.id)).id)

    assert (done.status, mended.seen) == ("completed", ["a", "hold", "b"])


async def test_a_fork_outlives_its_process_too(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        mended = Mended(house, "b")
        failed = await house.run(THREE)
        mended.broken.clear()
        house.app.function("work", mended.pass_gate)
        retry = await house.app.manager.retry(failed.id)

    async with open_house(tmp_path) as house:
        again = Mended(house)
        await house.app.resume(retry.id)
        done = await house.app.wait(retry.id)
        found = await events(house, done)

    assert (done.status, again.seen) == ("completed", ["b", "c"])
    assert types(found)[0] == "ExecutionQueued"


async def test_what_cannot_begin_again_is_said_and_starts_nothing(house: House) -> None:
    mended = Mended(house)
    manager = house.app.manager
    done = await house.run(THREE)
    running = await house.start(
        "- {id: hold, type: python, function: pass_gate, inputs: {name: hold}}"
    )

    with pytest.raises(InvalidInput, match="no step of this execution failed"):
        await manager.retry(done.id)
    with pytest.raises(InvalidInput, match="'x'"):
        await manager.retry(done.id, path="x")
    with pytest.raises(InvalidInput, match="there is no input 'z'"):
        await manager.fork(done.id, "a", inputs={"z": 1})
    with pytest.raises(NotPossible, match="stop it first, or fork it"):
        await manager.retry(running.id)
    with pytest.raises(ExecutionNotFound):
        await manager.retry("no-such-execution")

    assert len((await manager.executions()).items) == 2
    mended.gate("hold").set()
    assert (await house.app.wait(running.id)).status is Status.COMPLETED


async def test_large_values_are_kept_once(house: House, tmp_path: Path) -> None:
    """A fork refers to what the other has kept already, and reads it."""
    Mended(house)
    big = "x" * 200_000

    async def large() -> str:
        return big

    house.function(large)
    first = await house.run(
        "- {id: l, type: python, function: large}\n"
        f"- {work('b', value=chr(39) + '{{ size(l.output) }}' + chr(39))}"
    )
    blobs = sorted(p.name for p in (tmp_path / "home" / "blobs").rglob("*") if p.is_file())

    fork = await house.app.wait((await house.app.manager.fork(first.id, "b")).id)
    page = await house.app.manager.store.entries(fork.id)

    assert (fork.steps["l"].output, fork.steps["b"].output) == (big, 200_000)
    now = sorted(p.name for p in (tmp_path / "home" / "blobs").rglob("*") if p.is_file())
    assert now == blobs
    assert sum(len(entry.data) for entry in page.items) < 5_000
