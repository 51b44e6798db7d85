"""A compensation reads what its step could, as it was then; nothing else is kept for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from assay.graphs.execution import Status, StepResult
from assay.graphs.fold import load
from assay.graphs.rollback import results

from ..running import House, Order, note

pytestmark = pytest.mark.anyio

BAD = "{id: bad, type: python, function: fail, on_error: rollback}"


def tells(value: str) -> str:
    return f"{{id: u, type: skill, skill: echo, inputs: {{message: {value}}}}}"


def workflow(undo: str) -> str:
    """A step in the second iteration of a loop, in an item; all of it changes afterwards."""
    return f"""
        name: w
        context: {{readonly: {{team: core}}, mutable: {{n: 0, log: [], other: 7}}}}
        steps:
          - {note("first")}
          - id: each
            type: foreach
            items: "[['i', 'j']]"
            steps:
              - id: l
                type: loop
                while: context.n < 3
                max_iterations: 3
                steps:
                  - {{id: add, type: set, values: {{n: "{{{{ context.n + 1 }}}}",
                      log: "{{{{ context.log + [context.n] }}}}"}}}}
                  - id: made
                    type: python
                    function: note
                    when: iteration == 1
                    inputs: {{name: made}}
                    rollback: [{undo}]
          - {BAD}
        """


READS: Mapping[str, tuple[str, Any]] = {
    "a name of the context": ('"{{ context.log }}"', [0, 1]),
    "a name by its key": ("\"{{ context['log'] }}\"", [0, 1]),
    "a name that is worked out": ("\"{{ context['l' + 'og'] }}\"", [0, 1]),
    "all of the context": (
        '"{{ context }}"',
        {"team": "core", "n": 2, "log": [0, 1], "other": 7},
    ),
    "what may not be there": ('"{{ context.?log.orValue(0) }}"', [0, 1]),
    "in a text": ('"{{ context.n }} of {{ context.team }}"', "2 of core"),
    "inside a loop of its own": ('"{{ item.map(x, context.n) }}"', [2, 2]),
    "where it is": ('"{{ [iteration, index] }}"', [1, 0]),
    "an earlier step": ('"{{ first.output }}"', "first"),
    "a bare reference": ("first.output", "first"),
    "by its id": ('"{{ steps.add.outputs.n }}"', 2),
    "its own step": ('"{{ [output, made.output, made.status] }}"', ["made", "made", "completed"]),
}


@pytest.mark.parametrize("reads", READS)
async def test_it_reads_what_the_step_could(house: House, order: Order, reads: str) -> None:
    value, expected = READS[reads]

    execution = await house.run(workflow(tells(value)))

    assert execution.steps["each[0].l[1].made/rollback.u"].output == expected


async def test_steps_inside_of_it_read_as_well(house: House, order: Order) -> None:
    inner = "{id: c, type: conditional, condition: 'context.n == 2', then: [%s]}"

    execution = await house.run(workflow(inner % tells('"{{ context.log }} {{ item }}"')))

    told = execution.steps["each[0].l[1].made/rollback.c.u"].output
    assert told == '[0,1] ["i","j"]'


WITHIN = {
    "a conditional": "type: conditional, condition: 'true', then: [{}]",
    "a switch": "type: switch, value: '1', cases: {{'1': [{}]}}",
    "a parallel": "type: parallel, steps: [{}]",
    "the winner": "type: parallel, wait_for: any, steps: [{}]",
    "one further in": "type: parallel, steps: [{{id: c, type: conditional, condition: 'true', "
    "then: [{}]}}]",
    "one that was tried again": "type: conditional, condition: 'true', retry: {{attempts: 2, "
    "delay: 1ms}}, then: [{}, {{id: twice, type: python, function: twice}}]",
}


@pytest.mark.parametrize("place", WITHIN)
async def test_it_reads_the_steps_inside_its_own(house: House, order: Order, place: str) -> None:
    """As the steps after it could."""
    tried: list[int] = []

    async def twice() -> None:
        tried.append(1)
        if len(tried) == 1:
            raise ValueError("the first attempt")

    house.function(twice)
    undo = tells('"{{ [made.output, made.status, first.output] }}"')
    held = WITHIN[place].format(note("made"))

    execution = await house.run(
        f"- {note('first')}\n- {{id: own, {held}, rollback: [{undo}]}}\n- {BAD}"
    )

    assert execution.steps["own/rollback.u"].output == ["made", "completed", "first"]


async def test_a_branch_that_was_not_taken_did_not_run(house: House, order: Order) -> None:
    undo = tells('"{{ [made.status, other.status] }}"')
    own = f"type: conditional, condition: 'false', then: [{note('made')}], else: [{note('other')}]"

    execution = await house.run(f"- {{id: own, {own}, rollback: [{undo}]}}\n- {BAD}")

    assert execution.steps["own/rollback.u"].output == ["skipped", "completed"]


async def pinned(house: House, undo: str) -> Mapping[str, Any]:
    execution = await house.run(workflow(undo))
    return await decided(house, execution.id, "each[0].l[1].made")


async def decided(house: House, id: str, path: str) -> Mapping[str, Any]:
    store, services = house.app.manager.store, house.app.manager.services
    history = await load(store, services.blobs, id, lambda *lost: pytest.fail(str(lost)))
    value: Mapping[str, Any] = history.decisions[path, "undo"]
    return value


async def test_what_it_does_not_mention_is_not_kept(house: House, order: Order) -> None:
    assert await pinned(house, tells("x")) == {
        "step": "made",
        "within": [],
        "inputs": None,
        "context": {},
        "local": {},
        "results": {},
    }


async def test_what_it_mentions_is_kept_and_steps_are_named(house: House, order: Order) -> None:
    """Their results are in the journal."""
    told = '"{{ [context.n, item, first.output, add.outputs.n, output] }}"'
    kept = await pinned(house, tells(told))

    assert kept["context"] == {"n": 2}
    assert kept["local"] == {"item": ["i", "j"]}
    assert kept["results"] == {"first": "first", "add": "each[0].l[1].add"}


async def test_of_a_childs_inputs_it_keeps_what_it_mentions(
    house: House, order: Order, tmp_path: Path
) -> None:
    undo = tells('"{{ inputs.who }}"')
    child = f"""
        name: child
        inputs: {{who: {{type: string}}, why: {{type: string}}}}
        steps: [{note("made", f", rollback: [{undo}]")}]
        """
    (tmp_path / "child.yaml").write_text(dedent(child))
    path = tmp_path / "parent.yaml"
    path.write_text(
        "name: parent\nsteps:\n"
        "  - {id: c, type: workflow, workflow: child.yaml, inputs: {who: Ada, why: not}}\n"
        f"  - {BAD}\n"
    )

    execution = await house.run(path)

    assert execution.steps["c.made/rollback.u"].output == "Ada"
    assert (await decided(house, execution.id, "c.made"))["inputs"] == {"who": "Ada"}


def test_what_was_pinned_before_steps_were_named_is_read() -> None:
    """Their states were in it."""
    a = StepResult("l[1].a", "a", "python", Status.COMPLETED, output=1)
    b = StepResult("b", "b", "python", Status.COMPLETED, output=2)

    read = results({"results": {"a": "l[1].a", "b": b.state()}}, {"l[1].a": a})

    assert read == {"a": a.state(), "b": b.state()}
