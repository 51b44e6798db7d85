"""Which tools a coding agent's command line is told that it may use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...graphs.profiles import Profile
from ...graphs.thinking import AgentTask
from ..catalogue import NamedAgent
from ..tools import TOOLS, canonical
from .claude import ours


def granted(
    task: AgentTask, agent: NamedAgent, bounds: Profile
) -> tuple[Sequence[str], Sequence[str]]:
    """The names to allow, and what to say of that.

    They are ours, or the command line's own. It cannot ask a person in between: what only a
    person may allow is not allowed.
    """
    named = next((n for n in (task.tools, task.allowed_tools) if n is not None), agent.tools)
    wanted = list(dict.fromkeys(map(canonical, named)))
    if task.allowed_tools is not None:
        allowed = {*task.allowed_tools, *map(canonical, task.allowed_tools)}
        wanted = [name for name in wanted if name in allowed or ours(name) in allowed]
    asked = {*task.ask_before, *map(ours, task.ask_before)}
    unasked = [name for name in wanted if name in asked or ours(name) in asked]
    beyond = [name for name in wanted if not _within(name, bounds) and name not in unasked]
    notices = []
    if unasked:
        notices.append(
            f"a command line cannot ask a person before it uses a tool: {_listed(unasked)} "
            "(`ask_before`) is withheld from it"
        )
    if beyond and (task.tools is not None or task.allowed_tools is not None):
        notices.append(f"security profile {bounds.name!r} withholds {_listed(beyond)}")
    return [name for name in wanted if name not in {*unasked, *beyond}], notices


def _within(name: str, bounds: Profile) -> bool:
    """A tool that we do not know may do whatever a program may."""
    tool = ours(name)
    return (tool if tool in TOOLS else "run_command") in bounds.tools


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
