"""What every attack uses: the names of what is outside, and the list of them all."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

OUTSIDE = Path(os.environ.get("OUTSIDE", "/nowhere"))
SECRET = OUTSIDE / "home" / "secret"
VICTIM = int(os.environ.get("VICTIM", "0"))
DRIVER = int(os.environ.get("DRIVER", "0"))
PORT = int(os.environ.get("PORT", "0"))
TERMINAL = os.environ.get("TERMINAL", "")
LIBC = ctypes.CDLL(None, use_errno=True)

Attack = Callable[[], bool]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


def called(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
