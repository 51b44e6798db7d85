"""What an execution may use: registries and ports, put together by whoever composes the house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .event import Event
from .ports import Agents, Blobs, EventBus, StepKind, Store
from .profiles import TRUSTED
from .registry import Registry
from .roster import Providers
from .secrets import Secrets
from .workspace.bounds import Workspaces


@dataclass(frozen=True, slots=True)
class Services:
    """`functions` are for `python` steps, `skills` for `skill`, `graphs` for `graph`;
    `checkpointer` is a LangGraph `BaseCheckpointSaver`. No step may do more than the security
    profile `ceiling`, whatever it says."""

    store: Store
    blobs: Blobs
    bus: EventBus
    agents: Agents
    kinds: Registry[StepKind]
    skills: Registry[Callable[..., Any]]
    functions: Registry[Callable[..., Any]]
    graphs: Registry[Any]
    checkpointer: Any
    workspaces: Workspaces
    providers: Providers
    ceiling: str = TRUSTED
    secrets: Secrets = field(default_factory=Secrets)

    def live(self, event: Event) -> None:
        """Publish a live event."""
        self.bus.publish([event])
