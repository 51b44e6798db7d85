"""Expressions and templates: how a definition says "if", "until" and "the output of".

`engine` is the protocol, `cel` the language behind it; `functions` are what it may call.
"""

from __future__ import annotations

from functools import cache

from .engine import (
    ABSENT,
    Absent,
    Environment,
    Expression,
    ExpressionEngine,
    ExpressionProblem,
    Path,
    Reference,
    Resolve,
    Type,
    Value,
)
from .functions import Function, Functions, FunctionScope, current_scope
from .template import Hole, Part, Template, text_of, unwrap_condition

__all__ = [
    "ABSENT",
    "Absent",
    "Environment",
    "Expression",
    "ExpressionEngine",
    "ExpressionProblem",
    "Function",
    "FunctionScope",
    "Functions",
    "Hole",
    "Part",
    "Path",
    "Reference",
    "Resolve",
    "Template",
    "Type",
    "Value",
    "current_scope",
    "default_engine",
    "text_of",
    "unwrap_condition",
]


@cache
def default_engine() -> ExpressionEngine:
    """CEL with the built-in functions. The first call imports the library, about 0.1 s."""
    from .cel import CelEngine

    return CelEngine()
