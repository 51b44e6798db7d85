"""The programs in docs/clients.md tell their story to its end, each in its language."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.api.client.conftest import wired
from tests.api.http.conftest import Served
from tests.api.js.modules import absent, node

from assay.graphs.event import EventType

__all__ = ["node"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(200)]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "clients.md"


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return str(found)


async def told(served: Served, folder: Path, *command: str, url: str = "") -> Sequence[str]:
    """The lines that a program says, asked with a key in a folder with the workflow."""
    (folder / "ship.yml").write_text(block("yml"))
    environ = {"ASSAY_URL": url or served.url, "ASSAY_KEY": served.keys["editor"]}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def expect_story(served: Served, said: Sequence[str]) -> None:
    """One was answered and ended, another was stopped; and the program saw it."""
    manager = served.tenants.app().manager
    stopped, shipped = (await manager.executions()).items
    assert (shipped.workflow, shipped.status) == ("ship", "completed")
    assert stopped.status == "cancelled"
    (question,) = (await manager.questions(execution_id=shipped.id, status="answered")).items
    assert question.answer is not None
    assert (question.answer.comment, question.answer.by) == ("looks good", "the editor")
    assert said[-1] == "cancelled"
    types = {t.value for t in EventType if not t.live}
    seen = [line.split()[0] for line in said if line.split() and line.split()[0] in types]
    kept = [e.type.value async for e in manager.events(shipped.id)]
    assert Counter(kept) - Counter(seen) <= Counter({"QuestionAsked": 1})
    assert Counter(seen) - Counter(kept) == Counter()


async def test_python(served: Served, tmp_path: Path) -> None:
    program, _, body = block("py").partition("\n\n")
    (tmp_path / "story.py").write_text(
        f"{program}\nimport asyncio\nasync def main():\n{textwrap.indent(body, '    ')}\n"
        "asyncio.run(main())\n"
    )
    await expect_story(served, await told(served, tmp_path, sys.executable, "story.py"))


async def test_curl(served: Served, tmp_path: Path) -> None:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            absent(f"needs {program}")
    (tmp_path / "story.sh").write_text(block("sh"))
    await expect_story(served, await told(served, tmp_path, "bash", "story.sh"))


async def test_javascript(served: Served, node: str, tmp_path: Path) -> None:
    (tmp_path / "story.mjs").write_text(block("js"))
    await expect_story(served, await told(served, tmp_path, node, "story.mjs"))


async def test_javascript_goes_on_where_it_was_cut(
    served: Served, node: str, tmp_path: Path
) -> None:
    """Its streams alone are cut: it asks for nothing else again."""
    (tmp_path / "story.mjs").write_text(block("js"))
    async with wired(served.url, streams=1500) as wire:
        said = await told(served, tmp_path, node, "story.mjs", url=wire.url)
    assert wire.cuts > 0
    await expect_story(served, said)
