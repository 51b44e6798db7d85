"""What a tool answers: where an execution stands, what it waits for, what it gave, or why not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mcp_types as types

from ...graphs.execution import Execution, Status
from ...graphs.question import Question, Wait

if TYPE_CHECKING:
    from ...graphs.errors import AssayError
    from ...graphs.stored import ArtifactInfo

ANSWER, LIST, STATUS, STOP = "assay_answer", "assay_list", "assay_status", "assay_stop"

PERSON = frozenset({Wait.APPROVAL, Wait.ONCE})
"""What somebody can answer."""

OUTCOME: dict[str, Any] = {
    "type": "object",
    "properties": {
        "execution_id": {"type": "string"},
        "workflow": {"type": "string"},
        "version": {"type": "string"},
        "status": {"type": "string", "enum": [s.value for s in Status]},
        "outputs": {"type": "object", "description": "What the workflow gives, once completed."},
        "error": {"type": "object", "description": "Why it failed."},
        "current_step": {"type": "string"},
        "notices": {"type": "array", "items": {"type": "string"}},
        "waits_for": {
            "type": "array",
            "items": {"type": "object"},
            "description": "What it waits for, and how a question is answered.",
        },
        "next": {"type": "string", "description": "What to do now, if it has not ended."},
    },
    "required": ["execution_id", "workflow", "version", "status", "outputs"],
}
"""The structured content of every tool that speaks of an execution."""


def outcome(
    execution: Execution, waits: Sequence[Question] = (), artifacts: Sequence[ArtifactInfo] = ()
) -> types.CallToolResult:
    """Where the execution stands. One that failed or was stopped is an error."""
    status = execution.status
    told: dict[str, Any] = {
        "execution_id": execution.id,
        "workflow": execution.workflow,
        "version": execution.version,
        "status": status.value,
        "outputs": dict(execution.outputs),
    }
    if execution.error is not None:
        told["error"] = execution.error.to_dict()
    if execution.notices:
        told["notices"] = list(execution.notices)
    if not status.terminal:
        if execution.current_step:
            told["current_step"] = execution.current_step
        told["waits_for"] = [_wait(question) for question in waits]
        told["next"] = _next(execution, waits)
    links = [_link(artifact) for artifact in artifacts]
    return types.CallToolResult(
        content=[_text(told), *links],
        structured_content=told,
        is_error=status in (Status.FAILED, Status.CANCELLED),
    )


def data(told: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=[_text(told)], structured_content=told)


def refusal(error: AssayError) -> types.CallToolResult:
    """An error as the model that called may read it, and put right what it gave."""
    return types.CallToolResult(
        content=[types.TextContent(text=error.message)],
        structured_content={"error": {"code": error.code, "message": error.message}},
        is_error=True,
    )


def execution_uri(id: str, part: str = "") -> str:
    return f"assay://executions/{quote(id, safe='')}{part}"


def artifact_uri(execution_id: str, name: str) -> str:
    return f"assay://artifacts/{quote(execution_id, safe='')}/{quote(name, safe='')}"


def as_json(told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, default=str)


def _text(told: dict[str, Any]) -> types.TextContent:
    """The same for clients that read no structured content."""
    return types.TextContent(text=as_json(told))


def _link(artifact: ArtifactInfo) -> types.ResourceLink:
    return types.ResourceLink(
        name=artifact.name,
        uri=artifact_uri(artifact.execution_id, artifact.name),
        description=f"{artifact.file}, left by {artifact.path}",
        size=artifact.size,
    )


def _wait(question: Question) -> dict[str, Any]:
    told: dict[str, Any] = {
        "question_id": question.id,
        "kind": question.kind.value,
        "step": question.path,
    }
    if question.message:
        told["message"] = question.message
    if question.event is not None:
        told["event"], told["key"] = question.event, question.key
    if question.due is not None:
        told["until"] = datetime.fromtimestamp(question.due, UTC).isoformat()
    if question.approvers:
        told["approvers"] = list(question.approvers)
    if question.kind in PERSON:
        arguments: dict[str, Any] = {"question_id": question.id}
        if question.kind is Wait.APPROVAL:
            arguments["approved"] = "true or false"
        if question.schema is not None:
            arguments["value"] = "what fits the schema"
            told["schema"] = dict(question.schema)
        if question.choices:
            told["choices"] = dict(question.choices)
        told["answer_with"] = {"tool": ANSWER, "arguments": arguments}
    return told


def _next(execution: Execution, waits: Sequence[Question]) -> str:
    again = f"{STATUS} with execution_id {execution.id!r} and `wait` tells how it goes on"
    if any(question.kind in PERSON for question in waits):
        return f"It waits for an answer: {ANSWER} gives it; then {again}."
    if execution.paused or execution.status is Status.PAUSED:
        return f"Somebody has paused it: it goes on when it is resumed; {again}."
    return f"It goes on by itself: {again}; {STOP} stops it."
