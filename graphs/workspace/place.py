"""Where the steps of a workflow work on this machine, and what is to be said of that."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigurationError
from ..policy import every_step
from ..workflow import Workflow
from .bounds import Workspaces

_TOUCHING = frozenset({"shell", "python", "skill", "graph", "agent", "claude_code"})


def apart(mode: str, profile: str) -> bool:
    """Whether an execution works in copies that are its own. One that is bound to a profile
    does: the folder of a server may hold its store, and what others work on."""
    return mode == "snapshot" or (mode == "folder" and bool(profile))


def place(workflow: Workflow, folder: Path, workspaces: Workspaces, profile: str = "") -> str:
    """The folder that an execution is bound to for good; empty where each machine has its own.

    Raises `ConfigurationError` when the mount is wanted and there is none.
    """
    mode = workflow.workspace.mode
    if mode == "shared":
        mount(workflow, workspaces)
    return "" if mode == "shared" or apart(mode, profile) else str(folder)


def mount(workflow: Workflow, workspaces: Workspaces) -> Path:
    """The folder that every machine sees. Raises `ConfigurationError` when there is none."""
    shared = workspaces.shared
    if shared is None or not shared.is_dir():
        why = "is not set" if shared is None else f"names {shared}, which is not a folder here"
        raise ConfigurationError(
            f"the workflow {workflow.name!r} says `workspace: {{mode: shared}}`, and ASSAY_SHARED "
            f"{why}; set it to a folder that every machine sees"
        )
    return shared


def notices(workflow: Workflow, folder: Path, workspaces: Workspaces) -> tuple[str, ...]:
    """What an execution must say of itself: whether its files can stay behind."""
    if workflow.workspace.mode != "folder" or not workspaces.many_machines:
        return ()
    step = next((s for s in every_step(workflow.steps) if s.kind in _TOUCHING), None)
    if step is None:
        return ()
    return (
        f"the files of step {step.id!r} and others stay on this machine, in {folder}: a worker on "
        "another one that goes on would not find them; say `workspace: {mode: snapshot}`",
    )
