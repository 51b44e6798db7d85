"""The table of the access to everything, written down again: nobody moves a row unseen."""

from __future__ import annotations

from assay.api.access import Operation, Role

O = Operation  # noqa: E741

LOWEST = {
    Role.VIEWER: {
        *(O.READ_WORKFLOWS, O.VALIDATE_WORKFLOW, O.READ_EXECUTIONS, O.READ_QUESTIONS),
        *(O.READ_TRIGGERS, O.READ_ARTIFACTS, O.READ_SLOTS, O.READ_STATS),
        O.READ_MEMORIES,
    },
    Role.OPERATOR: {
        *(O.START_EXECUTION, O.STOP_EXECUTION, O.PAUSE_EXECUTION, O.RESUME_EXECUTION),
        *(O.RETRY_EXECUTION, O.FORK_EXECUTION, O.ANSWER_QUESTION, O.SEND_EVENT),
        *(O.RECORD_FEEDBACK, O.SWITCH_TRIGGER, O.FIRE_TRIGGER),
    },
    Role.EDITOR: {
        *(O.REGISTER_WORKFLOW, O.DELETE_WORKFLOW, O.DELETE_EXECUTION, O.INVALIDATE_CACHE),
        *(O.CREATE_TRIGGER, O.DELETE_TRIGGER),
        O.FORGET_MEMORY,
    },
    Role.ADMIN: {O.READ_KEYS, O.CREATE_KEY, O.REVOKE_KEY, O.READ_AUDIT},
}
"""The lowest role that may."""

ORDER = (Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN)
"""Each may do what those before it may."""


TRIGGERS = frozenset(
    {O.READ_TRIGGERS, O.CREATE_TRIGGER, O.DELETE_TRIGGER, O.SWITCH_TRIGGER, O.FIRE_TRIGGER}
)
"""What is asked of triggers."""


def lowest(operation: Operation) -> Role:
    (role,) = [role for role, operations in LOWEST.items() if operation in operations]
    return role
