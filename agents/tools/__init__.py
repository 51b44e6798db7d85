"""The tools that agents may call, chosen by name or alias."""

from __future__ import annotations

from .asking import ASK_HUMAN, AskHuman
from .brought import MCP
from .offer import Offer
from .reach import Reach, Tool, bounded, clean
from .toolbox import ALIASES, RUNS_PROGRAMS, TOOLS, Toolbox, canonical
from .web import permit

__all__ = [
    "ALIASES",
    "ASK_HUMAN",
    "MCP",
    "RUNS_PROGRAMS",
    "TOOLS",
    "AskHuman",
    "Offer",
    "Reach",
    "Tool",
    "Toolbox",
    "bounded",
    "canonical",
    "clean",
    "permit",
]
