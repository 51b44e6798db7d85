"""Programs held to what they may touch: the ladder of ways, and what each is worth here."""

from __future__ import annotations

from .confinement import Confinement, Network, Rung
from .ladder import Hold, with_tools

__all__ = ["Confinement", "Hold", "Network", "Rung", "with_tools"]
