"""The kinds of steps that come with Assay, a file for each family of them.

A kind is registered under its name; a plugin's kinds come in by the entry points
`assay.steps`, through the same registry.
"""

from __future__ import annotations

from ..ports import StepKind
from ..registry import Registry
from . import agentic, assertion, control, deterministic, http, nested, repeat, shell, waiting

BUILT_IN: dict[str, StepKind] = {
    "shell": shell.KIND,
    "http": http.KIND,
    "python": deterministic.PYTHON,
    "skill": deterministic.SKILL,
    "set": deterministic.SET,
    "emit": deterministic.EMIT,
    "agent": agentic.AGENT,
    "claude_code": agentic.AGENT,
    "decide": agentic.DECIDE,
    "assert": assertion.KIND,
    "parallel": control.PARALLEL,
    "conditional": control.CONDITIONAL,
    "switch": control.SWITCH,
    "loop": repeat.LOOP,
    "foreach": repeat.FOREACH,
    "workflow": nested.WORKFLOW,
    "graph": nested.GRAPH,
    "sleep": waiting.SLEEP,
    "approval": waiting.APPROVAL,
    "wait_event": waiting.WAIT_EVENT,
}


def kinds() -> Registry[StepKind]:
    """A registry of the built-in kinds and of those that plugins bring."""
    return Registry("kind of step", BUILT_IN, group="assay.steps")
