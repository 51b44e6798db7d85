"""What one answer is good for: the operations that take what it gives, as OpenAPI's links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Link(NamedTuple):
    """To an operation; `parameters` and `body` are where to find them."""

    to: str
    parameters: Mapping[str, str]
    body: Mapping[str, str] | None = None


_OF_EXECUTION = (
    *("getExecution", "getSteps", "listEvents", "listArtifacts", "planFork", "stopExecution"),
    *("pauseExecution", "resumeExecution", "retryExecution", "deleteExecution"),
)
_BEGUN = tuple(Link(each, {"id": "$response.body#/execution_id"}) for each in _OF_EXECUTION)
_NAMED = {"name": "$response.body#/name"}
_VERSION = "$response.body#/version"
_FIRST = "$response.body#/items/0"
_OF_TRIGGER = ("getTrigger", "switchTrigger", "fireTrigger", "deleteTrigger")
_MADE = tuple(Link(each, {"id": "$response.body#/id"}) for each in _OF_TRIGGER)

LINKS: Mapping[str, tuple[Link, ...]] = {
    "registerWorkflow": (
        Link("getWorkflow", {**_NAMED, "version": _VERSION}),
        Link("listVersions", _NAMED),
        Link("compareVersions", {**_NAMED, "before": _VERSION}),
        Link("deleteWorkflow", {**_NAMED, "version": _VERSION}),
        Link("startExecution", {}, {"workflow": "$response.body#/name"}),
    ),
    "listWorkflows": (
        Link("getWorkflow", {"name": f"{_FIRST}/name"}),
        Link("startExecution", {}, {"workflow": f"{_FIRST}/name"}),
    ),
    "startExecution": _BEGUN,
    "retryExecution": _BEGUN,
    "forkExecution": _BEGUN,
    "listExecutions": (Link("getExecution", {"id": f"{_FIRST}/execution_id"}),),
    "planFork": (
        Link(
            "forkExecution",
            {"id": "$request.path.id"},
            {"path": "$response.body#/begins/0"},
        ),
    ),
    "listQuestions": (
        Link("getQuestion", {"id": f"{_FIRST}/id"}),
        Link("answerQuestion", {"id": f"{_FIRST}/id"}),
    ),
    "createTrigger": _MADE,
    "listTriggers": tuple(Link(each, {"id": f"{_FIRST}/id"}) for each in _OF_TRIGGER),
    "fireTrigger": (Link("getFiring", {"id": "$response.body#/id"}),),
    "listFirings": (
        Link("getFiring", {"id": f"{_FIRST}/id"}),
        Link("replayFiring", {"id": f"{_FIRST}/id"}),
    ),
    "listArtifacts": (
        Link("getArtifact", {"id": "$request.path.id", "sha256": f"{_FIRST}/sha256"}),
    ),
    "createKey": (Link("revokeKey", {"id": "$response.body#/id"}),),
}
"""By the operation whose answer it is."""


def described(link: Link) -> dict[str, Any]:
    """As OpenAPI has it."""
    told: dict[str, Any] = {"operationId": link.to, "parameters": dict(link.parameters)}
    if link.body is not None:
        told["requestBody"] = dict(link.body)
    return told
