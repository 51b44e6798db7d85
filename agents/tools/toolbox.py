"""Every tool by its name or alias: ours, and those that others have brought."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ...graphs.errors import ConfigurationError, NotRegistered
from ...graphs.memory import FACT_TOOLS
from ...graphs.profiles import PROFILES, Profile
from ...graphs.registry import Registry, nearest
from .asking import ASK_HUMAN, AskHuman
from .brought import FunctionTool
from .facts import Recall, Remember
from .files import ListFiles, ReadFile, SearchFiles, WriteFile
from .offer import Offer
from .programs import RunCommand, RunTests
from .reach import Reach, Tool, clean
from .web import HttpGet

TOOLS: Mapping[str, type[Tool]] = {
    "read_file": ReadFile,
    "write_file": WriteFile,
    "list_files": ListFiles,
    "search_files": SearchFiles,
    "run_command": RunCommand,
    "run_tests": RunTests,
    "http_get": HttpGet,
    ASK_HUMAN: AskHuman,
    "remember": Remember,
    "recall": Recall,
}

ALIASES: Mapping[str, str] = {
    "fs_read": "read_file",
    "fs_write": "write_file",
    "fs_list": "list_files",
}

RUNS_PROGRAMS = frozenset({"run_command", "run_tests"})

_TOUCHES_NOTHING = frozenset({ASK_HUMAN}) | FACT_TOOLS
"""What every profile allows."""

GROUP = "assay.tools"
"""Entry points of it are functions, or a `FunctionTool`."""


def canonical(name: str) -> str:
    """The name behind an alias; any other name as it is."""
    return ALIASES.get(name, name)


class Toolbox(Collection[str]):
    """The tools of one process. Looking through it finds those of plugins."""

    def __init__(self) -> None:
        self._brought: Registry[FunctionTool | Callable[..., Any]] = Registry(
            "tool", {}, group=GROUP
        )

    def add(self, name: str, function: Callable[..., Any], *, least: str) -> None:
        """Add a function, or replace the one of that name; raises `ConfigurationError`."""
        if canonical(name) in TOOLS:
            raise ConfigurationError(f"{name!r} is a tool of Assay's own; give yours another name")
        self._brought.register(name, FunctionTool(name, function, least=least))

    def __contains__(self, name: object) -> bool:
        return name in TOOLS or name in ALIASES or name in self._brought

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*TOOLS, *ALIASES, *self._brought}))

    def __len__(self) -> int:
        return len({*TOOLS, *ALIASES, *self._brought})

    def names(self, names: Sequence[str]) -> list[str]:
        """Names and aliases as names, each once; raises `NotRegistered` for what is no tool."""
        for name in names:
            if name not in self:
                raise NotRegistered(f"no tool is named {name!r}{nearest(name, self)}")
        return list(dict.fromkeys(canonical(name) for name in names))

    def allows(self, profile: Profile, name: str) -> bool:
        """Whether an agent under the profile may have the tool. Raises `ConfigurationError`."""
        if name in TOOLS:
            return name in _TOUCHES_NOTHING or name in profile.tools
        order = list(PROFILES)
        return order.index(profile.name) >= order.index(self._function(name).least)

    def offer(self, name: str, reach: Reach) -> Offer:
        """The tool, for an agent with that reach."""
        if name not in TOOLS:
            return self._function(name).offer()
        tool = TOOLS[name]
        return Offer(name, tool.__doc__ or name, tool, partial(_work, tool, reach))

    def _function(self, name: str) -> FunctionTool:
        found = self._brought.get(name)
        if not isinstance(found, FunctionTool):
            found = FunctionTool(name, found)
            self._brought.register(name, found)
        return found


async def _work(tool: type[Tool], reach: Reach, arguments: Mapping[str, Any]) -> str:
    return clean(await tool(**arguments).work(reach))
