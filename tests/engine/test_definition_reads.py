"""A definition that executions are pinned to is read once in a process, from either store."""

from __future__ import annotations

import asyncio
import importlib
import secrets
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.api.app import App, open_app
from assay.graphs import launching
from assay.graphs.execution import Status

from ..running import mapping

pytestmark = pytest.mark.anyio

STORES = ["sqlite", "firestore"]
CHILD = "name: child\nsteps:\n- {id: e, type: skill, skill: echo, inputs: {message: x}}"
PARENT = (
    "- {id: ask, type: approval, message: x}\n"
    "- {id: a, type: workflow, workflow: child}\n"
    "- {id: b, type: workflow, workflow: child}"
)


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'assay.db'}"
    request.getfixturevalue("emulated")
    return f"firestore://test-{secrets.token_hex(8)}"


@pytest.fixture
def reads(url: str, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store has been asked for the document of each digest."""
    workflows = importlib.import_module(f"assay.store.{url.partition(':')[0]}.workflows")
    read, counted = workflows.document_by_digest, Counter[str]()

    def counting(database: Any, digest: str) -> Mapping[str, Any]:
        counted[digest] += 1
        found: Mapping[str, Any] = read(database, digest)
        return found

    monkeypatch.setattr(workflows, "document_by_digest", counting)
    return counted


async def left(url: str, folder: Path, n: int, text: str = PARENT) -> list[str]:
    """Ids of executions that wait, and are in no process's memory."""
    async with open_app(url, home=folder, workspace=folder) as app:
        await app.register(mapping(CHILD))
        started = [await app.start(mapping(text)) for _ in range(n)]
        for execution in started:
            await app.manager.wait(execution.id, until=(Status.WAITING,))
    return [execution.id for execution in started]


async def taken(app: App, *ids: str) -> None:
    await asyncio.gather(*(app.manager.resume(id) for id in ids))


async def test_each_document_is_read_once_for_many_executions(
    url: str, reads: Counter[str], tmp_path: Path
) -> None:
    """Also when they are taken up at once, and when one calls the other twice."""
    ids = await left(url, tmp_path, 5)
    reads.clear()
    async with open_app(url, home=tmp_path, workspace=tmp_path) as app:
        await taken(app, *ids)
        await taken(app, *ids)
    assert sorted(reads.values()) == [1, 1]


async def test_so_many_are_kept_and_those_that_are_used_longest(
    url: str, reads: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "_PROGRAMS", 2)
    (a,), (b,), (c,) = [
        await left(
            url, tmp_path, 1, f"name: {name}\nsteps: [{{id: q, type: approval, message: x}}]"
        )
        for name in "abc"
    ]
    async with open_app(url, home=tmp_path, workspace=tmp_path) as app:
        reads.clear()
        for id in (a, b, a, c, a):
            await app.provider._launcher(await app.manager.store.execution(id))  # type: ignore[misc]
        assert sorted(reads.values()) == [1, 1, 1]
        await app.provider._launcher(await app.manager.store.execution(b))  # type: ignore[misc]
        assert sorted(reads.values()) == [1, 1, 2]
