"""What is asked of an agent, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .execution import Cost
from .limits import Limits


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What an agentic step asks of the agent room; every template is rendered already.

    `schema` is a JSON Schema of the answer (None: text), `tools` are names (None: the
    agent's own), `feedback` what earlier attempts' failed checks said, oldest first;
    `limits` bound the programs of its tools.
    """

    prompt: str
    path: str
    execution_id: str
    workspace: Path
    agent: str | None = None
    system: str | None = None
    model: str | None = None
    tools: Sequence[str] | None = None
    allowed_tools: Sequence[str] | None = None
    max_iterations: int = 10
    schema: Mapping[str, Any] | None = None
    profile: str | None = None
    feedback: Sequence[str] = ()
    coding: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An agent's answer: text, or a value that fits the schema; and what it cost."""

    value: Any
    cost: Cost
    model: str
    notices: Sequence[str] = ()
    tool_calls: Sequence[str] = ()
