"""Which files of a machine every program needs to read: the system's, and those of its tools."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
    "/sys/devices/system/cpu",
)  # fmt: skip

# By name: /etc also holds passwords, keys and the tokens of package managers.
_SETTINGS = (
    "alternatives", "bash.bashrc", "ca-certificates", "crypto-policies", "debian_version",
    "environment", "fonts", "gai.conf", "gitconfig", "group", "host.conf", "hosts", "inputrc",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "locale.alias", "locale.conf",
    "localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd",
    "pki/ca-trust/extracted", "pki/tls/cert.pem", "pki/tls/certs", "pki/tls/openssl.cnf",
    "profile", "protocols", "resolv.conf", "services", "shells", "ssl/certs", "ssl/cert.pem",
    "ssl/openssl.cnf", "terminfo", "timezone",
)  # fmt: skip

_DEVICES = ("null", "zero", "full", "random", "urandom")

# What a jail sees of /proc: the machine, and nothing of anybody's processes.
_MACHINE = ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version")

# Where managers of versions keep what they have installed, below the home.
_MANAGED = (
    ".local/share/uv/python", ".local/share/mise/installs", ".pyenv/versions", ".nvm/versions",
    ".asdf/installs", ".rustup/toolchains",
)  # fmt: skip

_BESIDE_PROGRAMS = ("lib", "lib64", "libexec", "include")


def system() -> list[Path]:
    """What programs of this machine may read, whoever starts them."""
    return [*map(Path, _SYSTEM), *(Path("/etc", name) for name in _SETTINGS)]


def devices() -> list[Path]:
    """The devices that are safe to write."""
    return [Path("/dev", name) for name in _DEVICES]


def machine() -> list[Path]:
    """What /proc tells of the machine."""
    return [Path("/proc", name) for name in _MACHINE]


def tools(environ: Mapping[str, str]) -> list[Path]:
    """The programs on the PATH with what lies beside them, and this Python."""
    own = {Path(p) for p in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    home = Path(os.path.expanduser("~")).resolve()
    found = {prefix for prefix in own if not _holds(prefix, home)}
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(entry):
            found.update(_around(Path(entry), home))
    if venv := environ.get("VIRTUAL_ENV"):
        found.update(p for p in [Path(venv)] if p.is_absolute() and not _holds(p, home))
    return sorted(found | {home / name for name in _MANAGED})


def _around(programs: Path, home: Path) -> Iterator[Path]:
    if _holds(programs, home) or not programs.is_dir():
        return
    yield programs
    above = programs.parent
    if programs.name == "bin" and not _holds(above, home):
        yield from (above / name for name in _BESIDE_PROGRAMS)
    elif programs.name == "shims" and not _holds(above, home):
        # A manager of versions: its shims are scripts that look for what is beside them.
        yield above


def _holds(folder: Path, home: Path) -> bool:
    """Whether the home lies in the folder: then it is no folder of programs."""
    return home.is_relative_to(folder.resolve())
