"""Modes, owners and times of files, which Landlock leaves to everybody: done here, or refused.

The kernel stops a program at such a call and asks. What is named is opened by us, once, and
changed only if it lies below a folder that the program may write: it cannot be another by then.
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

_RECEIVE, _SEND, _STILL_THERE = 0xC0502100, 0xC0182101, 0x40082102
_ASKED = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_NEW_LISTENER = 8
_HERE = -100
_NO_FOLLOW = 0x100
_SET_ID = 0o6000
_LONGEST = 4096

_NAMES: dict[str, dict[int, str]] = {
    "x86_64": {
        90: "chmod", 91: "fchmod", 268: "fchmodat", 452: "fchmodat2",
        92: "chown", 93: "fchown", 94: "lchown", 260: "fchownat",
        132: "utime", 235: "utimes", 261: "futimesat", 280: "utimensat",
    },
    "aarch64": {
        52: "fchmod", 53: "fchmodat", 452: "fchmodat2", 55: "fchown", 54: "fchownat",
        88: "utimensat",
    },
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


def install(rows: bytes, to: socket.socket) -> None:
    """Lay the filter on ourselves, and hand the descriptor on which it asks to our keeper."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("rows", ctypes.c_char_p))

    program = Program(len(rows) // 8, rows)
    number = _SECCOMP[os.uname().machine]
    listener = _libc.syscall(number, 1, _NEW_LISTENER, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))
    to.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
    to.close()


class Attributes:
    """Answers what a program asks, below these folders alone."""

    def __init__(self, listener: int, folders: Sequence[str]) -> None:
        self.listener = listener
        self._below = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
        self._names = _NAMES[os.uname().machine]

    @classmethod
    def asked_by(cls, asking: socket.socket, folders: Sequence[str]) -> Attributes | None:
        """Who answers the process at the other end; None when it has not come to asking."""
        _, parts, _, _ = asking.recvmsg(1, socket.CMSG_SPACE(4))
        asking.close()
        return cls(struct.unpack("i", parts[0][2])[0], folders) if parts else None

    def answer(self) -> None:
        """Answer one question. Raises `OSError` when nobody is left who could ask."""
        asked = bytearray(_ASKED.size)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, asked)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return  # Who asked is gone.
            raise
        id, pid, _, number, _, _, *arguments = _ASKED.unpack(asked)
        refusal = 0
        try:
            self._do(id, pid, self._names[number], arguments)
        except OSError as error:
            refusal = error.errno or errno.EPERM
        with suppress(OSError):
            fcntl.ioctl(self.listener, _SEND, _ANSWER.pack(id, 0, -refusal, 0))

    def _do(self, id: int, pid: int, name: str, given: list[int]) -> None:
        at = name.endswith(("at", "at2"))
        descriptor = name[0] == "f" and not at
        rest = given[2:] if at else given[1:]
        flags = rest[{"fchmodat2": 1, "fchownat": 2, "utimensat": 1}.get(name, 0)]
        flags = flags if name in ("fchmodat2", "fchownat", "utimensat") else 0
        path = f"/proc/{pid}/fd/{_int(given[0])}" if descriptor else ""
        if at:
            folder = _int(given[0])
            path = f"/proc/{pid}/cwd" if folder == _HERE else f"/proc/{pid}/fd/{folder}"
        pointer = 0 if descriptor else given[1 if at else 0]
        told = _own(pid, _text(pid, pointer)) if pointer else ""
        if told or not at:
            path = path if descriptor else os.path.join(path or f"/proc/{pid}/cwd", told)
        follow = name != "lchown" and not flags & _NO_FOLLOW
        times = _times(pid, name, rest[0]) if "utime" in name else None
        # What was read is of him who asked only if he still waits.
        fcntl.ioctl(self.listener, _STILL_THERE, struct.pack("=Q", id))
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
        try:
            own = f"/proc/self/fd/{opened}"
            if not os.path.join(os.readlink(own), "").startswith(self._below):
                raise PermissionError(errno.EPERM, "outside")
            if "chmod" in name:
                _change_mode(own, rest[0])
            elif "chown" in name:
                _change_owner(own, pid, _int(rest[0]), _int(rest[1]))
            elif _libc.utimensat(_HERE, own.encode(), times, 0) != 0:
                raise OSError(ctypes.get_errno(), "utimensat")
        finally:
            os.close(opened)


def _change_mode(path: str, mode: int) -> None:
    if mode & _SET_ID:
        raise PermissionError(errno.EPERM, "nobody shall become another by it")
    os.chmod(path, mode & 0o7777)


def _change_owner(path: str, pid: int, user: int, group: int) -> None:
    """To himself, which is what unpacking an archive asks for; to nobody else."""
    asking = os.stat(f"/proc/{pid}")
    if user not in (-1, asking.st_uid) or group not in (-1, asking.st_gid):
        raise PermissionError(errno.EPERM, "to nobody else")
    os.chown(path, user, group)


def _times(pid: int, name: str, pointer: int) -> bytes | None:
    """As `utimensat` takes them: None for now."""
    if not pointer:
        return None
    if name == "utimensat":
        return _memory(pid, pointer, 32)
    if name == "utime":
        first, second = struct.unpack("=qq", _memory(pid, pointer, 16))
        return struct.pack("=qqqq", first, 0, second, 0)
    one, micro, two, more = struct.unpack("=qqqq", _memory(pid, pointer, 32))
    return struct.pack("=qqqq", one, micro * 1000, two, more * 1000)


def _own(pid: int, path: str) -> str:
    """What the path means to him who asks: `/proc/self` would be us."""
    for own, his in (("/proc/self/", f"/proc/{pid}/"), ("/dev/fd/", f"/proc/{pid}/fd/")):
        if path.startswith(own):
            return his + path.removeprefix(own)
    return path


def _text(pid: int, pointer: int) -> str:
    # A page at a time: what follows the end of a text need not be there.
    text = b""
    while b"\0" not in text and len(text) < _LONGEST:
        at = pointer + len(text)
        text += _memory(pid, at, _LONGEST - at % _LONGEST)
    return os.fsdecode(text.partition(b"\0")[0])


def _memory(pid: int, pointer: int, size: int) -> bytes:
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(memory, size, pointer)
    finally:
        os.close(memory)


def _int(argument: int) -> int:
    """The lower half of an argument, which is what the kernel reads an int from."""
    value = argument & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
