"""Failures of the system, as against failures of a step: what they are, and when to restart."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from .backoff import grown
from .errors import (
    AssayError,
    AssertionFailed,
    HttpFailed,
    LimitReached,
    ModelFailed,
    PanicError,
    ShellFailed,
    StepTimeout,
    StoreUnavailable,
    WorkflowError,
)
from .workflow import Panic

LONGEST_DELAY = 300.0
"""Seconds; no restart waits longer."""

_PANICS = (PanicError, StoreUnavailable, MemoryError)

# What a program, a server or an author answered says nothing about this machine, whatever
# lies beneath it: a refused connection is an OSError, too.
_ANSWERS = (
    AssertionFailed,
    HttpFailed,
    LimitReached,
    ModelFailed,
    ShellFailed,
    StepTimeout,
    WorkflowError,
)

_NUMBERS = frozenset(
    {
        errno.ENOSPC,  # the disk is full
        errno.EDQUOT,  # our share of it is
        errno.EIO,  # the disk is broken
        errno.ESTALE,  # a mounted folder went away
        errno.EMFILE,  # no more open files for us
        errno.ENFILE,  # nor for anybody
        errno.ENOLCK,  # no more locks
        errno.ENOMEM,  # no more memory
        errno.ENOBUFS,  # nor for the network
        errno.ENETDOWN,  # no network
    }
)

_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM})

# The last resort, for errors that libraries raise with no more than a text: the system's own
# words, in lower case. Words that a program of the step could have caused are not among them.
_WORDS = (
    "no space left on device",
    "disk quota exceeded",
    "too many open files",
    "cannot allocate memory",
    "can't start new thread",
    "database or disk is full",
    "disk i/o error",
)


def is_panic(error: BaseException) -> bool:
    """Whether the system failed and not the step, judged by the error and its causes."""
    return any(_is_of_the_system(cause) for cause in _causes(error))


def restart_delay(panic: Panic, restart: int) -> float:
    """Seconds to wait before the restart of that number (the first is 1); 300 at most."""
    return grown(panic.delay, panic.backoff, restart, LONGEST_DELAY)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it was raised from or groups, as far as they are about us."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if id(current) in seen or isinstance(current, _ANSWERS):
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        if current.__cause__ is not None:
            waiting.append(current.__cause__)


def _is_of_the_system(error: BaseException) -> bool:
    if isinstance(error, _PANICS):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NUMBERS
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) is not None:
        # The low byte is the error, the others say more about it.
        return error.sqlite_errorcode & 0xFF in _SQLITE
    if isinstance(error, AssayError) or not isinstance(error, Exception):
        return False
    message = str(error).lower()
    return any(words in message for words in _WORDS)
