"""The system calls that a confined program is refused, as a filter for the kernel (BPF)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_EPERM, _ENOSYS, _NO_FAMILY, _NO_XATTR = (
    errno.EPERM,
    errno.ENOSYS,
    errno.EAFNOSUPPORT,
    errno.EOPNOTSUPP,
)

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000
_ASK = 0x7FC00000

_LOAD = 0x20  # ld [k]: 32 bits of what the kernel shows of the call
_AND = 0x54
_IF_EQUAL = 0x15
_IF_AT_LEAST = 0x35
_RETURN = 0x06

_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000

Row = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Machine:
    """One architecture: its mark, and which column of the numbers is its own."""

    mark: int
    column: int
    x32: bool = False


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(0xC000003E, 0, x32=True),
    "aarch64": Machine(0xC00000B7, 1),
}

# Number on x86_64 and on aarch64; -1 where there is no such call.
_REFUSED = """
io_uring_setup 425 425     io_uring_enter 426 426    io_uring_register 427 427
ptrace 101 117             process_vm_readv 310 270  process_vm_writev 311 271
kcmp 312 272               pidfd_getfd 438 438       process_madvise 440 440
kexec_load 246 104         kexec_file_load 320 294   reboot 169 142
init_module 175 105        finit_module 313 273      delete_module 176 106
mount 165 40               umount2 166 39            pivot_root 155 41
move_mount 429 429         open_tree 428 428         open_tree_attr 467 467
fsopen 430 430             fsconfig 431 431          fsmount 432 432
fspick 433 433             mount_setattr 442 442     chroot 161 51
unshare 272 97             setns 308 268             open_by_handle_at 304 265
bpf 321 280                perf_event_open 298 241   userfaultfd 323 282
keyctl 250 219             add_key 248 217           request_key 249 218
swapon 167 224             swapoff 168 225           acct 163 89
settimeofday 164 170       clock_settime 227 112     clock_adjtime 305 266
adjtimex 159 171           sethostname 170 161       setdomainname 171 162
syslog 103 116             quotactl 179 60           quotactl_fd 443 443
vhangup 153 58             iopl 172 -1               ioperm 173 -1
fanotify_init 300 262      lookup_dcookie 212 18     migrate_pages 256 238
move_pages 279 239
"""

# clone3's flags lie in memory that no filter sees, and so do openat2's; libraries do without.
# What the next three hold is memory of no process, so nobody would count it.
_UNKNOWN = """
clone3 435 435    openat2 437 437    memfd_create 319 279    memfd_secret 447 447
shmget 29 194
"""

# Memory and queues that programs of one user share by number, past every rule on files.
_SHARED_BY_NUMBER = """
shmat 30 196       shmctl 31 195     semget 64 190    semop 65 193     semctl 66 191
semtimedop 220 192                   msgget 68 186    msgsnd 69 189    msgrcv 70 188
msgctl 71 187      mq_open 240 180   mq_unlink 241 181
"""

# Modes, owners and times of files, which Landlock does not look at either: the keeper is asked.
_ASKED = """
chmod 90 -1       fchmod 91 52      fchmodat 268 53     fchmodat2 452 452
chown 92 -1       fchown 93 55      lchown 94 -1        fchownat 260 54
utime 132 -1      utimes 235 -1     futimesat 261 -1    utimensat 280 88
"""

# Attributes by path, which nobody needs.
_ATTRIBUTES = """
setxattr 188 5    lsetxattr 189 6    removexattr 197 14    lremovexattr 198 15
setxattrat 463 463                   removexattrat 466 466
"""

# clone's flags that make a namespace.
_NAMESPACES = 0x7E020000
_NEW_LISTENER = 8
_SET_ID = 0o6000
_CREATES = 0o20000100  # O_CREAT, and what tells O_TMPFILE
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_STREAM, _SEQUENCED = 1, 5
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16


def seccomp(machine: str, families: Iterable[int], *, shared: bool) -> bytes:
    """The filter for a machine (`os.uname().machine`), as the kernel reads it.

    `families` are the kinds of sockets that may be opened. With `shared` the program lives
    among others, without namespaces of its own: then what Landlock does not see is refused
    too. Raises `KeyError` for a machine that is not known.
    """
    own = MACHINES[machine]
    rows: list[Row] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, own.mark),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if own.x32:
        rows += [(_IF_AT_LEAST, 0, 1, _X32), _refusal(_EPERM)]
    for table, number in _refused(shared):
        rows += [r for call in _numbers(table, own.column) for r in _refuse(call, number)]
    if shared:
        rows += [r for call in _numbers(_ASKED, own.column) for r in _answer(call, _ASK)]
    for calls, argument, checks in _checked(frozenset(families), shared):
        for call in calls[own.column]:
            rows += _check(call, argument, checks)
    rows.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *row) for row in rows)


Calls = tuple[tuple[int, ...], tuple[int, ...]]
"""The numbers on x86_64, and those on aarch64."""


def _refused(shared: bool) -> list[tuple[str, int]]:
    plain = [(_REFUSED, _EPERM), (_UNKNOWN, _ENOSYS)]
    return [*plain, (_SHARED_BY_NUMBER, _EPERM), (_ATTRIBUTES, _NO_XATTR)] if shared else plain


def _checked(families: frozenset[int], shared: bool) -> Iterable[tuple[Calls, int, list[Row]]]:
    yield ((56,), (220,)), 0, _any_bit(_NAMESPACES, _EPERM)
    yield ((41,), (198,)), 0, _none_but(families, _NO_FAMILY)
    if shared:
        # A pair talks to itself, but an end of a datagram pair can send to anybody.
        yield ((53,), (199,)), 1, [(_AND, 0, 0, 0xF), *_none_but({_STREAM, _SEQUENCED}, _EPERM)]
    # Who could answer the keeper's questions himself would be asked before it.
    yield ((317,), (277,)), 1, _any_bit(_NEW_LISTENER, _EPERM)
    yield ((16,), (29,)), 1, _one_of((_TIOCSTI, _TIOCLINUX), _EPERM)
    # Nobody shall find a program in the workspace that makes him its owner.
    yield ((90, 91), (52,)), 1, _any_bit(_SET_ID, _EPERM)
    yield ((268, 452), (53, 452)), 2, _any_bit(_SET_ID, _EPERM)
    yield ((85, 133), ()), 1, _any_bit(_SET_ID, _EPERM)
    yield ((259,), (33,)), 2, _any_bit(_SET_ID, _EPERM)
    yield ((2,), ()), 2, _created(1)
    yield ((257,), (56,)), 3, _created(2)


def _check(call: int, argument: int, checks: list[Row]) -> list[Row]:
    body: list[Row] = [(_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * argument), *checks]
    body.append((_RETURN, 0, 0, _ALLOW))
    return [(_IF_EQUAL, 0, len(body), call), *body]


def _refuse(call: int, number: int) -> list[Row]:
    return _answer(call, _ERRNO | number)


def _answer(call: int, answer: int) -> list[Row]:
    return [(_IF_EQUAL, 0, 1, call), (_RETURN, 0, 0, answer)]


def _refusal(number: int) -> Row:
    return (_RETURN, 0, 0, _ERRNO | number)


def _any_bit(bits: int, number: int) -> list[Row]:
    return [(_AND, 0, 0, bits), (_IF_EQUAL, 1, 0, 0), _refusal(number)]


def _one_of(values: Iterable[int], number: int) -> list[Row]:
    return [row for value in values for row in [(_IF_EQUAL, 0, 1, value), _refusal(number)]]


def _none_but(values: Iterable[int], number: int) -> list[Row]:
    allowed = sorted(values)
    rows = [(_IF_EQUAL, len(allowed) - i, 0, value) for i, value in enumerate(allowed)]
    return [*rows, _refusal(number)]


def _created(flags: int) -> list[Row]:
    """A mode counts only where the flags, another argument, say that a file may be made."""
    return [
        (_AND, 0, 0, _SET_ID),
        (_IF_EQUAL, 4, 0, 0),
        (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * flags),
        (_AND, 0, 0, _CREATES),
        (_IF_EQUAL, 1, 0, 0),
        _refusal(_EPERM),
    ]


def _numbers(table: str, column: int) -> list[int]:
    words = table.split()
    return [n for n in map(int, words[1 + column :: 3]) if n >= 0]
