"""A provider that executes nothing: whatever is started has completed.

For tests of what is around an execution.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from ..errors import ExecutionNotFound, WorkflowNotFound
from ..execution import Execution, Failure, Status, timestamp
from ..workflow import Workflow


class MockProvider:
    """In memory, for any number of threads and loops at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workflows: dict[str, dict[str, Workflow]] = {}
        self._executions: dict[str, Execution] = {}

    def name(self) -> str:
        return "mock"

    def validate(self, workflow: Workflow) -> None:
        """Every valid workflow can be pretended."""

    async def create_workflow(self, workflow: Workflow) -> None:
        with self._lock:
            self._workflows.setdefault(workflow.name, {})[workflow.version] = workflow

    async def start_execution(self, execution: Execution) -> Execution:
        with self._lock:
            if execution.version not in self._workflows.get(execution.workflow, {}):
                raise WorkflowNotFound(
                    f"the mock provider has no workflow {execution.workflow}@{execution.version}; "
                    "create it first"
                )
            begun = replace(execution, status=Status.COMPLETED, completed_at=timestamp())
            return self._executions.setdefault(execution.id, begun)

    async def get_execution_status(self, execution_id: str) -> Execution:
        with self._lock:
            return self._found(execution_id)

    async def stop_execution(self, execution_id: str, reason: str = "") -> Execution:
        """Cancelled, though it had completed: there must be something to see of a stop."""
        why = Failure("cancelled", "the execution was stopped" + (f": {reason}" if reason else ""))
        with self._lock:
            found = self._found(execution_id)
            stopped = replace(found, status=Status.CANCELLED, error=why)
            self._executions[execution_id] = stopped
            return stopped

    async def delete_workflow(self, name: str, version: str | None = None) -> None:
        with self._lock:
            if version is None:
                self._workflows.pop(name, None)
            else:
                self._workflows.get(name, {}).pop(version, None)

    def _found(self, execution_id: str) -> Execution:
        try:
            return self._executions[execution_id]
        except KeyError:
            raise ExecutionNotFound(f"no execution {execution_id!r}") from None
