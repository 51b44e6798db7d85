"""The thinkers: models, tools, and the runner that lets a model work with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..graphs.ports import Agents


def agents(environ: Mapping[str, str], *, default_profile: str = "restricted") -> Agents:
    """The agents that the environment configures; raises `ConfigurationError`.

    `default_profile` holds for steps without a `security_profile`.
    """
    from .runner import LangChainAgents

    return LangChainAgents(environ, default_profile=default_profile)


def agent_names() -> frozenset[str]:
    """The named agents that exist without registering anything."""
    from .catalogue import BUILT_IN

    return frozenset(agent.name for agent in BUILT_IN)


def tool_names() -> Collection[str]:
    """The name and alias of every tool that exists without adding any; looks for plugins."""
    from .tools import Toolbox

    return Toolbox()
