"""Tools that start programs in the workspace; nothing of them is left running."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys

from pydantic import Field

from ...graphs.errors import NotAllowed
from ...graphs.processes import Stream, run_process
from .reach import Reach, Tool, bounded

_Seconds = Field(default=120, ge=1, le=900, description="Seconds after which it is stopped.")


class RunCommand(Tool):
    """Run a command with bash in the workspace; gives its exit status and what it wrote."""

    command: str = Field(min_length=1, description="One command line.")
    timeout_seconds: int = _Seconds

    async def work(self, reach: Reach) -> str:
        if "\0" in self.command:
            raise NotAllowed("the command holds a NUL, which no command can")
        return await _run(["bash", "-c", self.command], reach, self.timeout_seconds)


class RunTests(Tool):
    """Run the workspace's Python tests with pytest; gives the exit status and the report."""

    path: str = Field(
        default="", description="A file, folder or test (tests/test_x.py::test_y); empty: all."
    )
    timeout_seconds: int = _Seconds

    async def work(self, reach: Reach) -> str:
        argv = [*_pytest(reach), "-q", "-p", "no:cacheprovider"]
        if self.path:
            file, separator, test = self.path.partition("::")
            target = reach.inside(file)
            if not target.exists():
                raise NotAllowed(f"there is no {file!r} in the workspace to test")
            argv += ["--", f"{reach.shown(target)}{separator}{test}"]
        return await _run(argv, reach, self.timeout_seconds)


def _pytest(reach: Reach) -> list[str]:
    """The project's own pytest first, then the one on the path, then ours."""
    own = reach.workspace / ".venv" / "bin" / "python"
    if own.is_file():
        return [str(own), "-m", "pytest"]
    found = shutil.which("pytest", path=reach.environ.get("PATH", os.defpath))
    if found is not None:
        return [found]
    if importlib.util.find_spec("pytest") is not None:
        return [sys.executable, "-m", "pytest"]
    raise NotAllowed("pytest is not installed here; the tests cannot be run")


async def _run(argv: list[str], reach: Reach, seconds: int) -> str:
    """What the program wrote, in the order it came, and how it ended.

    Raises `NotAllowed` where the profile's programs cannot be held as it asks.
    """
    output = bytearray()
    env = reach.profile.environment(reach.environ)
    hold = await asyncio.to_thread(reach.profile.hold, reach.workspace, env)

    def keep(_: Stream, chunk: bytes) -> None:
        output.extend(chunk)

    try:
        async with asyncio.timeout(seconds):
            finished = await run_process(
                argv,
                cwd=reach.workspace,
                env=env,
                on_output=keep,
                limits=reach.limits,
                hold=hold,
            )
    except TimeoutError:
        ending = f"stopped after {seconds} seconds, with all it had started"
    else:
        ending = f"exit status {finished.exit_status}"
    return f"[{ending}]\n{bounded(output.decode(errors='replace'), tail=True)}"
