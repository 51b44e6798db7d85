"""What is a failure of the system, and what one of the step."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
from pathlib import Path

import httpx
import pytest

from assay.graphs.errors import (
    AssayError,
    AssertionFailed,
    ExpressionError,
    HttpFailed,
    LeaseLost,
    LimitReached,
    ModelFailed,
    OutputMissing,
    PanicError,
    Retryable,
    ShellFailed,
    StateCorrupted,
    StepTimeout,
    StoreError,
    StoreUnavailable,
    Terminal,
    WorkflowError,
)
from assay.graphs.panic import is_panic

SYSTEM = [
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOLCK,
    errno.ENOMEM,
    errno.ENOBUFS,
    errno.ENETDOWN,
]
STEP = [
    errno.ENOENT,
    errno.EACCES,
    errno.EEXIST,
    errno.EPIPE,
    errno.E2BIG,
    errno.EAGAIN,
    errno.EROFS,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
]


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number), "a.txt")


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("number", SYSTEM, ids=errno.errorcode.get)
def test_a_machine_that_lacks_something_is_a_panic(number: int) -> None:
    assert is_panic(failed(number))


@pytest.mark.parametrize("number", STEP, ids=errno.errorcode.get)
def test_what_a_step_did_wrong_with_files_or_hosts_is_none(number: int) -> None:
    assert not is_panic(failed(number))


@pytest.mark.parametrize(
    "error",
    [
        PanicError("said so"),
        StoreUnavailable("the disk is full"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        sqlite3.OperationalError("database or disk is full"),
        ValueError("[Errno 28] No space left on device"),
    ],
    ids=repr,
)
def test_failures_of_the_system(error: Exception) -> None:
    assert is_panic(error)


@pytest.mark.parametrize(
    "error",
    [
        ShellFailed("the command ended with status 1\n  cp: No space left on device"),
        HttpFailed("GET http://x got no answer: [Errno 24] Too many open files"),
        ModelFailed("Cannot allocate memory"),
        Terminal("tar: No space left on device"),
        LimitReached("too much"),
        LeaseLost("somebody else drives it"),
        StateCorrupted("not what was written"),
        StoreError("no such table"),
        ExpressionError("no such key"),
        OutputMissing("was not there"),
        RecursionError("maximum recursion depth exceeded"),
        subprocess.CalledProcessError(28, ["df"]),
        sqlite3.IntegrityError("UNIQUE constraint failed"),
        httpx.ConnectError("All connection attempts failed"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        TimeoutError(),
        OSError("a text and no number"),
        KeyError("disk"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
    ],
    ids=repr,
)
def test_failures_of_a_step(error: BaseException) -> None:
    assert not is_panic(error)


@pytest.mark.parametrize("wrapped", [Terminal("x"), Retryable("x"), StoreError("x"), ValueError()])
def test_what_an_error_was_raised_from_counts(wrapped: Exception) -> None:
    assert is_panic(caused(wrapped, caused(AssayError("y"), failed(errno.EMFILE))))
    assert not is_panic(caused(wrapped, failed(errno.ENOENT)))


@pytest.mark.parametrize(
    "answer",
    [ShellFailed, HttpFailed, ModelFailed, StepTimeout, AssertionFailed, WorkflowError],
)
def test_an_answer_is_never_a_panic_whatever_lies_beneath_it(answer: type[AssayError]) -> None:
    assert not is_panic(caused(answer("x"), failed(errno.ENETDOWN)))
    assert not is_panic(caused(Terminal("y"), caused(answer("x"), failed(errno.ENETDOWN))))


def test_what_was_handled_before_is_no_cause() -> None:
    error = ValueError("another thing")
    error.__context__ = failed(errno.ENOSPC)

    assert not is_panic(error)


def test_one_panic_among_several_errors_is_enough() -> None:
    steps = [ValueError("x"), ShellFailed("y")]

    assert is_panic(ExceptionGroup("both", [*steps, ExceptionGroup("z", [MemoryError()])]))
    assert not is_panic(ExceptionGroup("both", steps))


def test_a_circle_of_causes_has_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")

    assert not is_panic(caused(one, caused(two, one)))


def test_a_full_database_is_known_by_its_number_and_not_by_its_words() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
        with pytest.raises(sqlite3.OperationalError) as missing:
            connection.execute('SELECT * FROM "database or disk is full"')
    connection.close()

    assert is_panic(full.value)
    assert not is_panic(missing.value)


def test_a_database_says_more_of_its_failure_than_that_the_disk_failed() -> None:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE

    assert is_panic(error)


def test_a_full_disk_is_a_panic() -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("needs a device that is always full")

    with pytest.raises(OSError, match="No space left") as full:
        device.write_text("x")

    assert is_panic(full.value)
