"""Values in shell commands: placed as variables, never as text of the program."""

from __future__ import annotations

from .placement import Misplaced, Placement, place
from .values import Invocation, invocation

__all__ = ["Invocation", "Misplaced", "Placement", "invocation", "place"]
