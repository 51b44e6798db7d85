"""An execution runs what it began with, whatever has been registered or written since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.execution import Status

from ..running import House, Order, mapping, note, open_house
from .asking import answered

pytestmark = pytest.mark.anyio

ASK = "{id: ask, type: approval, message: x}"


def version(number: str, *steps: str, name: str = "w") -> dict[str, Any]:
    return {**mapping("\n".join(f"- {s}" for s in steps)), "name": name, "version": number}


def calling(workflow: str, more: str = "") -> str:
    return f"{{id: call, type: workflow, workflow: {workflow}{more}}}"


async def begun(
    folder: Path, definition: Mapping[str, Any] | str | Path, *before: Mapping[str, Any]
) -> assay.Execution:
    """An execution that waits, with nobody driving it; `before` is registered before."""
    async with open_house(folder) as house:
        Order(house)
        for document in before:
            await house.app.register(document)
        execution = await house.app.start(definition)
        return await house.app.manager.wait(execution.id, until=(Status.WAITING,))


async def ended(house: House, execution: assay.Execution) -> tuple[str, list[str]]:
    """How it ends when it goes on, and what it does until then."""
    order = Order(house)
    await house.app.resume(execution.id)
    await answered(house, execution, "ask")
    done = await house.app.wait(execution.id)
    return done.status.value, order.seen


@pytest.mark.parametrize("definition", ["w", "w@1"])
async def test_a_new_version_is_for_new_executions(tmp_path: Path, definition: str) -> None:
    execution = await begun(tmp_path, definition, version("1", ASK, note("old")))

    async with open_house(tmp_path) as house:
        await house.app.register(version("2", ASK, note("new")))
        assert await ended(house, execution) == ("completed", ["old"])
        newest = await house.app.start("w")
        assert await ended(house, newest) == ("completed", ["new"])
        older = await house.app.start("w@1")
        assert await ended(house, older) == ("completed", ["old"])

    assert (execution.version, newest.version, older.version) == ("1", "2", "1")
    assert execution.digest == older.digest != newest.digest


async def test_both_versions_run_beside_each_other(house: House, order: Order) -> None:
    await house.app.register(version("1", ASK, note("old")))
    first = await house.app.start("w")
    await house.app.register(version("2", ASK, note("new")))
    second = await house.app.start("w")

    for execution in (second, first):
        await answered(house, execution, "ask")
        await house.app.wait(execution.id)

    assert order.seen == ["new", "old"]


async def test_what_was_never_registered_is_kept_as_well(tmp_path: Path) -> None:
    """Two definitions of one name and version: each execution knows its own."""
    first = await begun(tmp_path, version("1", ASK, note("one")))
    second = await begun(tmp_path, version("1", ASK, note("two")))

    async with open_house(tmp_path) as house:
        assert await ended(house, first) == ("completed", ["one"])
        assert await ended(house, second) == ("completed", ["two"])


async def test_a_file_that_was_changed_or_removed_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(f"name: w\nsteps: [{ASK}, {note('old')}]\n")
    first = await begun(tmp_path, file)
    file.write_text(f"name: w\nsteps: [{ASK}, {note('new')}]\n")
    second = await begun(tmp_path, file)
    file.unlink()

    async with open_house(tmp_path) as house:
        assert await ended(house, first) == ("completed", ["old"])
        assert await ended(house, second) == ("completed", ["new"])


@pytest.mark.parametrize("how", ["", ", version: '1'"])
async def test_a_child_is_what_it_was_when_its_parent_began(tmp_path: Path, how: str) -> None:
    """Also one that had not begun by then."""
    execution = await begun(
        tmp_path,
        version("1", ASK, calling("child", how), name="parent"),
        version("1", note("old"), name="child"),
    )

    async with open_house(tmp_path) as house:
        await house.app.register(version("2", note("new"), name="child"))
        assert await ended(house, execution) == ("completed", ["old"])
        fresh = await house.app.start(version("1", ASK, calling("child", how), name="parent"))
        assert await ended(house, fresh) == ("completed", ["old" if how else "new"])


async def test_a_child_in_a_file_is_kept(tmp_path: Path) -> None:
    child, parent = tmp_path / "child.yaml", tmp_path / "parent.yaml"
    child.write_text(f"name: child\nsteps: [{note('old')}]\n")
    parent.write_text(f"name: parent\nsteps: [{ASK}, {calling('child.yaml')}]\n")
    execution = await begun(tmp_path, parent)
    child.unlink()

    async with open_house(tmp_path) as house:
        assert await ended(house, execution) == ("completed", ["old"])


async def test_a_child_of_a_child_is_kept(tmp_path: Path) -> None:
    execution = await begun(
        tmp_path,
        version("1", ASK, calling("middle"), name="outer"),
        version("1", note("old"), name="inner"),
        version("1", calling("inner"), name="middle"),
    )

    async with open_house(tmp_path) as house:
        await house.app.register(version("2", note("new"), name="inner"))
        await house.app.register(version("2", note("other"), name="middle"))
        assert await ended(house, execution) == ("completed", ["old"])


async def test_a_child_of_a_new_name_is_not_looked_up_again(tmp_path: Path) -> None:
    """Two children of one name, from two parents that were begun at different times."""
    parent = version("1", ASK, calling("child"), name="parent")
    first = await begun(tmp_path, parent, version("1", note("one"), name="child"))
    second = await begun(tmp_path, parent, version("2", note("two"), name="child"))

    async with open_house(tmp_path) as house:
        assert await ended(house, second) == ("completed", ["two"])
        assert await ended(house, first) == ("completed", ["one"])
    assert first.digest == second.digest


async def test_a_retry_is_of_what_was_run(tmp_path: Path) -> None:
    failing = "{id: bad, type: python, function: fail}"
    async with open_house(tmp_path) as house:
        Order(house)
        await house.app.register(version("1", note("a"), failing, note("old")))
        failed = await house.app.wait((await house.app.start("w")).id)

    async with open_house(tmp_path) as house:
        order = Order(house)
        house.app.function("fail", order.note)
        await house.app.register(version("2", note("a"), note("new")))
        retry = await house.app.manager.fork(failed.id, "a")
        done = await house.app.wait(retry.id)

    assert (done.version, done.digest, order.seen) == ("1", failed.digest, ["a"])
    assert done.error is not None
    assert "cannot take these inputs" in done.error.message


async def test_a_workflow_that_is_deleted_stays_with_those_who_run_it(tmp_path: Path) -> None:
    execution = await begun(tmp_path, "w", version("1", ASK, note("old")))

    async with open_house(tmp_path) as house:
        await house.app.manager.store.delete_workflow("w")
        assert await ended(house, execution) == ("completed", ["old"])


async def test_other_kinds_of_the_same_name_are_the_operators_business(tmp_path: Path) -> None:
    """Functions are code, and code is not pinned: the one that is there now is called."""
    execution = await begun(tmp_path, version("1", ASK, note("x")))

    async with open_house(tmp_path) as house:
        Order(house)

        async def note_(name: str) -> str:
            return f"another {name}"

        house.app.function("note", note_)
        await house.app.resume(execution.id)
        await answered(house, execution, "ask")
        done = await house.app.wait(execution.id)

    assert done.steps["x"].output == "another x"
