"""Security profiles as data: which tools, which network, which variables, how strongly held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import NotAllowed
from .registry import nearest
from .sandbox import Confinement, Hold, Network, Rung, with_tools
from .sandbox.probe import best, probe

_FILES = frozenset({"read_file", "write_file", "list_files", "search_files"})

_PLAIN_VARIABLES = (
    "PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "TMPDIR",
    "USER", "LOGNAME", "SHELL", "VIRTUAL_ENV", "PYTHONPATH",
)  # fmt: skip

_GIB = 1 << 30

_STATE = ".assay"
"""Where in a folder its own local state is, the store with it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What an agent under the profile may touch.

    `variables` are the environment variables that its programs inherit (None: every one,
    keys and tokens included). Its programs run on the rung `minimum` or a higher one, or not
    at all; NONE lets them run as any other. `bounds` say what they may use.
    """

    name: str
    tools: frozenset[str]
    network: Network
    variables: tuple[str, ...] | None
    minimum: Rung
    bounds: Confinement = field(default_factory=Confinement)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables a program of this agent is started with."""
        if self.variables is None:
            return dict(environ)
        return {name: environ[name] for name in self.variables if name in environ}

    def rung(self) -> Rung:
        """The rung on which its programs run here; raises `NotAllowed` when there is none.

        The first call tries what the machine has, which takes a fraction of a second.
        """
        if self.minimum is Rung.NONE:
            return Rung.NONE
        rung = best()
        if rung < self.minimum:
            missing = "; ".join(
                f"{footing.rung.label}: {footing.why_not}"
                for footing in probe().values()
                if footing.rung >= self.minimum
            )
            raise NotAllowed(
                f"security profile {self.name!r} starts programs only on the rung "
                f"{self.minimum.label!r} or a higher one, and this machine has none: {missing}. "
                "See `assay doctor`; if you trust what it runs, `security_profile: trusted` needs "
                "no rung, as far as ASSAY_CEILING and the key that began it allow that"
            )
        return rung

    def hold(
        self, workspace: Path, environ: Mapping[str, str], readable: Sequence[Path] = ()
    ) -> Hold | None:
        """What its programs are held to in a workspace; None: nothing. Raises as `rung`."""
        rung = self.rung()
        if rung is Rung.NONE:
            return None
        # What no rung can tell apart is closed: public addresses from those nearby.
        network: Network = "any" if self.network == "any" else "none"
        writable = (workspace.resolve(),)
        hidden = tuple(place / _STATE for place in writable)
        bounds = replace(
            self.bounds, readable=readable, writable=writable, hidden=hidden, network=network
        )
        return Hold(with_tools(bounds, environ), rung)

    def said(self) -> str:
        """One sentence on how its programs run here; raises as `rung`."""
        rung = self.rung()
        if rung is Rung.NONE:
            return f"security profile {self.name!r}: its programs can do all that you can"
        network = "any network" if self.network == "any" else "no network"
        if self.network == "public":
            network += " (no rung could keep them to public addresses; `http_get` is)"
        where = f"security profile {self.name!r}: its programs run on the rung {rung.label!r}"
        said = f"{where}: they have the workspace, this machine's programs, and {network}"
        return "; but on this kernel ".join([said, *probe()[rung].lost])


_RESTRICTED = Profile(
    "restricted",
    _FILES | {"run_tests"},
    "none",
    _PLAIN_VARIABLES,
    Rung.JAIL,
    Confinement(memory=2 * _GIB, cpu_seconds=900, processes=512, open_files=4096, file_size=_GIB),
)
_STANDARD = Profile(
    "standard",
    _RESTRICTED.tools | {"run_command", "http_get"},
    "public",
    _PLAIN_VARIABLES,
    Rung.JAIL,
    Confinement(
        memory=8 * _GIB, cpu_seconds=3600, processes=2048, open_files=16384, file_size=8 * _GIB
    ),
)
_TRUSTED = Profile("trusted", _STANDARD.tools, "any", None, Rung.NONE)

RESTRICTED = _RESTRICTED.name
TRUSTED = _TRUSTED.name

PROFILES: Mapping[str, Profile] = {p.name: p for p in (_RESTRICTED, _STANDARD, _TRUSTED)}
"""From the least that programs may do to the most."""


def profile(name: str) -> Profile:
    """The profile of that name; raises `NotAllowed` with those that exist."""
    try:
        return PROFILES[name]
    except KeyError:
        raise NotAllowed(
            f"there is no security profile {name!r}{nearest(name, PROFILES)}; "
            f"`security_profile` is one of {', '.join(PROFILES)}"
        ) from None


def bounded(*names: str) -> str:
    """The lowest of these profiles; empty, as an empty name: nothing is bound.

    Raises `NotAllowed` for names that nobody has.
    """
    order = list(PROFILES)
    lowest = min((profile(n).name for n in names if n), key=order.index, default=TRUSTED)
    return "" if lowest == TRUSTED else lowest


def capped(ceiling: str, name: str | None) -> str | None:
    """The profile of a step that names this one, or none, where no step may do more than the
    ceiling; None where it stays open. Raises as `bounded`."""
    if name is None:
        return bounded(ceiling) or None
    return bounded(ceiling, name) or TRUSTED
