"""An agent runner that talks to a scripted model, and an ear for what it does meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.scripted import Script, ScriptedModel
from tests.scripted_cli import Act, ScriptedCli

from assay.agents.models import ModelSettings
from assay.agents.runner import LangChainAgents
from assay.graphs.execution import Cost
from assay.graphs.ledger import Price
from assay.graphs.memory import Fact
from assay.graphs.profiles import Profile
from assay.graphs.question import Answer
from assay.graphs.thinking import AgentAnswer, AgentTask, CliFormat, CommandLine


class Ear:
    """A leash that holds nobody back: it hears what an agent says and calls, and keeps it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.lines: list[str] = []
        self.tools: list[tuple[str, Mapping[str, Any], bool]] = []
        self.kept: dict[str, Mapping[str, Any]] = {}
        self.spent = Cost()
        self.room: int | None = None
        self.denied: dict[str, str] = {}
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []
        self.answer = Answer()
        self.noted: list[Fact] = []

    def token(self, text: str) -> None:
        self.tokens.append(text)

    def tool(self, name: str, arguments: Mapping[str, Any], *, allowed: bool) -> None:
        self.tools.append((name, arguments, allowed))

    def record(self, lines: Iterable[str]) -> None:
        self.lines += lines

    def recall(self, name: str) -> Any:
        return self.kept.get(name)

    async def keep(self, name: str, value: Mapping[str, Any], cost: Cost | None = None) -> None:
        assert name not in self.kept
        self.kept[name] = json.loads(json.dumps(value))
        self.spent += cost or Cost()

    async def afford(self, asked: int, price: Price | None) -> int | None:
        return self.room

    def masked(self, value: Any) -> Any:
        return value

    async def held(self, bounds: Profile) -> str:
        return bounds.said()

    def let_go(self) -> None:
        """Nothing was reserved."""

    async def permit(self, tool: str, call: str, arguments: Mapping[str, Any]) -> str | None:
        return self.denied.get(tool)

    async def ask(self, call: str, message: str, schema: Mapping[str, Any]) -> Answer:
        self.asked.append((call, message, schema))
        return self.answer

    async def note(self, name: str, text: str) -> None:
        self.noted.insert(0, Fact(name, text, ""))

    async def facts(self) -> Sequence[Fact]:
        return self.noted


class Desk:
    """Runs tasks against scripts; `server` is the one that the latest script went to."""

    def __init__(self, workspace: Path, stack: AsyncExitStack) -> None:
        self.workspace = workspace
        self.ear = Ear()
        self._stack = stack

    def serve(self, script: Script) -> ScriptedModel:
        self.server = self._stack.enter_context(ScriptedModel(script))
        return self.server

    def agents(self, script: Script, **settings: Any) -> LangChainAgents:
        """A runner whose default model is the script."""
        given = {"model": "scripted", "base_url": self.serve(script).url, **settings}
        return self.keep(LangChainAgents(environ(), settings=ModelSettings(**given)))

    def keep(self, agents: LangChainAgents) -> LangChainAgents:
        self._stack.push_async_callback(agents.close)
        return agents

    def task(self, prompt: str = "Work.", **fields: Any) -> AgentTask:
        given = {"profile": "trusted", "workspace": self.workspace, **fields}
        return AgentTask(prompt=prompt, path="step", execution_id="e", **given)

    async def run(self, script: Script, prompt: str = "Work.", **fields: Any) -> AgentAnswer:
        return await self.agents(script).run(self.task(prompt, **fields), self.ear)

    async def demo(self, prompt: str, **fields: Any) -> AgentAnswer:
        agents = self.keep(LangChainAgents(environ(), settings=ModelSettings()))
        return await agents.run(self.task(prompt, **fields), self.ear)


class Coder:
    """Runs tasks on a script; `cli` is the one that the latest script went to."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.folder = folder

    async def run(
        self, *starts: Sequence[Act], format: CliFormat = "claude", **fields: Any
    ) -> AgentAnswer:
        self.cli = ScriptedCli(self.folder, *starts)
        words = fields.pop("words", ())
        given = {"cli": CommandLine(format, [*self.cli.command, *words]), **fields}
        task = self.desk.task("Do it.", runtime="cli", **given)
        agents = self.desk.keep(LangChainAgents(environ()))
        return await agents.run(task, self.desk.ear)


def environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "SECRET": "hush"}


def alive(pid: int) -> bool:
    """Whether a process still runs; a dead one that nobody reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
async def desk(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        yield Desk(tmp_path, stack)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Put a text into a file of the workspace."""

    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return put


@pytest.fixture
def coder(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Coder:
    return Coder(desk, tmp_path_factory.mktemp("cli"))
