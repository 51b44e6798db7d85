"""A workflow as a step of another: its inputs, outputs, failures, and what it may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay import InvalidSpec
from assay.graphs.errors import WorkflowNotFound

from ..running import House, Order, note, statuses

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the definitions lie: beside each other, away from the workspace."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


GREET = """
name: greet
inputs: {who: {required: true}}
outputs: {greeting: {value: "{{ say.output }}"}}
steps:
  - {id: say, type: skill, skill: echo, inputs: {message: "Hello, {{ inputs.who }}!"}}
"""


def parent(child: str, more: str = "", inputs: str = "{who: Ada}") -> str:
    return (
        "name: parent\nsteps:\n"
        f"  - {{id: c, type: workflow, workflow: {child}, inputs: {inputs}{more}}}\n"
    )


async def test_a_child_gives_its_outputs_at_paths_below_its_step(
    house: House, folder: Path
) -> None:
    write(folder, "greet.yaml", GREET)

    execution = await house.run(write(folder, "p.yaml", parent("./greet.yaml")))

    assert execution.steps["c"].output == {"greeting": "Hello, Ada!"}
    assert execution.steps["c"].outputs == {"greeting": "Hello, Ada!"}
    assert list(execution.steps) == ["c.say", "c"]


async def test_a_childs_inputs_are_checked(house: House, folder: Path) -> None:
    write(folder, "greet.yaml", GREET)

    execution = await house.run(
        write(folder, "p.yaml", parent("./greet.yaml", inputs="{hwo: Ada}"))
    )

    assert execution.error is not None
    assert "there is no input 'hwo'; did you mean 'who'?" in execution.error.message
    assert execution.error.path == "c"


async def test_a_childs_failure_is_the_parents(house: House, folder: Path, order: Order) -> None:
    write(folder, "bad.yaml", "name: bad\nsteps: [{id: x, type: python, function: fail}]")

    execution = await house.run(write(folder, "p.yaml", parent("./bad.yaml", inputs="{}")))

    assert statuses(execution) == {"c.x": "failed", "c": "failed"}
    assert execution.error is not None
    assert execution.error.path == "c.x"


async def test_a_stop_in_a_child_completes_the_child_only(
    house: House, folder: Path, order: Order
) -> None:
    write(
        folder,
        "enough.yaml",
        "name: enough\nsteps:\n"
        "  - {id: a, type: assert, condition: env.NO == '1', on_false: stop}\n"
        f"  - {note('inner')}\n",
    )

    execution = await house.run(
        write(folder, "p.yaml", parent("./enough.yaml", inputs="{}") + f"  - {note('after')}\n")
    )

    assert execution.status == "completed"
    assert order.seen == ["after"]


async def test_a_childs_steps_are_undone_with_the_parents(
    house: House, folder: Path, order: Order
) -> None:
    write(
        folder,
        "child.yaml",
        f"name: child\nsteps: [{note('inner', ', rollback: [' + note('undo') + ']')}]",
    )
    fails = "  - {id: bad, type: python, function: fail, on_error: rollback}\n"

    await house.run(write(folder, "p.yaml", parent("./child.yaml", inputs="{}") + fails))

    assert order.seen == ["inner", "", "undo"]


async def test_a_childs_environment_is_pinned_with_the_parents(house: House, folder: Path) -> None:
    write(
        folder,
        "child.yaml",
        "name: child\nsteps:\n"
        '  - {id: e, type: skill, skill: echo, inputs: {message: "{{ env.PATH }}"}}\n',
    )

    execution = await house.run(write(folder, "p.yaml", parent("./child.yaml", inputs="{}")))

    assert "PATH" in execution.env
    assert execution.steps["c.e"].output == execution.env["PATH"] != ""


async def test_a_child_does_not_see_its_parents_steps(house: House, folder: Path) -> None:
    write(
        folder,
        "child.yaml",
        "name: child\nsteps: [{id: x, type: shell, command: 'echo {{ before.output }}'}]",
    )

    with pytest.raises(InvalidSpec, match="'before' is not known"):
        await house.start(
            write(
                folder,
                "p.yaml",
                "name: p\nsteps:\n  - {id: before, type: skill, skill: echo}\n"
                "  - {id: c, type: workflow, workflow: ./child.yaml}\n",
            )
        )


async def test_a_registered_child_is_found_by_name(house: House, folder: Path) -> None:
    await house.app.manager.register(_plain("child"))

    execution = await house.run(
        {"name": "p", "steps": [{"id": "c", "type": "workflow", "workflow": "child"}]}
    )

    assert statuses(execution) == {"c.x": "completed", "c": "completed"}


def _plain(name: str) -> dict[str, object]:
    return {"name": name, "steps": [{"id": "x", "type": "skill", "skill": "echo"}]}


@pytest.mark.parametrize("child", ["nobody", "./nobody.yaml"])
async def test_a_child_that_is_not_there_is_said_before_anything_runs(
    house: House, folder: Path, order: Order, child: str
) -> None:
    text = (
        f"name: p\nsteps:\n  - {note('first')}\n  - {{id: c, type: workflow, workflow: {child}}}\n"
    )

    with pytest.raises(WorkflowNotFound, match="nobody"):
        await house.start(write(folder, "p.yaml", text))

    assert order.seen == []


async def test_workflows_that_call_each_other_in_a_circle_are_refused(
    house: House, folder: Path
) -> None:
    write(folder, "a.yaml", "name: a\nsteps: [{id: b, type: workflow, workflow: ./b.yaml}]")
    write(folder, "b.yaml", "name: b\nsteps: [{id: a, type: workflow, workflow: ./a.yaml}]")

    with pytest.raises(WorkflowNotFound, match="in a circle"):
        await house.start(folder / "a.yaml")


async def test_a_child_beside_its_parent_is_found_from_the_parents_folder(
    house: House, folder: Path
) -> None:
    inner = folder / "inner"
    inner.mkdir()
    write(inner, "middle.yaml", "name: m\nsteps: [{id: g, type: workflow, workflow: ./leaf.yaml}]")
    write(inner, "leaf.yaml", "name: l\nsteps: [{id: x, type: skill, skill: echo}]")

    execution = await house.run(write(folder, "p.yaml", parent("./inner/middle.yaml", inputs="{}")))

    assert list(execution.steps) == ["c.g.x", "c.g", "c"]
