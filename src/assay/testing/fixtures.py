"""Fixtures for pytest, for those who ask: `pytest_plugins = ["assay.testing.fixtures"]`.

`ASSAY_RECORD=https://api.openai.com/v1 pytest` records the cassettes of the tests it runs anew.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..agents.testing.script import Player, Script
from ..agents.testing.server import ScriptedModel
from ..agents.testing.tape import Recorder, Replayer
from ..api.workbench import Workbench, workbench

__all__ = ["cassette", "scripted_model", "workbench_of"]


@pytest.fixture
def scripted_model() -> Iterator[Callable[[Script], ScriptedModel]]:
    """Serves a script over HTTP until the test ends: `scripted_model([Reply("Hello")]).url`."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(ScriptedModel(script))


@pytest.fixture
async def workbench_of(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Workbench]]]:
    """Opens workbenches below `tmp_path`: `bench = await workbench_of([Reply("Hello")])`.

    Each has a folder of its own; all are closed when the test ends.
    """
    async with AsyncExitStack() as stack:
        count = 0

        async def open(models: Script | Player = (), **how: Any) -> Workbench:
            nonlocal count
            count += 1
            how.setdefault("folder", tmp_path / f"workbench-{count}")
            return await stack.enter_async_context(workbench(models, **how))

        yield open


@pytest.fixture
def cassette(request: pytest.FixtureRequest) -> Iterator[Recorder | Replayer]:
    """A server that replays `cassettes/<module>/<test>.json` beside the test's own file.

    With ASSAY_RECORD set to the address of a model's server it records the cassette instead.
    `cassette.url` is what `ASSAY_BASE_URL` is set to.
    """
    module = Path(str(request.path))
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in request.node.name)
    file = module.parent / "cassettes" / module.stem / f"{name}.json"
    upstream = os.environ.get("ASSAY_RECORD")
    with Recorder(upstream, file) if upstream else Replayer(file) as server:
        yield server
