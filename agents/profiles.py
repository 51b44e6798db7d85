"""Security profiles as data: which tools, which network, which variables an agent gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..graphs.errors import NotAllowed
from ..graphs.registry import nearest

Network = Literal["none", "public", "any"]

_FILES = frozenset({"read_file", "write_file", "list_files", "search_files"})

_PLAIN_VARIABLES = (
    "PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "TMPDIR",
    "USER", "LOGNAME", "SHELL", "VIRTUAL_ENV", "PYTHONPATH",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """What an agent under the profile may touch.

    `variables` are the environment variables that its programs inherit (None: every one,
    keys and tokens included). `isolated` asks that its programs run in a jail.
    """

    name: str
    tools: frozenset[str]
    network: Network
    variables: tuple[str, ...] | None
    isolated: bool

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables a program of this agent is started with."""
        if self.variables is None:
            return dict(environ)
        return {name: environ[name] for name in self.variables if name in environ}


_RESTRICTED = Profile("restricted", _FILES | {"run_tests"}, "none", _PLAIN_VARIABLES, True)
_STANDARD = Profile(
    "standard",
    _RESTRICTED.tools | {"run_command", "http_get"},
    "public",
    _PLAIN_VARIABLES,
    True,
)
_TRUSTED = Profile("trusted", _STANDARD.tools, "any", None, False)

PROFILES: Mapping[str, Profile] = {p.name: p for p in (_RESTRICTED, _STANDARD, _TRUSTED)}


def profile(name: str) -> Profile:
    """The profile of that name; raises `NotAllowed` with those that exist."""
    try:
        return PROFILES[name]
    except KeyError:
        raise NotAllowed(
            f"there is no security profile {name!r}{nearest(name, PROFILES)}; "
            f"`security_profile` is one of {', '.join(PROFILES)}"
        ) from None
