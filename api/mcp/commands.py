"""The server's own tools: how an execution stands, an answer to its question, its stop."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import mcp_types as types

from ...graphs.answers import validator
from ...graphs.errors import InvalidInput
from ...graphs.execution import Status
from ...graphs.question import Wait
from ..access import Operation
from .telling import ANSWER, LIST, OUTCOME, STATUS, STOP, data

if TYPE_CHECKING:
    from ..control import Control
    from .calling import Calling

_ID = {"type": "string", "description": "The id of an execution, as the tool that began it says."}

_ANSWERED = {
    "type": "object",
    "properties": {
        "question_id": {"type": "string"},
        "execution_id": {"type": "string"},
        "status": {"type": "string", "enum": ["open", "answered", "withdrawn"]},
        "next": {"type": "string"},
    },
    "required": ["question_id", "execution_id", "status"],
}

_LISTED = {
    "type": "object",
    "properties": {
        "executions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "execution_id": {"type": "string"},
                    "workflow": {"type": "string"},
                    "version": {"type": "string"},
                    "status": {"type": "string", "enum": [s.value for s in Status]},
                    "created_at": {"type": "string"},
                    "completed_at": {"type": ["string", "null"]},
                },
                "required": ["execution_id", "workflow", "version", "status", "created_at"],
            },
        },
        "next": {"type": ["string", "null"], "description": "`after` of the next page."},
    },
    "required": ["executions", "next"],
}

_TOOLS = (
    types.Tool(
        name=LIST,
        title="List executions",
        description="Executions, newest first: of one workflow, or that stand so.",
        input_schema={
            "type": "object",
            "properties": {
                "workflow": {"type": "string", "description": "Its full name."},
                "status": {"type": "string", "enum": [s.value for s in Status]},
                "after": {"type": "string", "description": "`next` of the page before."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            },
            "additionalProperties": False,
        },
        output_schema=_LISTED,
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    ),
    types.Tool(
        name=STATUS,
        title="Status of an execution",
        description="Where an execution stands, what it gave, and what it waits for. With `wait` "
        "it waits so many seconds for the end, or for a new question.",
        input_schema={
            "type": "object",
            "properties": {
                "execution_id": _ID,
                "wait": {
                    "type": "number",
                    "minimum": 0,
                    "default": 0,
                    "description": "Seconds.",
                },
            },
            "required": ["execution_id"],
            "additionalProperties": False,
        },
        output_schema=OUTCOME,
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    ),
    types.Tool(
        name=ANSWER,
        title="Answer a question",
        description="Answers a question that an execution waits for. Ask the people that the "
        "question is meant for; do not make an answer up.",
        input_schema={
            "type": "object",
            "properties": {
                "question_id": {"type": "string"},
                "approved": {
                    "type": "boolean",
                    "description": "The verdict, where yes or no is asked.",
                },
                "value": {"description": "What the question's schema wants, where it has one."},
                "comment": {"type": "string", "description": "Kept with the answer."},
            },
            "required": ["question_id"],
            "additionalProperties": False,
        },
        output_schema=_ANSWERED,
        annotations=types.ToolAnnotations(idempotent_hint=True, open_world_hint=False),
    ),
    types.Tool(
        name=STOP,
        title="Stop an execution",
        description="Stops an execution, wherever it runs; what has happened stays.",
        input_schema={
            "type": "object",
            "properties": {
                "execution_id": _ID,
                "reason": {"type": "string", "description": "Kept with the execution."},
            },
            "required": ["execution_id"],
            "additionalProperties": False,
        },
        output_schema=OUTCOME,
        annotations=types.ToolAnnotations(destructive_hint=True, open_world_hint=False),
    ),
)

_NEEDS = {
    LIST: Operation.READ_EXECUTIONS,
    STATUS: Operation.READ_EXECUTIONS,
    ANSWER: Operation.ANSWER_QUESTION,
    STOP: Operation.STOP_EXECUTION,
}

_BY_NAME = {tool.name: tool for tool in _TOOLS}


def commands(control: Control) -> list[types.Tool]:
    """Those that the asker's role allows."""
    return [tool for tool in _TOOLS if control.may(_NEEDS[tool.name])]


async def command(
    control: Control, calling: Calling, name: str, given: dict[str, Any]
) -> types.CallToolResult | None:
    """What the tool of that name answers; None when there is none. Raises `AssayError`."""
    if name not in _BY_NAME:
        return None
    _check(name, given)
    if name == ANSWER:
        return data(await _answered(control, given))
    if name == LIST:
        return data(await _listed(control, given))
    if name == STOP:
        await control.stop(given["execution_id"], given.get("reason", ""))
    execution = await control.execution(given["execution_id"])
    waiting = await calling.waiting(execution, given.get("wait", 0))
    standing = await waiting.standing()
    known = frozenset(question.id for question in standing.waits)
    if given.get("wait", 0) and not standing.execution.status.terminal:
        standing = await waiting.turn(known)
    return await calling.told(standing)


async def _answered(control: Control, given: dict[str, Any]) -> dict[str, Any]:
    id, approved = given["question_id"], given.get("approved")
    if approved is None and (await control.question(id)).kind is Wait.APPROVAL:
        raise InvalidInput("Yes or no is asked: say `approved`, true or false")
    question = await control.answer(
        id,
        given.get("value"),
        approved=approved is not False,
        comment=given.get("comment", ""),
    )
    return {
        "question_id": question.id,
        "execution_id": question.execution_id,
        "status": question.status.value,
        "next": f"{STATUS} with `wait` tells how the execution goes on.",
    }


async def _listed(control: Control, given: dict[str, Any]) -> dict[str, Any]:
    page = await control.executions(
        workflow=given.get("workflow"),
        status=given.get("status"),
        after=given.get("after"),
        limit=int(given.get("limit", 20)),
    )
    rows = [
        {
            "execution_id": each.id,
            "workflow": each.workflow,
            "version": each.version,
            "status": each.status.value,
            "created_at": each.created_at,
            "completed_at": each.completed_at,
        }
        for each in page.items
    ]
    return {"executions": rows, "next": page.cursor}


def _check(name: str, given: dict[str, Any]) -> None:
    faults = validator(_BY_NAME[name].input_schema).iter_errors(given)
    said = [
        f"{'.'.join(map(str, fault.instance_path)) or 'arguments'}: {fault.message}"
        for fault in islice(faults, 5)
    ]
    if said:
        raise InvalidInput(f"{name}: {'; '.join(said)}")
