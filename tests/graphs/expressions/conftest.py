"""Every expression engine, and one scope of names to try it in.

An engine joins the conformance suite by standing in `ENGINES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.graphs.expressions import (
    ABSENT,
    Absent,
    Environment,
    ExpressionEngine,
    Path,
    Resolve,
    Type,
    Value,
)
from assay.graphs.expressions.cel import CelEngine

ENGINES: dict[str, Callable[[], ExpressionEngine]] = {"cel": CelEngine}

NAMES = {
    "inputs": Type.MAP,
    "inputs.n": Type.INT,
    "inputs.x": Type.NUMBER,
    "inputs.s": Type.STRING,
    "inputs.b": Type.BOOL,
    "inputs.items": Type.LIST,
    "inputs.maybe": Type.DYN,
    "env": Type.MAP,
    "env.CREATE_PR": Type.STRING,
    "steps": Type.MAP,
    "build": Type.DYN,
}
STATE: dict[str, Any] = {
    "inputs": {"n": 3, "x": 90, "s": "text", "b": True, "items": [1, 2], "maybe": None},
    "env": {"CREATE_PR": "true"},
    "build": {
        "status": "completed",
        "output": {
            "count": 5,
            "ratio": 2.5,
            "zero": 0.0,
            "none": None,
            "word": "yes",
            "rows": [{"id": 1, "ok": True, "tags": ["a"]}, {"id": 2, "ok": False, "tags": []}],
        },
    },
    "steps": {"a-b": {"output": "dashed"}},
}


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> ExpressionEngine:
    return ENGINES[request.param]()


@pytest.fixture(scope="session")
def scope(engine: ExpressionEngine) -> Environment:
    """The names of `state`, most of them with types."""
    return engine.environment(NAMES)


@pytest.fixture(scope="session")
def state() -> dict[str, Any]:
    return STATE


@pytest.fixture(scope="session")
def resolve() -> Resolve:
    """Finds values in `state`."""

    def find(path: Path) -> Value | Absent:
        found: Any = STATE
        for key in path:
            if not isinstance(found, dict) or key not in found:
                return ABSENT
            found = found[key]
        return found  # type: ignore[no-any-return]

    return find
