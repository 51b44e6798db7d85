"""Test workflows: models that play a script, cassettes of real ones, a clock that can be set.

execution = await testing.run("triage.yaml", {"report": "…"}, models=[Reply("high")])

Nothing here needs pytest; `assay.testing.fixtures` has fixtures for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..agents.testing.chat import ScriptedChat
    from ..agents.testing.clock import Clock
    from ..agents.testing.script import Asked, Player, Reply, Script, ToolCall
    from ..agents.testing.server import ScriptedModel
    from ..agents.testing.tape import Recorder, Replayer, UnknownRequest
    from ..api.workbench import Unanswered, Workbench, run, workbench
    from ..graphs.question import Answer

__all__ = [
    "Answer",
    "Asked",
    "Clock",
    "Player",
    "Recorder",
    "Replayer",
    "Reply",
    "Script",
    "ScriptedChat",
    "ScriptedModel",
    "ToolCall",
    "Unanswered",
    "UnknownRequest",
    "Workbench",
    "run",
    "workbench",
]

_HOMES = {
    "Answer": "graphs.question",
    "Asked": "agents.testing.script",
    "Clock": "agents.testing.clock",
    "Player": "agents.testing.script",
    "Recorder": "agents.testing.tape",
    "Replayer": "agents.testing.tape",
    "Reply": "agents.testing.script",
    "Script": "agents.testing.script",
    "ScriptedChat": "agents.testing.chat",
    "ScriptedModel": "agents.testing.server",
    "ToolCall": "agents.testing.script",
    "Unanswered": "api.workbench",
    "UnknownRequest": "agents.testing.tape",
    "Workbench": "api.workbench",
    "run": "api.workbench",
    "workbench": "api.workbench",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: whoever wants a script needs no LangGraph for it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'assay.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"..{_HOMES[name]}", __name__), name)
