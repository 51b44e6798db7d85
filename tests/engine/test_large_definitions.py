"""While a large definition is read, everybody else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from assay.graphs.errors import InvalidSpec
from assay.graphs.execution import Status
from assay.graphs.launching import Definition, Source

from ..running import House

pytestmark = pytest.mark.anyio

MANY = 300
STEPS = [
    {"id": f"s{n}", "type": "python", "function": "note", "inputs": {"value": f"{{{{ {n} + 1 }}}}"}}
    for n in range(MANY)
]
LARGE: dict[str, Any] = {"name": "large", "steps": STEPS}


def as_source(folder: Path) -> Definition:
    return Source(orjson.dumps(LARGE), json=True)


def as_mapping(folder: Path) -> Definition:
    return LARGE


def as_file(folder: Path) -> Definition:
    path = folder / "large.json"
    path.write_bytes(orjson.dumps(LARGE))
    return path


@pytest.mark.parametrize("given", [as_source, as_mapping, as_file])
async def test_the_event_loop_turns_while_a_large_definition_is_loaded(
    house: House, tmp_path: Path, given: Callable[[Path], Definition]
) -> None:
    assert len(orjson.dumps(LARGE)) > 16_384

    async def unfinished() -> bool:
        return not loading.done()

    loading = asyncio.create_task(house.app.manager.load(given(tmp_path)))
    assert await asyncio.create_task(unfinished()), "it was read in one go"
    assert len((await loading).workflow.steps) == MANY


async def test_a_definition_that_many_ask_for_at_once_is_loaded_once(house: House) -> None:
    asked = (house.app.manager.load(LARGE) for _ in range(5))
    first, *others = await asyncio.gather(*asked)

    assert all(other is first for other in others)


async def test_what_was_loaded_beside_runs(house: House) -> None:
    noted: list[int] = []
    house.app.function("note", lambda value: noted.append(value))

    done = await house.run(LARGE)

    assert done.status is Status.COMPLETED, done.error
    assert noted == [*range(1, MANY + 1)]


async def test_every_fault_of_a_large_definition_is_named(house: House) -> None:
    wrong = {**LARGE, "steps": [*STEPS, {"id": "last", "type": "unheard"}, {"id": "s0"}]}

    with pytest.raises(InvalidSpec) as refused:
        await house.app.manager.load(Source(orjson.dumps(wrong), json=True))

    assert len(refused.value.problems) == 2
