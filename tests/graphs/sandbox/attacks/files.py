"""Ways to files outside: to read them, to change them, to see that they are there."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from pathlib import Path

from .trying import LIBC, OUTSIDE, SECRET, VICTIM, attack, called


@attack
def read_the_home() -> bool:
    return "hush" in SECRET.read_text()


@attack
def read_another_workspace() -> bool:
    return "hush" in (OUTSIDE / "other" / "secret").read_text()


@attack
def read_the_passwords() -> bool:
    return ":" in Path("/etc/shadow").read_text()


@attack
def read_by_dots() -> bool:
    return "hush" in Path("../home/secret").read_text()


@attack
def read_by_symlink() -> bool:
    os.symlink(SECRET, "innocent")
    return "hush" in Path("innocent").read_text()


@attack
def read_by_hard_link() -> bool:
    os.link(SECRET, "innocent")
    return "hush" in Path("innocent").read_text()


@attack
def read_by_moving_it_in() -> bool:
    os.rename(SECRET, "innocent")
    return "hush" in Path("innocent").read_text()


@attack
def read_by_a_descriptor_of_the_folder() -> bool:
    folder = os.open(OUTSIDE / "home", os.O_PATH)
    return b"hush" in os.read(os.open("secret", os.O_RDONLY, dir_fd=folder), 100)


@attack
def read_by_the_root_of_another_process() -> bool:
    return "hush" in Path(f"/proc/{VICTIM}/root{SECRET}").read_text()


@attack
def list_the_home() -> bool:
    return "secret" in os.listdir(OUTSIDE / "home")


@attack
def execute_what_lies_outside() -> bool:
    return subprocess.run([OUTSIDE / "home" / "program"]).returncode == 0


@attack
def write_a_file() -> bool:
    SECRET.write_text("changed")
    return True


@attack
def append_to_a_file() -> bool:
    with SECRET.open("a") as file:
        file.write("changed")
    return True


@attack
def empty_a_file() -> bool:
    os.truncate(SECRET, 0)
    return True


@attack
def empty_a_file_by_opening_it() -> bool:
    os.open(SECRET, os.O_RDONLY | os.O_TRUNC)
    return True


@attack
def make_a_file() -> bool:
    (OUTSIDE / "home" / "new").write_text("new")
    return True


@attack
def make_a_folder() -> bool:
    (OUTSIDE / "home" / "new").mkdir()
    return True


@attack
def remove_a_file() -> bool:
    SECRET.unlink()
    return True


@attack
def move_a_file_out() -> bool:
    Path("mine").write_text("mine")
    os.rename("mine", OUTSIDE / "home" / "new")
    return True


@attack
def link_a_file_out() -> bool:
    Path("mine").write_text("mine")
    os.link("mine", OUTSIDE / "home" / "new")
    return True


@attack
def write_by_symlink() -> bool:
    os.symlink(SECRET, "innocent")
    Path("innocent").write_text("changed")
    return True


@attack
def write_by_hard_link() -> bool:
    os.link(SECRET, "innocent")
    Path("innocent").write_text("changed")
    return True


@attack
def write_by_the_root_of_another_process() -> bool:
    Path(f"/proc/{VICTIM}/root{SECRET}").write_text("changed")
    return True


@attack
def write_to_its_own_program() -> bool:
    os.open("/proc/self/exe", os.O_WRONLY)
    return True


@attack
def write_to_the_keeper() -> bool:
    os.open(os.environ["KEEPER"], os.O_WRONLY)
    return True


@attack
def write_to_the_program_of_the_keeper() -> bool:
    os.open(f"/proc/{os.getppid()}/exe", os.O_WRONLY)
    return True


@attack
def turn_a_knob_of_the_kernel() -> bool:
    os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)
    return True


@attack
def make_a_device() -> bool:
    os.mknod("disk", 0o60600, os.makedev(8, 0))
    return True


@attack
def change_a_mode() -> bool:
    SECRET.chmod(0o777)
    return True


@attack
def change_a_mode_by_symlink() -> bool:
    os.symlink(SECRET, "innocent")
    os.chmod("innocent", 0o777)
    return True


@attack
def change_a_mode_by_dots() -> bool:
    os.chmod("../home/secret", 0o777)
    return True


@attack
def change_a_mode_by_a_descriptor() -> bool:
    """Of a file that may be read: its mode is not for it to say."""
    os.fchmod(os.open(OUTSIDE / "bin" / "readable", os.O_RDONLY), 0o777)
    return True


@attack
def change_a_mode_by_the_root_of_another_process() -> bool:
    os.chmod(f"/proc/{os.getppid()}/root{SECRET}", 0o777)
    return True


@attack
def change_an_owner() -> bool:
    os.chown(SECRET, os.getuid(), os.getgid())
    return True


@attack
def answer_its_own_questions() -> bool:
    """A listener of its own would be asked before the keeper, and could wave all through."""
    number = 317 if os.uname().machine == "x86_64" else 277
    allow = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
    program = struct.pack("=H6xQ", 1, ctypes.addressof(allow))
    LIBC.prctl(38, 1, 0, 0, 0)
    called(LIBC.syscall(number, 1, 8, ctypes.create_string_buffer(program)))
    return True


@attack
def change_times() -> bool:
    os.utime(SECRET, (0, 0))
    return True


@attack
def see_that_a_file_is_there() -> bool:
    return SECRET.exists()


@attack
def see_another_process() -> bool:
    return Path(f"/proc/{VICTIM}").exists()
