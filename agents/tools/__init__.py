"""The tools that agents may call: one class each, chosen by name or alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graphs.errors import NotRegistered
from ...graphs.registry import nearest
from .files import ListFiles, ReadFile, SearchFiles, WriteFile
from .programs import RunCommand, RunTests
from .reach import Reach, Tool, clean
from .web import HttpGet

__all__ = ["ALIASES", "RUNS_PROGRAMS", "TOOLS", "Reach", "Tool", "canonical", "clean", "tool_names"]

TOOLS: Mapping[str, type[Tool]] = {
    "read_file": ReadFile,
    "write_file": WriteFile,
    "list_files": ListFiles,
    "search_files": SearchFiles,
    "run_command": RunCommand,
    "run_tests": RunTests,
    "http_get": HttpGet,
}

ALIASES: Mapping[str, str] = {
    "fs_read": "read_file",
    "fs_write": "write_file",
    "fs_list": "list_files",
}

RUNS_PROGRAMS = frozenset({"run_command", "run_tests"})


def canonical(name: str) -> str:
    """The name behind an alias; any other name as it is."""
    return ALIASES.get(name, name)


def tool_names(names: Sequence[str]) -> list[str]:
    """Names and aliases as names, each once; raises `NotRegistered` for what is no tool."""
    for name in names:
        if canonical(name) not in TOOLS:
            raise NotRegistered(f"no tool is named {name!r}{nearest(name, [*TOOLS, *ALIASES])}")
    return list(dict.fromkeys(canonical(name) for name in names))
