"""What is said while an execution runs. Durable events are numbered; live ones are not kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """Names as users subscribe to them (REQUIREMENTS F072)."""

    EXECUTION_QUEUED = "ExecutionQueued"
    EXECUTION_STARTED = "ExecutionStarted"
    EXECUTION_WAITING = "ExecutionWaiting"
    EXECUTION_PAUSED = "ExecutionPaused"
    EXECUTION_RESUMED = "ExecutionResumed"
    EXECUTION_RESTARTING = "ExecutionRestarting"
    EXECUTION_COMPLETED = "ExecutionCompleted"
    EXECUTION_FAILED = "ExecutionFailed"
    EXECUTION_CANCELLED = "ExecutionCancelled"
    STEP_STARTED = "StepStarted"
    STEP_RETRYING = "StepRetrying"
    STEP_COMPLETED = "StepCompleted"
    STEP_FAILED = "StepFailed"
    STEP_SKIPPED = "StepSkipped"
    STEP_CANCELLED = "StepCancelled"
    STEP_COMPENSATED = "StepCompensated"
    QUESTION_ASKED = "QuestionAsked"
    QUESTION_ESCALATED = "QuestionEscalated"
    QUESTION_ANSWERED = "QuestionAnswered"
    QUESTION_WITHDRAWN = "QuestionWithdrawn"
    MODEL_PICKED = "ModelPicked"
    MODEL_CALLED = "ModelCalled"
    TOOL_CALLED = "ToolCalled"
    VERIFIED = "Verified"
    EMITTED = "Emitted"
    NOTICE = "Notice"
    # Live only: lost when nobody listens, never numbered.
    OUTPUT = "StepOutput"
    TOKEN = "Token"

    @property
    def live(self) -> bool:
        return self in (EventType.OUTPUT, EventType.TOKEN)

    @property
    def settles(self) -> bool:
        """Whether the execution now waits, or has come to its end."""
        return self in _SETTLING


_SETTLING = frozenset(
    {
        EventType.EXECUTION_COMPLETED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_CANCELLED,
        EventType.EXECUTION_WAITING,
        EventType.EXECUTION_PAUSED,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an execution, or to the step at `path` of it.

    `seq` counts an execution's durable events from 1 without gaps; it is 0 for live events.
    """

    execution_id: str
    type: EventType
    at: str
    path: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "execution_id": self.execution_id,
            "seq": self.seq,
            "type": self.type.value,
            "path": self.path,
            "at": self.at,
            "data": dict(self.data),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Event:
        return cls(**{**data, "type": EventType(data["type"])})
