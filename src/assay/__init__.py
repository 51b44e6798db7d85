"""Assay runs AI-agent workflows that prove their work.

async with assay.open(store="sqlite:///path.db") as app:
    execution = await app.run("workflow.yaml", {"name": "value"})

async with assay.Client("http://127.0.0.1:8000", key="assay_…") as client:
    execution = await client.run("workflow", {"name": "value"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.app import App
    from .api.app import open_app as open
    from .api.client.client import Client
    from .graphs.errors import AssayError, ExecutionFailed, InvalidInput, InvalidSpec
    from .graphs.execution import Execution, Status, StepResult
    from .graphs.workflow import Workflow

__all__ = [
    "App",
    "AssayError",
    "Client",
    "Execution",
    "ExecutionFailed",
    "InvalidInput",
    "InvalidSpec",
    "Status",
    "StepResult",
    "Workflow",
    "open",
]

_HOMES = {
    "App": ("api.app", "App"),
    "open": ("api.app", "open_app"),
    "Client": ("api.client.client", "Client"),
    "AssayError": ("graphs.errors", "AssayError"),
    "ExecutionFailed": ("graphs.errors", "ExecutionFailed"),
    "InvalidInput": ("graphs.errors", "InvalidInput"),
    "InvalidSpec": ("graphs.errors", "InvalidSpec"),
    "Execution": ("graphs.execution", "Execution"),
    "Status": ("graphs.execution", "Status"),
    "StepResult": ("graphs.execution", "StepResult"),
    "Workflow": ("graphs.workflow", "Workflow"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import assay` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(f".{module}", __name__), attribute)
