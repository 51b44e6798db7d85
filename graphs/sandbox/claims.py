"""What each rung is worth: for every way out, the lowest rung that closes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .confinement import Rung


@dataclass(frozen=True, slots=True)
class Claim:
    """One way out and who closes it, as root and as an ordinary user alike.

    `landlock` is the version that the jail needs for it; `without` what is lost below that.
    """

    name: str
    says: str
    closed_by: Rung
    landlock: int = 3
    without: str = ""


CLAIMS: Sequence[Claim] = (
    Claim("cpu", "spin without end", Rung.RLIMITS),
    Claim("memory", "hold more memory than allowed, all its processes together", Rung.RLIMITS),
    Claim("processes", "fork without end", Rung.RLIMITS),
    Claim("file_size", "write a file of any size", Rung.RLIMITS),
    Claim("descriptors", "use what Assay has open", Rung.RLIMITS),
    Claim("setuid", "become another user by a setuid program", Rung.RLIMITS),
    Claim("leftovers", "survive the end of the step", Rung.RLIMITS),
    Claim("read", "read files outside", Rung.JAIL),
    Claim("write", "write, remove, rename or link files outside", Rung.JAIL),
    Claim("tcp", "connect or listen over TCP", Rung.JAIL),
    Claim("udp", "send over UDP, and so ask the DNS", Rung.JAIL),
    Claim("sockets", "connect to sockets in files, as Docker's", Rung.JAIL),
    Claim("abstract", "connect to abstract sockets", Rung.JAIL),
    Claim("inspect", "read the environment or the memory of other processes", Rung.JAIL),
    Claim(
        "signals",
        "signal other processes",
        Rung.JAIL,
        landlock=6,
        without="programs can signal other processes of their user (Linux 6.12 is needed)",
    ),
    Claim("terminal", "type into a terminal", Rung.JAIL),
    Claim("kernel", "reach parts of the kernel that programs do not need", Rung.JAIL),
    Claim("attributes", "change the mode or the times of files outside", Rung.JAIL),
    Claim("names", "see the names of files and processes outside", Rung.BUBBLEWRAP),
)


def closed(rung: Rung, landlock: int) -> Iterator[Claim]:
    """The ways out that a rung closes on a machine with that version of Landlock."""
    for claim in CLAIMS:
        strong = rung is not Rung.JAIL or landlock >= claim.landlock
        if claim.closed_by <= rung and strong:
            yield claim


def lost(rung: Rung, landlock: int) -> list[str]:
    """What a rung would close on a newer kernel, in sentences."""
    kept = set(closed(rung, landlock))
    return [c.without for c in CLAIMS if c.closed_by <= rung and c not in kept and c.without]
