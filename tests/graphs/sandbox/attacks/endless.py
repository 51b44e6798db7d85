"""What never ends, and what stays."""

from __future__ import annotations

import os
import signal
import sys
import time

from .trying import attack, say


@attack
def spin() -> bool:
    while True:
        pass


@attack
def fork_without_end() -> bool:
    """Doubles, nine times: enough to be too much, and no more than a machine bears when nobody
    holds it."""
    for _ in range(9):
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
    time.sleep(60)
    return True


@attack
def hold_memory_in_children() -> bool:
    for _ in range(6):
        if os.fork() == 0:
            held = bytearray(os.urandom(1 << 20) * 64)
            time.sleep(60)
            return bool(held)
    time.sleep(60)
    return True


@attack
def write_a_huge_file() -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("huge", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    return True


def _daemon() -> None:
    """A process that has left its group, its session and its parent, and hears no TERM."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)
            nothing = os.open(os.devnull, os.O_RDWR)
            for own in range(3):
                os.dup2(nothing, own)
            os.write(writing, b"ready")
            os.execv(
                sys.executable,
                [sys.executable, "-c", "import time; time.sleep(300)", os.environ["MARK"]],
            )
        os._exit(0)
    os.wait()
    os.read(reading, 5)


@attack
def leave_a_daemon() -> bool:
    _daemon()
    return True


@attack
def leave_many_daemons() -> bool:
    for _ in range(8):
        _daemon()
    return True


@attack
def leave_a_daemon_and_wait() -> bool:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _daemon()
    say("ready")
    time.sleep(300)
    return True
