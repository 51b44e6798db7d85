"""What the room does not do: load LangChain before it is needed, or speak to strangers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.scripted import Reply, ScriptedModel

SRC = Path(__file__).resolve().parents[2] / "src"

LIGHT = """
import sys
import assay.agents, assay.agents.runner
assay.agents.agent_names(), assay.agents.tool_names()
assay.agents.agents({}).names()
heavy = [m for m in sys.modules if m.partition(".")[0] in
    ("langchain", "langchain_core", "langchain_openai", "langgraph", "langsmith", "openai")]
sys.exit(f"loaded: {heavy[:5]}" if heavy else 0)
"""

ALONE = """
import asyncio, os, sys
from pathlib import Path
strangers = []
def hear(event, details):
    if event == "socket.connect" and isinstance(details[1], tuple):
        strangers.append(details[1][:2])
    if event == "socket.getaddrinfo":
        strangers.append(details[:2])
sys.addaudithook(hear)
from assay.agents.runner import LangChainAgents
from assay.graphs.thinking import AgentTask
class Ear:
    def token(self, text): pass
    def tool(self, name, arguments, *, allowed): pass
    def recall(self, name): pass
    async def keep(self, name, value, cost=None): pass
    async def afford(self, asked, price): pass
    def let_go(self): pass
    def masked(self, value): return value
    async def permit(self, tool, call, arguments): pass
async def work():
    for model in ("demo", None):
        agents = LangChainAgents()
        models = [model] if model else []
        task = AgentTask("Look.", "s", "e", Path("."), models=models, tools=["list_files"])
        answer = await agents.run(task, Ear())
        await agents.close()
    return answer.value
print(asyncio.run(work()), sorted(set(strangers)))
"""


def _python(code: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**base, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_room_is_entered_without_loading_langchain(tmp_path: Path) -> None:
    ended = _python(LIGHT, tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_nobody_but_the_model_is_spoken_to_even_when_tracing_is_on(tmp_path: Path) -> None:
    script = [Reply.calling("list_files"), Reply("Done.")]
    with ScriptedModel(script) as server, ScriptedModel() as spy:
        ended = _python(
            ALONE,
            tmp_path,
            ASSAY_MODEL="scripted",
            ASSAY_BASE_URL=server.url,
            LANGSMITH_API_KEY="key",
            LANGSMITH_ENDPOINT=spy.url,
            LANGSMITH_TRACING="true",
            LANGCHAIN_TRACING_V2="true",
        )
        port = server.url.split(":")[2].partition("/")[0]
    assert ended.returncode == 0, ended.stderr
    said, _, heard = ended.stdout.partition(" ")
    assert said == "Done."
    assert heard.strip() == f"[('127.0.0.1', {port})]"
    assert spy.requests == []
