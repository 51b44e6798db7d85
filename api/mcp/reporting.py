"""An execution in words, for a model or a person that reads it: Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...graphs.execution import Execution

_LONGEST = 20_000
_STEPS = 500


def report(execution: Execution) -> str:
    """How it stands, the output called `report` as it is, the other outputs, the steps."""
    return "\n".join(_lines(execution)) + "\n"


def _lines(execution: Execution) -> Iterator[str]:
    yield f"# {execution.workflow} {execution.version}: {execution.status.value}"
    yield ""
    yield f"Execution {execution.id}, begun {execution.started_at or execution.created_at}" + (
        f", ended {execution.completed_at}." if execution.completed_at else "."
    )
    if execution.error is not None:
        at = f" at `{execution.error.path}`" if execution.error.path else ""
        yield from ("", f"It failed{at}: {execution.error.message}")
    for notice in execution.notices:
        yield from ("", f"Notice: {notice}")
    others = dict(execution.outputs)
    if isinstance(others.get("report"), str):
        yield from ("", others.pop("report").rstrip())
    if others:
        yield from ("", "## Outputs", "")
        for name, value in others.items():
            yield from _output(name, value)
    if execution.steps:
        yield from ("", "## Steps", "")
        for result in [*execution.steps.values()][:_STEPS]:
            why = "" if result.error is None else f": {_one_line(result.error.message)}"
            cached = ", from the cache" if result.cached else ""
            tries = f", attempt {result.attempts}" if result.attempts > 1 else ""
            yield f"- `{result.path}` ({result.kind}): {result.status.value}{cached}{tries}{why}"
        if len(execution.steps) > _STEPS:
            yield f"- … {len(execution.steps) - _STEPS} more"


def _output(name: str, value: Any) -> Iterator[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text):,} characters)"
    if "\n" in text:
        yield from (f"- `{name}`:", "", *(f"      {line}" for line in text.splitlines()), "")
    else:
        yield f"- `{name}`: {text}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
