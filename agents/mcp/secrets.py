"""Values of variables, where they are needed and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...graphs.errors import ConfigurationError, NotAllowed
from ...graphs.profiles import Profile

MEANT = "ASSAY_MCP_"
"""How the variables begin that any profile may hand to a server."""

_REFERENCE = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST = 4


class Secrets:
    """Fills references in, and takes the values out of what is told to others."""

    def __init__(self, profile: Profile, environ: Mapping[str, str]) -> None:
        self._profile = profile
        self._environ = environ
        self._filled: set[str] = set()

    def fill(self, given: Mapping[str, str]) -> dict[str, str]:
        """With the variables that the values refer to. Raises `NotAllowed` for one that the
        profile keeps back, `ConfigurationError` for one that is not set."""
        return {name: _REFERENCE.sub(self._value, text) for name, text in given.items()}

    def hide(self, text: str) -> str:
        for value in sorted(self._filled, key=len, reverse=True):
            text = text.replace(value, "[secret]")
        return text

    def _value(self, found: re.Match[str]) -> str:
        name, profile = found[1], self._profile
        if profile.variables is not None and not (
            name.startswith(MEANT) or name in profile.variables
        ):
            raise NotAllowed(
                f"security profile {profile.name!r} gives no server the variable {name}; "
                f"name it {MEANT}… if it is meant for one"
            )
        if name not in self._environ:
            raise ConfigurationError(f"a server wants the variable {name}, which is not set")
        value = self._environ[name]
        if len(value) >= _SHORTEST:
            self._filled.add(value)
        return value
