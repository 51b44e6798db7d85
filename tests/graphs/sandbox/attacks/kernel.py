"""Ways into the kernel, and to be another user."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from .trying import ATTACKS, LIBC, OUTSIDE, attack, called

CALLS = {
    "make_a_user_namespace": (272, 97, 0x10000000),
    "use_io_uring": (425, 425, 8, ctypes.create_string_buffer(120)),
    "load_a_program_into_the_kernel": (321, 280, 0, ctypes.create_string_buffer(72), 72),
    "handle_page_faults": (323, 282, 1),
    "use_the_keyring": (250, 219, 0, -3, 0),
    "count_what_others_do": (298, 241, ctypes.create_string_buffer(112), 0, -1, -1, 0),
    "hide_memory_in_a_file_of_none": (319, 279, b"bomb", 0),
}


def _calls(name: str) -> Callable[[], bool]:
    column = 0 if os.uname().machine == "x86_64" else 1

    def tried() -> bool:
        call = CALLS[name]
        called(LIBC.syscall(call[column], *call[2:]))
        return True

    return tried


ATTACKS.update({name: _calls(name) for name in CALLS})


@attack
def share_memory_by_number() -> bool:
    shared = called(LIBC.shmget(0, 4096, 0o1600))
    LIBC.shmctl(shared, 0, None)
    return True


@attack
def make_a_namespace_by_clone() -> bool:
    column = 0 if os.uname().machine == "x86_64" else 1
    child = called(LIBC.syscall((56, 220)[column], 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0))
    if child == 0:
        os._exit(0)
    return True


@attack
def mount_something() -> bool:
    os.mkdir("mounted")
    called(LIBC.mount(b"none", b"mounted", b"tmpfs", 0, None))
    called(LIBC.umount2(b"mounted", 2))
    return True


@attack
def use_a_setuid_program() -> bool:
    told = subprocess.run([OUTSIDE / "bin" / "whoami", "-u"], capture_output=True, text=True)
    return told.stdout.strip() != str(os.getuid())


@attack
def make_a_setuid_program() -> bool:
    Path("mine").write_text("mine")
    os.chmod("mine", 0o4755)
    return True


@attack
def make_a_setuid_program_at_once() -> bool:
    os.open("mine", os.O_CREAT | os.O_WRONLY, 0o4755)
    return bool(os.stat("mine").st_mode & 0o4000)


@attack
def use_what_is_open() -> bool:
    out = False
    for descriptor in range(3, 512):
        try:
            os.write(descriptor, b"changed")
            out = True
        except OSError:
            continue
    return out
