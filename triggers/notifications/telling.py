"""What others are told: an event of an execution, and the execution as it is by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.event import Event
from ...graphs.execution import Execution

if TYPE_CHECKING:
    from .trigger import Occasion

LARGEST = 64_000
"""Bytes of an execution's outputs that are told."""

_LONGEST = 8_000
"""Characters of an error, of a notice, and of what a question says."""

_NOTICES = 10

_KIND: Mapping[str, str] = {"question": "assay.question.asked"}
_TOLD = (
    *("execution_id", "workflow_name", "workflow_version", "status", "outputs", "error"),
    *("notices", "created_at", "started_at", "completed_at"),
)


def told(occasion: Occasion, event: Event, execution: Execution) -> dict[str, Any]:
    """The body, in the form of a CloudEvent; without the inputs, which may be anybody's."""
    data: dict[str, Any] = {"execution": _execution(execution)}
    if occasion == "question":
        data["question"] = {
            "id": event.data.get("question"),
            "kind": event.data.get("kind"),
            "message": str(event.data.get("message", ""))[:_LONGEST],
            "path": event.path,
            "due": event.data.get("due"),
        }
    return {
        "specversion": "1.0",
        "id": f"{event.execution_id}/{event.seq}",
        "source": f"/assay/workflows/{execution.workflow}",
        "type": _KIND.get(occasion, f"assay.execution.{occasion}"),
        "subject": event.execution_id,
        "time": event.at,
        "datacontenttype": "application/json",
        "data": data,
    }


def _execution(execution: Execution) -> dict[str, Any]:
    state = execution.to_dict()
    shown = {name: state[name] for name in _TOLD}
    if shown["error"] is not None:
        shown["error"]["message"] = shown["error"]["message"][:_LONGEST]
    shown["notices"] = [each[:_LONGEST] for each in shown["notices"][:_NOTICES]]
    if len(orjson.dumps(shown["outputs"])) > LARGEST:
        shown |= {"outputs": None, "outputs_left_out": "too large; ask for the execution"}
    return shown
