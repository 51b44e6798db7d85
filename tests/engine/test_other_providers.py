"""Executions that another provider executes: kept, watched and stopped from here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.errors import (
    InvalidSpec,
    NotPossible,
    Position,
    Problem,
    ProviderConflict,
    ProviderNotFound,
    Retryable,
    WorkflowError,
)
from assay.graphs.event import EventType
from assay.graphs.execution import Execution, Failure, Status
from assay.graphs.providers.mock import MockProvider
from assay.graphs.workflow import Workflow

from ..running import House, open_app, open_house

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

GREET: Mapping[str, Any] = {
    "name": "greet",
    "steps": [{"id": "say", "type": "shell", "command": "touch ran"}],
}


class Remote(MockProvider):
    """A service elsewhere that outlives our processes: its executions end when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.reached = asyncio.Event()
        self.states: dict[str, Execution] = {}
        self.trouble: dict[str, Exception] = {}

    def name(self) -> str:
        return "remote"

    def validate(self, workflow: Workflow) -> None:
        if workflow.description == "too hard":
            raise InvalidSpec([Problem("greet", Position(1, 1), "this is too hard")])

    async def create_workflow(self, workflow: Workflow) -> None:
        self._asked("create")

    async def start_execution(self, execution: Execution) -> Execution:
        self._asked("start")
        begun = replace(execution, status=Status.RUNNING)
        return self.states.setdefault(execution.id, begun)

    async def get_execution_status(self, execution_id: str) -> Execution:
        self._asked("status")
        self.reached.set()
        return self.states[execution_id]

    async def stop_execution(self, execution_id: str, reason: str = "") -> Execution:
        self._asked(f"stop: {reason}")
        return self.end(execution_id, status=Status.CANCELLED)

    def end(self, execution_id: str, **what: Any) -> Execution:
        ended = replace(self.states[execution_id], **what)
        self.states[execution_id] = ended
        return ended

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if (trouble := self.trouble.pop(what, None)) is not None:
            raise trouble


@pytest.fixture
def remote(house: House) -> Remote:
    provider = Remote()
    house.app.add_provider(provider)
    return provider


async def begun(house: House, remote: Remote) -> Execution:
    """An execution that runs there."""
    started = await house.app.start(GREET, provider="remote")
    await remote.reached.wait()
    return started


async def test_its_end_and_outputs_there_are_its_end_and_outputs_here(
    house: House, remote: Remote
) -> None:
    started = await begun(house, remote)
    remote.end(started.id, status=Status.COMPLETED, outputs={"n": 1})

    done = await house.app.wait(started.id)

    assert (done.status, done.outputs, done.provider) == ("completed", {"n": 1}, "remote")
    assert done.notices == ("executed by the provider 'remote'",)
    assert not (house.workspace / "ran").exists()
    events = [e.type async for e in house.app.manager.events(done.id)]
    assert events == [
        EventType.EXECUTION_QUEUED,
        EventType.EXECUTION_STARTED,
        EventType.EXECUTION_COMPLETED,
    ]


@pytest.mark.parametrize(
    ("there", "status", "says"),
    [
        ({"status": Status.FAILED, "error": Failure("boom", "it broke")}, "failed", "it broke"),
        ({"status": Status.FAILED}, "failed", "the provider 'remote' says failed"),
        ({"status": Status.CANCELLED}, "cancelled", "the provider 'remote' cancelled it"),
    ],
)
async def test_what_goes_wrong_there_is_told_here(
    house: House, remote: Remote, there: dict[str, Any], status: str, says: str
) -> None:
    started = await begun(house, remote)
    remote.end(started.id, **there)

    done = await house.app.wait(started.id)

    assert (done.status, done.error and done.error.message) == (status, says)


async def test_who_stops_it_here_stops_it_there(house: House, remote: Remote) -> None:
    started = await begun(house, remote)

    stopped = await house.app.manager.stop(started.id, "enough")

    assert (stopped.status, remote.asked[-1]) == ("cancelled", "stop: enough")


async def test_a_stop_that_fails_there_is_said(house: House, remote: Remote) -> None:
    started = await begun(house, remote)
    remote.trouble["stop: "] = WorkflowError("not today")

    stopped = await house.app.manager.stop(started.id)

    assert stopped.status == "cancelled"
    assert "the provider 'remote' did not stop it: not today" in stopped.notices


async def test_after_a_restart_it_is_watched_on_and_begun_once(tmp_path: Path) -> None:
    remote = Remote()
    async with open_house(tmp_path) as house:
        house.app.add_provider(remote)
        started = await begun(house, remote)

    remote.reached.clear()
    async with open_house(tmp_path) as house:
        house.app.add_provider(remote)
        await house.app.resume(started.id)
        await remote.reached.wait()
        remote.end(started.id, status=Status.COMPLETED)
        done = await house.app.wait(started.id)

    assert done.status == "completed"
    assert list(remote.states) == [started.id]
    assert not [asked for asked in remote.asked if asked.startswith("stop")]


async def test_a_worker_without_the_provider_leaves_it_to_those_that_have_it(
    tmp_path: Path,
) -> None:
    remote = Remote()
    async with open_house(tmp_path) as house:
        house.app.add_provider(remote)
        started = await begun(house, remote)

    async with open_house(tmp_path) as house:
        with pytest.raises(ProviderNotFound, match="no provider is named 'remote'"):
            await house.app.resume(started.id)
        left = await house.app.manager.get(started.id)

    assert left.status == "queued"


@pytest.mark.parametrize("asked", ["create", "start", "status"])
async def test_what_may_help_a_second_time_is_asked_a_second_time(
    house: House, remote: Remote, asked: str
) -> None:
    remote.trouble[asked] = Retryable("busy")
    started = await begun(house, remote)
    remote.end(started.id, status=Status.COMPLETED)

    assert (await house.app.wait(started.id)).status == "completed"
    assert remote.asked.count(asked) > 1


async def test_what_it_raises_ends_the_execution(house: House, remote: Remote) -> None:
    remote.trouble["start"] = WorkflowError("we are closed")

    done = await house.app.wait((await house.app.start(GREET, provider="remote")).id)

    assert done.error is not None
    assert (done.status, done.error.code, done.error.message) == (
        "failed",
        "workflow_error",
        "we are closed",
    )


async def test_what_it_refuses_is_not_begun(house: House, remote: Remote) -> None:
    with pytest.raises(InvalidSpec, match="too hard"):
        await house.app.start({**GREET, "description": "too hard"}, provider="remote")

    assert not (await house.app.manager.executions()).items
    assert remote.asked == []


async def test_a_provider_that_is_not_there_begins_nothing(house: House) -> None:
    with pytest.raises(ProviderNotFound, match=r"'moc'; did you mean 'mock'\?"):
        await house.app.start(GREET, provider="moc")

    assert not (await house.app.manager.executions()).items


async def test_it_cannot_be_paused_or_forked_but_tried_again(house: House, remote: Remote) -> None:
    started = await begun(house, remote)
    with pytest.raises(NotPossible, match="cannot pause"):
        await house.app.manager.pause(started.id)
    remote.end(started.id, status=Status.FAILED)
    await house.app.wait(started.id)
    with pytest.raises(NotPossible, match="`retry` begins all of it anew"):
        await house.app.manager.plan_fork(started.id)

    again = await house.app.manager.retry(started.id)

    assert (again.provider, again.id != started.id) == ("remote", True)
    await house.app.manager.stop(again.id)


async def test_the_setting_names_who_executes_what_asks_for_nobody(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    environ = {"WORKFLOW_DEFAULT_PROVIDER": "mock"}
    async with open_app(tmp_path / "home", workspace=workspace, environ=environ) as app:
        await app.register(GREET)
        done = await app.run("greet")
        assert await app.manager.delete_workflow("greet") == 1

        with pytest.raises(assay.AssayError, match="'greet'"):
            await app.start("greet")

    assert (done.status, done.provider) == ("completed", "mock")
    assert not (workspace / "ran").exists()


async def test_a_setting_that_names_nobody_is_refused(tmp_path: Path) -> None:
    environ = {"WORKFLOW_DEFAULT_PROVIDER": "langgrap"}
    with pytest.raises(ProviderNotFound, match=r"did you mean 'langgraph'\?"):
        async with open_app(tmp_path, workspace=tmp_path, environ=environ):
            pass


async def test_there_are_two_from_the_start_and_both_stay(house: House) -> None:
    assert house.app.manager.providers() == ["langgraph", "mock"]
    with pytest.raises(ProviderConflict):
        house.app.add_provider(MockProvider())


async def test_both_ends_of_everything_are_in_the_log(
    house: House, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "assay.manager"):
        await house.app.register(GREET)
        started = await begun(house, remote)
        await house.app.manager.stop(started.id)
        await house.app.manager.delete_workflow("greet")

    version = started.version
    assert caplog.messages == [
        f"create greet@{version} with langgraph …",
        f"create greet@{version} with langgraph: done",
        f"start {started.id} of greet@{version} …",
        f"start {started.id} of greet@{version}: done",
        f"stop {started.id} …",
        f"stop {started.id}: done",
        "delete greet@* …",
        "delete greet@*: done",
    ]


async def test_what_is_not_done_is_in_the_log_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house(tmp_path) as house:
        await house.app.register({**GREET, "version": "1.0"})
        other = {**GREET, "version": "1.0", "description": "another"}
        with caplog.at_level(logging.INFO, "assay.manager"), pytest.raises(assay.AssayError):
            await house.app.register(other)

    begun, broken = caplog.messages
    assert begun == "create greet@1.0 with langgraph …"
    assert broken.startswith("create greet@1.0 with langgraph: not done: ")
