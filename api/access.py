"""Who may do what: roles, scoped to workflows by patterns. One table for every surface."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..graphs.profiles import RESTRICTED, TRUSTED, bounded

if TYPE_CHECKING:
    from ..graphs.stored import Principal


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMIN = "admin"


class Operation(StrEnum):
    """Everything that can be asked for, by what it is done to and what is done."""

    READ_WORKFLOWS = "workflows.read"
    VALIDATE_WORKFLOW = "workflows.validate"
    REGISTER_WORKFLOW = "workflows.register"
    DELETE_WORKFLOW = "workflows.delete"
    READ_EXECUTIONS = "executions.read"
    START_EXECUTION = "executions.start"
    STOP_EXECUTION = "executions.stop"
    PAUSE_EXECUTION = "executions.pause"
    RESUME_EXECUTION = "executions.resume"
    RETRY_EXECUTION = "executions.retry"
    FORK_EXECUTION = "executions.fork"
    DELETE_EXECUTION = "executions.delete"
    READ_QUESTIONS = "questions.read"
    ANSWER_QUESTION = "questions.answer"
    SEND_EVENT = "events.send"
    RECORD_FEEDBACK = "feedback.record"
    READ_TRIGGERS = "triggers.read"
    CREATE_TRIGGER = "triggers.create"
    DELETE_TRIGGER = "triggers.delete"
    SWITCH_TRIGGER = "triggers.switch"
    FIRE_TRIGGER = "triggers.fire"
    READ_ARTIFACTS = "artifacts.read"
    READ_SLOTS = "slots.read"
    READ_STATS = "stats.read"
    READ_MEMORIES = "memories.read"
    FORGET_MEMORY = "memories.forget"
    INVALIDATE_CACHE = "cache.invalidate"
    READ_KEYS = "keys.read"
    CREATE_KEY = "keys.create"
    REVOKE_KEY = "keys.revoke"
    READ_AUDIT = "audit.read"

    @property
    def changes(self) -> bool:
        """Whether the audit holds it."""
        return self not in _READS


_READS = frozenset({o for o in Operation if o.endswith(".read")} | {Operation.VALIDATE_WORKFLOW})

_NEEDS = {
    **dict.fromkeys(_READS, Role.VIEWER),
    **dict.fromkeys(
        (
            Operation.START_EXECUTION,
            Operation.STOP_EXECUTION,
            Operation.PAUSE_EXECUTION,
            Operation.RESUME_EXECUTION,
            Operation.RETRY_EXECUTION,
            Operation.FORK_EXECUTION,
            Operation.ANSWER_QUESTION,
            Operation.SEND_EVENT,
            Operation.RECORD_FEEDBACK,
            Operation.SWITCH_TRIGGER,
            Operation.FIRE_TRIGGER,
        ),
        Role.OPERATOR,
    ),
    **dict.fromkeys(
        (
            Operation.REGISTER_WORKFLOW,
            Operation.DELETE_WORKFLOW,
            Operation.DELETE_EXECUTION,
            Operation.INVALIDATE_CACHE,
            Operation.CREATE_TRIGGER,
            Operation.DELETE_TRIGGER,
            Operation.FORGET_MEMORY,
        ),
        Role.EDITOR,
    ),
    **dict.fromkeys(
        (
            Operation.READ_KEYS,
            Operation.CREATE_KEY,
            Operation.REVOKE_KEY,
            Operation.READ_AUDIT,
        ),
        Role.ADMIN,
    ),
}

WHOLE = frozenset(
    {
        Operation.SEND_EVENT,
        Operation.INVALIDATE_CACHE,
        Operation.READ_KEYS,
        Operation.CREATE_KEY,
        Operation.REVOKE_KEY,
        Operation.READ_AUDIT,
    }
)
"""What is done to no workflow in particular: only who is not scoped may do it."""

_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may, and the rule that decided, as the audit keeps it."""

    allowed: bool
    rule: str

    def __bool__(self) -> bool:
        return self.allowed


def decide(principal: Principal, operation: Operation, workflow: str | None = None) -> Decision:
    """Whether the principal may do it, to that workflow where it is done to one."""
    needed = _NEEDS[operation]
    if principal.role not in _RANK or _RANK[Role(principal.role)] < _RANK[needed]:
        return Decision(False, f"{operation} needs the role {needed}; this is {principal.role!r}")
    if not principal.scopes:
        return Decision(True, f"{principal.role} may {operation}")
    if operation in WHOLE:
        return Decision(False, f"{operation} concerns every workflow, and this key some of them")
    if workflow is None:
        return Decision(True, f"{principal.role} may {operation} within its scopes")
    for pattern in principal.scopes:
        if fnmatchcase(workflow, pattern):
            return Decision(True, f"{principal.role} may {operation}, scope {pattern!r}")
    return Decision(False, f"no scope of {principal.name!r} covers the workflow {workflow!r}")


def most(principal: Principal) -> str:
    """The security profile that no step of what they begin exceeds: their own, or else of an
    admin `trusted`, of anybody else `restricted`. Raises `NotAllowed` for one nobody knows."""
    by_role = TRUSTED if principal.role == Role.ADMIN else RESTRICTED
    return bounded(principal.profile or by_role) or TRUSTED


def covers(principal: Principal, workflow: str) -> bool:
    """Whether the workflow is there at all for the principal: what is not is as if absent."""
    return not principal.scopes or any(fnmatchcase(workflow, s) for s in principal.scopes)
