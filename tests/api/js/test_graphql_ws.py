"""A public client library for JavaScript, graphql-ws, runs the full story."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.api.http.conftest import Served
from tests.api.js.modules import HERE

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

CHAPTERS = [
    "registersAndStarts",
    "watchesAndAnswers",
    "stopsAnother",
    "goesOnWhereItWasCut",
    "isRefusedWithoutAKey",
]


async def test_the_story_is_told_to_its_end(
    served: Served, node: str, modules: Path, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(modules)
    shutil.copy(HERE / "story.mjs", tmp_path)
    process = await asyncio.create_subprocess_exec(
        node,
        "story.mjs",
        cwd=tmp_path,
        env={**os.environ, "ASSAY_URL": served.url, "ASSAY_KEY": served.keys["editor"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(200):
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert out.decode().split() == CHAPTERS
    app = served.tenants.app()
    page = await app.manager.executions()
    assert sorted(e.status for e in page.items) == ["cancelled", "completed", "completed"]


def test_the_pins_name_no_registry() -> None:
    text = (HERE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert {"node_modules/graphql-ws", "node_modules/ws"} <= packages.keys()
    assert all("integrity" in p for name, p in packages.items() if name)
    assert not re.search(r"resolved|://", text)
