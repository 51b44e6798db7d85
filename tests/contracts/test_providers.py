"""What every provider owes, whatever executes there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.api.app import loader
from assay.graphs.beginning import beginning
from assay.graphs.errors import ExecutionNotFound, WorkflowNotFound
from assay.graphs.execution import Execution, Status, new_id, timestamp
from assay.graphs.ports import Provider
from assay.graphs.providers.mock import MockProvider
from assay.graphs.workflow import Workflow

from ..running import open_house

pytestmark = pytest.mark.anyio

SEVEN = {
    *("name", "validate", "create_workflow", "start_execution"),
    *("get_execution_status", "stop_execution", "delete_workflow"),
}


class Kept(NamedTuple):
    """A provider, and what the manager does before it hands an execution over."""

    provider: Provider
    keep: Callable[[Execution], Awaitable[None]]


def workflow(name: str = "greet", version: str = "1.0", command: str = "true") -> Workflow:
    steps = [{"id": "say", "type": "shell", "command": command}]
    document = {"name": name, "version": version, "steps": steps}
    return loader().mapping(document, name).workflow


def queued(of: Workflow, workspace: Path = Path()) -> Execution:
    now = timestamp()
    return Execution(
        *(new_id(), of.name, of.version, of.digest, Status.QUEUED),
        workspace=str(workspace),
        created_at=now,
        updated_at=now,
    )


@pytest.fixture(params=["langgraph", "mock"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    async def nowhere(_: Execution) -> None:
        """A provider elsewhere is handed all it needs."""

    if request.param == "mock":
        yield Kept(MockProvider(), nowhere)
        return
    async with open_house(tmp_path) as house:
        store = house.app.manager.store

        async def keep(execution: Execution) -> None:
            await store.create(execution, beginning(execution).entries, "")

        yield Kept(house.app.provider, keep)


async def begun(kept: Kept, of: Workflow, workspace: Path) -> Execution:
    execution = queued(of, workspace)
    await kept.keep(execution)
    await kept.provider.start_execution(execution)
    return execution


async def ended(provider: Provider, id: str) -> Execution:
    async with asyncio.timeout(60):
        while not (found := await provider.get_execution_status(id)).status.terminal:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


def test_a_provider_has_seven_methods() -> None:
    assert {name for name in vars(Provider) if not name.startswith("_")} == SEVEN


async def test_what_was_created_is_started_and_ends(kept: Kept, tmp_path: Path) -> None:
    kept.provider.validate(workflow())
    await kept.provider.create_workflow(workflow())

    execution = await begun(kept, workflow(), tmp_path)

    assert (await ended(kept.provider, execution.id)).status is Status.COMPLETED


async def test_creating_and_starting_again_changes_nothing(kept: Kept, tmp_path: Path) -> None:
    counted = workflow(command="echo once >> ran")
    await kept.provider.create_workflow(counted)
    await kept.provider.create_workflow(counted)
    execution = await begun(kept, counted, tmp_path)
    first = await ended(kept.provider, execution.id)

    again = await kept.provider.start_execution(execution)

    assert replace(again, steps={}) == replace(first, steps={})
    if kept.provider.name() == "langgraph":
        assert (tmp_path / "ran").read_text() == "once\n"


async def test_a_version_that_was_not_created_is_not_started(kept: Kept, tmp_path: Path) -> None:
    await kept.provider.create_workflow(workflow())

    with pytest.raises(WorkflowNotFound):
        await begun(kept, workflow(version="2.0"), tmp_path)


async def test_what_was_stopped_is_cancelled(kept: Kept, tmp_path: Path) -> None:
    long = workflow(command="sleep 600")
    await kept.provider.create_workflow(long)
    execution = await begun(kept, long, tmp_path)

    stopped = await kept.provider.stop_execution(execution.id, "enough")

    assert stopped.status is Status.CANCELLED
    assert stopped.error is not None
    assert "enough" in stopped.error.message
    assert (await kept.provider.get_execution_status(execution.id)).status is Status.CANCELLED


async def test_of_an_execution_that_is_not_there_it_is_told_so(kept: Kept) -> None:
    with pytest.raises(ExecutionNotFound):
        await kept.provider.get_execution_status(new_id())
    with pytest.raises(ExecutionNotFound):
        await kept.provider.stop_execution(new_id())


async def test_deleting_twice_or_what_never_was_is_no_error(kept: Kept, tmp_path: Path) -> None:
    await kept.provider.create_workflow(workflow())
    await kept.provider.create_workflow(workflow(version="2.0"))

    await kept.provider.delete_workflow("greet", "1.0")
    await kept.provider.delete_workflow("greet", "1.0")
    await kept.provider.delete_workflow("nothing")

    execution = await begun(kept, workflow(version="2.0"), tmp_path)
    assert (await ended(kept.provider, execution.id)).status is Status.COMPLETED
    await kept.provider.delete_workflow("greet")
    if kept.provider.name() != "langgraph":  # there an execution is pinned to what it was
        with pytest.raises(WorkflowNotFound):
            await begun(kept, workflow(version="2.0"), tmp_path)


async def test_a_hundred_at_once(kept: Kept, tmp_path: Path) -> None:
    await kept.provider.create_workflow(workflow())

    executions = await asyncio.gather(*(begun(kept, workflow(), tmp_path) for _ in range(100)))

    found = [await ended(kept.provider, each.id) for each in executions]
    assert {each.status for each in found} == {Status.COMPLETED}
    assert len({each.id for each in found}) == 100


def test_the_mock_is_one_for_many_threads() -> None:
    mock, of = MockProvider(), workflow()
    asyncio.run(mock.create_workflow(of))
    executions = [queued(of) for _ in range(50)]

    def start(_: int) -> list[Execution]:
        async def every() -> list[Execution]:
            return [await mock.start_execution(each) for each in executions]

        return asyncio.run(every())

    with ThreadPoolExecutor(8) as threads:
        first, *others = threads.map(start, range(8))

    assert others == [first] * 7  # each began once, whoever came first
    assert {each.status for each in first} == {Status.COMPLETED}
