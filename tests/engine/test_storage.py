"""What an execution costs on the disk: its journal, its checkpoints, its large values."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import assay
from assay.graphs.execution import Status

from .. import running
from ..running import House, Order, mapping, note, open_house
from .asking import answered
from .kept import data_in_firestore, kept

pytestmark = pytest.mark.anyio

BIG = 100_000


class Stored(NamedTuple):
    """Bytes in the database, and in blobs."""

    journal: int
    checkpoints: int
    rows: int
    blobs: int

    @property
    def database(self) -> int:
        return self.journal + self.checkpoints + self.rows


async def stored(folder: Path) -> Stored:
    if running.store_kind == "firestore":
        sizes = await data_in_firestore(folder)
    else:
        sizes = data_in_sqlite(folder)
    return Stored(*sizes, sum(len(each.data) for each in await kept(folder)))


def data_in_sqlite(folder: Path) -> tuple[int, int, int]:
    with closing(sqlite3.connect(folder / "home" / "assay.db")) as database:

        def size(table: str, *columns: str) -> int:
            lengths = " + ".join(f"ifnull(length({column}), 0)" for column in columns)
            row = database.execute(f"SELECT ifnull(sum({lengths}), 0) FROM {table}")
            return int(row.fetchone()[0])

        tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_chunks")
        return (
            size("journal", "data"),
            sum(size(table, "data") for table in tables),
            size("executions", "given", "changing") + size("questions", "document"),
        )


async def cost(folder: Path, text: str) -> Stored:
    folder.mkdir()
    async with open_house(folder) as house:
        large(house)
        execution = await house.run(text)
        assert execution.status == "completed", execution.error
    return await stored(folder)


def large(house: House) -> None:
    async def big() -> str:
        return "x" * BIG

    async def same(value: str) -> str:
        return value

    async def add(value: str) -> str:
        return value + "y"

    Order(house)
    for function in (big, same, add):
        house.function(function)


LOOPS = {
    "a counter": "{id: add, type: set, values: {n: '{{ context.n + 1 }}'}}",
    "a list": (
        "{id: add, type: set, values: {n: '{{ context.n + 1 }}', "
        "log: '{{ context.log + [\"entry \" + string(context.n)] }}'}}"
    ),
    "a text": (
        "{id: add, type: set, values: {n: '{{ context.n + 1 }}', "
        "text: '{{ context.text + \"entry \" + string(context.n) }}'}}"
    ),
    "a list beside steps": (
        f"{note('work')}, {{id: add, type: set, values: {{n: '{{{{ context.n + 1 }}}}', "
        "log: '{{ context.log + [work.output] }}'}}"
    ),
    "a list that may be undone": (
        "{id: add, type: set, values: {n: '{{ context.n + 1 }}', "
        "log: '{{ context.log + [\"entry \" + string(context.n)] }}'}}, "
        f"{note('made', f', rollback: [{note(chr(117))}]')}"
    ),
    "a list that its undo reads": (
        "{id: add, type: set, values: {n: '{{ context.n + 1 }}', "
        "log: '{{ context.log + [\"entry \" + string(context.n)] }}'}}, "
        + note(
            "made",
            ", rollback: [{id: u, type: skill, skill: echo, "
            "inputs: {message: '{{ size(context.log) }}'}}]",
        )
    ),
    "a list in a conditional": (
        "{id: c, type: conditional, condition: 'true', then: [{id: add, type: set, "
        "values: {n: '{{ context.n + 1 }}', log: '{{ context.log + [\"entry\"] }}'}}]}"
    ),
}


@pytest.mark.parametrize("body", LOOPS)
async def test_a_loop_costs_as_much_at_its_end_as_at_its_beginning(
    tmp_path: Path, body: str
) -> None:
    """Whatever grows in it; the first iterations of a list are written whole."""
    costs = []
    for times in (80, 160, 320):
        text = f"""
            name: w
            context: {{mutable: {{n: 0, log: [], text: ""}}}}
            steps:
              - id: l
                type: loop
                while: context.n < {times}
                max_iterations: {times}
                steps: [{LOOPS[body]}]
            """
        costs.append(await cost(tmp_path / str(times), text))

    first, second, third = (c.database for c in costs)
    assert (third - second) / (second - first) < 2.5
    assert (costs[2].journal - costs[1].journal) / 160 < 700


async def test_a_large_value_that_is_handed_on_is_kept_once(tmp_path: Path) -> None:
    """From step to step, out of the execution, and through its checkpoints."""
    steps = ["- {id: s0, type: python, function: big}"]
    for n in range(1, 20):
        inputs = f"{{value: '{{{{ s{n - 1}.output }}}}'}}"
        steps.append(f"- {{id: s{n}, type: python, function: same, inputs: {inputs}}}")

    found = await cost(tmp_path / "once", "\n".join(steps))

    assert BIG <= found.blobs < BIG + 1000
    assert found.database < 20_000


async def test_each_of_several_large_values_is_kept_once(tmp_path: Path) -> None:
    found = await cost(
        tmp_path / "each",
        """
        - {id: a, type: python, function: big}
        - {id: b, type: python, function: add, inputs: {value: "{{ a.output }}"}}
        - {id: c, type: python, function: same, inputs: {value: "{{ b.output }}"}}
        - id: each
          type: foreach
          items: "[1, 2, 3]"
          steps: [{id: s, type: python, function: same, inputs: {value: "{{ a.output }}"}}]
        """,
    )

    # `each` is a list of three, which is a value of its own.
    assert 5 * BIG <= found.blobs < 5 * BIG + 2000
    assert found.database < 20_000


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "not fused"])
async def test_a_restart_does_not_write_it_again(tmp_path: Path, fuse: bool) -> None:
    text = """
        - {id: a, type: python, function: big}
        - {id: b, type: python, function: same, inputs: {value: "{{ a.output }}"}}
        - {id: ask, type: approval, message: x}
        - {id: c, type: python, function: same, inputs: {value: "{{ b.output }}"}}
        - {id: again, type: approval, message: x}
        """
    async with open_house(tmp_path) as house:
        large(house)
        execution = await house.app.manager.start(mapping(text), fuse=fuse)
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    for path in ("ask", "again"):
        async with open_house(tmp_path) as house:
            large(house)
            await house.app.resume(execution.id)
            await answered(house, execution, path)
            if path == "ask":
                await house.app.manager.wait(execution.id, until=(Status.WAITING,))
            else:
                done: assay.Execution = await house.app.wait(execution.id)
    found = await stored(tmp_path)

    assert (done.status, done.steps["c"].output) == ("completed", "x" * BIG)
    assert BIG <= found.blobs < BIG + 1000
    assert found.database < 30_000


async def test_a_large_list_of_items_is_kept_beside_the_journal(tmp_path: Path) -> None:
    """What was decided is a value like any other."""
    found = await cost(
        tmp_path / "items",
        """
        - {id: a, type: python, function: big}
        - id: each
          type: foreach
          items: "[a.output, 'y']"
          steps: [{id: s, type: skill, skill: echo, inputs: {message: "{{ index }}"}}]
        """,
    )

    assert found.journal < 10_000


async def test_what_an_undo_will_need_is_not_written_again(tmp_path: Path) -> None:
    """A compensation that reads a large value refers to it."""

    def undo(n: int) -> str:
        inputs = "{value: '{{ a.output }}'}"
        return f", rollback: [{{id: u{n}, type: python, function: same, inputs: {inputs}}}]"

    steps = [f"- {{id: a, type: python, function: big{undo(9)}}}"]
    steps += [f"- {note(f'n{n}', undo(n))}" for n in range(3)]

    found = await cost(tmp_path / "undo", "\n".join(steps))

    assert BIG <= found.blobs < BIG + 1000
    assert found.journal < 10_000


async def test_rows_do_not_grow_with_the_steps(tmp_path: Path) -> None:
    """A listing reads rows; what steps gave is not in them."""
    few = await cost(tmp_path / "few", "\n".join(f"- {note(f's{n}')}" for n in range(3)))
    many = await cost(tmp_path / "many", "\n".join(f"- {note(f's{n}')}" for n in range(60)))

    assert many.rows < few.rows + 200
