"""What a server says, as the frozen data of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from ...graphs import errors
from ...graphs.event import Event
from ...graphs.execution import Cost, Execution, Failure, Status, StepResult
from ...graphs.firing import Firing, FiringStatus, Trigger
from ...graphs.forking import Again
from ...graphs.question import Question
from ...graphs.stored import Principal

T = TypeVar("T")


class Registered(NamedTuple):
    """A version that the server keeps."""

    name: str
    version: str
    digest: str


class ForkPlan(NamedTuple):
    """What a retry or a fork would keep and run again; `says` tells it in sentences."""

    kept: int
    begins: Sequence[str]
    again: Sequence[Again]
    says: Sequence[str]


def execution_of(data: Mapping[str, Any]) -> Execution:
    """What `Execution.to_dict` says; what it leaves out is as if it were not there."""
    given = _known(Execution, data)
    given["id"], given["workflow"] = data["execution_id"], data["workflow_name"]
    given["version"], given["status"] = data["workflow_version"], Status(data["status"])
    given["error"] = None if data["error"] is None else Failure(**data["error"])
    given["cost"], given["notices"] = Cost(**data["cost"]), tuple(data["notices"])
    given["firing"] = data.get("firing") or ""
    steps = data.get("steps") or {}
    given["steps"] = {path: _step(path, step) for path, step in steps.items()}
    return Execution(**given)


def _step(path: str, data: Mapping[str, Any]) -> StepResult:
    return StepResult.from_dict({**_known(StepResult, data), "path": path})


def event_of(data: Mapping[str, Any]) -> Event:
    """Raises `NewerFormat` for an event of a kind that this version does not know."""
    try:
        return Event.from_dict(_known(Event, data))
    except ValueError as error:
        raise errors.NewerFormat(
            f"the server says {data.get('type')!r}, which this Assay does not know; update it"
        ) from error


def question_of(data: Mapping[str, Any]) -> Question:
    return Question.from_dict(_known(Question, data))


def principal_of(data: Mapping[str, Any]) -> Principal:
    return Principal(**{**_known(Principal, data), "scopes": tuple(data["scopes"])})


def trigger_of(data: Mapping[str, Any]) -> Trigger:
    due = data["next_at"]
    at = None if due is None else datetime.fromisoformat(due).timestamp()
    memory = {"reason": data["reason"]} if data.get("reason") else {}
    return Trigger(**{**_known(Trigger, data), "next_at": at, "memory": memory})


def firing_of(data: Mapping[str, Any]) -> Firing:
    """Raises `NewerFormat` for a status that this version does not know."""
    try:
        status = FiringStatus(data["status"])
    except ValueError as error:
        raise errors.NewerFormat(
            f"the server says {data['status']!r} of a firing, which this Assay does not know; "
            "update it"
        ) from error
    return Firing(**{**_known(Firing, data), "status": status})


def plan_of(data: Mapping[str, Any]) -> ForkPlan:
    again = tuple(
        Again(**{**_known(Again, each), "was": each["was"] and Status(each["was"])})
        for each in data["again"]
    )
    return ForkPlan(data["kept"], tuple(data["begins"]), again, tuple(data["says"]))


def record(kind: type[T], data: Mapping[str, Any]) -> T:
    """A record whose fields are the members of the same names."""
    return kind(**_known(kind, data))


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def problems_of(faults: Sequence[Mapping[str, Any]], source: str) -> tuple[errors.Problem, ...]:
    """What is wrong with a definition, at its places in the source."""
    return tuple(
        errors.Problem(
            source,
            errors.Position(each.get("line") or 1, each.get("column") or 1),
            each["message"],
            tuple(int(p) if p.isdigit() else p for p in each["at"].split(".") if p),
            bool(each.get("warning")),
        )
        for each in faults
    )


def error_of(status: int, data: Mapping[str, Any], *, wait: int = 0) -> errors.AssayError:
    """The error that the server answered with, of the class that it has there."""
    code, detail = str(data.get("code", "")), str(data.get("detail") or data.get("message") or "")
    kind = _KINDS.get(code)
    if kind is errors.InvalidSpec and data.get("problems"):
        return errors.InvalidSpec(problems_of(data["problems"], "workflow"))
    if kind is errors.RateLimited or status == 429:
        return errors.RateLimited(detail or "the server is asked too often", wait)
    if kind is not None:
        known: errors.AssayError = kind(detail)
        return known
    said = detail or "nothing that says why"
    return errors.ServerFailed(f"the server answered {status or code}: {said}")


def _tree(kind: type[errors.AssayError]) -> dict[str, Any]:
    found: dict[str, Any] = {} if kind in _APART else {kind.code: kind}
    for each in kind.__subclasses__():
        if each is not errors.StepError:  # what a step ends with is no answer of a server
            found |= _tree(each)
    return found


_APART = (errors.AssayError, errors.ServerFailed, errors.ServerUnreachable)
_KINDS = {**_tree(errors.AssayError), "invalid_request": errors.InvalidInput}


def _known(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """The members that a record has: a newer server may say more."""
    return {f.name: data[f.name] for f in fields(kind) if f.name in data}
