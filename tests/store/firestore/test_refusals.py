"""An expired credential, a withdrawn role, a missing database: one clear line, nothing lost."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.emulators import VARIABLES
from tests.gatekeeper import DENIED, EXPIRED, NO_DATABASE, NO_INDEX, Gatekeeper, Refusal, gatekeeper
from tests.running import House, Order, statuses

import assay
from assay.graphs.errors import StoreUnavailable
from assay.graphs.event import EventType
from assay.store.connect import connect

pytestmark = pytest.mark.anyio

WAYS_ON = [
    pytest.param(EXPIRED, "gcloud auth application-default login", id="expired"),
    pytest.param(DENIED, "roles/datastore.user", id="denied"),
    pytest.param(NO_DATABASE, "gcloud firestore databases create", id="no database"),
]


@pytest.fixture
async def keeper(project: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gatekeeper]:
    async with gatekeeper(os.environ[VARIABLES["firestore"]]) as keeper:
        monkeypatch.setenv(VARIABLES["firestore"], keeper.address)
        yield keeper


@pytest.mark.parametrize(("refusal", "way_on"), WAYS_ON)
async def test_a_store_that_may_not_be_used_says_so_when_it_is_opened(
    keeper: Gatekeeper, project: str, refusal: Refusal, way_on: str
) -> None:
    keeper.refuse(refusal)
    with pytest.raises(StoreUnavailable) as raised:
        await connect(f"firestore://{project}")
    message = raised.value.message
    assert way_on in message
    assert project in message
    assert "\n" not in message


@pytest.mark.parametrize(("refusal", "way_on"), WAYS_ON)
async def test_a_command_ends_with_one_line(
    keeper: Gatekeeper, project: str, tmp_path: Path, refusal: Refusal, way_on: str
) -> None:
    keeper.refuse(refusal)
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "assay", "list"),
        cwd=tmp_path,
        env={**os.environ, "ASSAY_HOME": str(tmp_path), "ASSAY_STORE": f"firestore://{project}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, problem = await asyncio.wait_for(command.communicate(), 60)
    assert said == b""
    assert command.returncode == 2
    (line,) = problem.decode().splitlines()
    assert line.startswith("error: ")
    assert way_on in line


@pytest.mark.parametrize(("refusal", "way_on"), WAYS_ON)
async def test_what_runs_meanwhile_waits_and_goes_on(
    keeper: Gatekeeper, project: str, tmp_path: Path, refusal: Refusal, way_on: str
) -> None:
    """No step runs again, and whoever follows is told what to do."""
    async with assay.open(f"firestore://{project}", home=tmp_path, workspace=tmp_path) as app:
        house = House(app, tmp_path)
        order = Order(house)
        started = await house.start(
            "- {id: a, type: python, function: pass_gate, inputs: {name: a}}\n"
            "- {id: b, type: python, function: note, inputs: {name: b}}\n"
        )
        heard = asyncio.create_task(_notice(house, started.id))
        await order.gate("a reached").wait()
        keeper.refuse(refusal)
        order.gate("a").set()
        notice = await asyncio.wait_for(heard, 60)
        keeper.admit()
        ended = await asyncio.wait_for(house.app.wait(started.id), 60)

    assert way_on in notice
    assert statuses(ended) == {"a": "completed", "b": "completed"}
    assert order.seen == ["a", "b"]


async def test_a_listing_without_its_index_says_how_to_make_it_and_is_waited_for(
    keeper: Gatekeeper, project: str
) -> None:
    store = await connect(f"firestore://{project}")
    try:
        keeper.refuse(NO_INDEX)
        with pytest.raises(StoreUnavailable, match=r"entries and field at.*assay store migrate"):
            await store.log(after="")
        keeper.admit()
        assert await store.log(after="") == []
    finally:
        await store.close()


async def _notice(house: House, id: str) -> str:
    async for event in house.app.manager.follow(id):
        if event.type is EventType.NOTICE:
            return str(event.data)
    raise AssertionError("nobody was told")
