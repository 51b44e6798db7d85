"""How the command ends: exit codes, and errors as sentences on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from ...graphs.errors import (
    AssayError,
    ConfigurationError,
    ExecutionNotFound,
    FiringNotFound,
    InvalidInput,
    InvalidSpec,
    NotAuthenticated,
    NotAuthorized,
    NotPossible,
    ProviderNotFound,
    QuestionClosed,
    QuestionNotFound,
    ServerUnreachable,
    StoreError,
    TriggerNotFound,
    WorkflowConflict,
    WorkflowNotFound,
)
from ...graphs.execution import Status
from .text import clean

OK: Final = 0
FAILED: Final = 1
INVALID: Final = 2
WAITING: Final = 3
CANCELLED: Final = 130

CODES = {Status.COMPLETED: OK, Status.FAILED: FAILED, Status.CANCELLED: CANCELLED}
"""By the status of an execution that has ended; any other one waits."""

_USAGE = (
    InvalidSpec,
    InvalidInput,
    WorkflowNotFound,
    WorkflowConflict,
    ExecutionNotFound,
    TriggerNotFound,
    FiringNotFound,
    ProviderNotFound,
    QuestionClosed,
    QuestionNotFound,
    NotAuthenticated,
    NotAuthorized,
    NotPossible,
    ServerUnreachable,
    ConfigurationError,
    StoreError,
)
"""What the user can put right before anything has run."""


def worst(codes: Iterable[int]) -> int:
    """One exit code for several executions."""
    found = set(codes)
    return next((code for code in (FAILED, CANCELLED, WAITING) if code in found), OK)


def report(error: Exception) -> int:
    """Say on standard error what went wrong; returns the exit code.

    `ASSAY_DEBUG=1` adds the traceback.
    """
    if os.environ.get("ASSAY_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    if not isinstance(error, AssayError):
        what = f"{type(error).__name__}: {error}"
        _say(f"error: {clean(what)} (unexpected; ASSAY_DEBUG=1 shows where)")
        return FAILED
    messages = map(str, error.problems) if isinstance(error, InvalidSpec) else [error.message]
    for message in messages:
        _say(f"error: {clean(message)}")
    return INVALID if isinstance(error, _USAGE) else FAILED


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
