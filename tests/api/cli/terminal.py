"""A terminal that a test sits at: the command believes in it, and the test reads and types."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def on_terminal(
    *arguments: str, width: int = 80, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process, and the terminal that it believes to sit at."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    given = {"TERM": "xterm-256color", **(environ or {})}
    process = subprocess.Popen(
        arguments,
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, **given},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(its)
    try:
        yield process, mine
    finally:
        process.kill()
        process.wait()
        os.close(mine)


def read_until(terminal: int, text: str | None = None) -> str:
    """What is written to the terminal until the text comes, or to the end."""
    seen = b""
    while text is None or text.encode() not in seen:
        try:
            piece = os.read(terminal, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # the other end was closed
                raise
            break
        if not piece:
            break
        seen += piece
    return seen.decode()


def type_in(terminal: int, text: str) -> None:
    os.write(terminal, text.encode())


def plain(seen: str) -> str:
    """What was written, without what moves the cursor and colours."""
    return _SEQUENCE.sub("", seen).replace("\r", "")
