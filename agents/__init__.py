"""The thinkers: models, tools, and the runner that lets a model work with them."""

from __future__ import annotations

from collections.abc import Mapping

from ..graphs.ports import Agents


def agents(environ: Mapping[str, str]) -> Agents:
    """The agents that the environment configures; raises `ConfigurationError`."""
    from .runner import LangChainAgents

    return LangChainAgents(environ)


def agent_names() -> frozenset[str]:
    """The named agents that exist without registering anything."""
    from .catalogue import BUILT_IN

    return frozenset(agent.name for agent in BUILT_IN)


def tool_names() -> frozenset[str]:
    """Every tool's name and alias."""
    from .tools import ALIASES, TOOLS

    return frozenset({*TOOLS, *ALIASES})
