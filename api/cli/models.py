"""`assay feedback models`: what is said of models' answers, and how models fare by it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from .exits import OK
from .opened import open_records, open_site
from .output import Output
from .text import columns, duration

if TYPE_CHECKING:
    from ...graphs.scoring import ModelStats

DRIFTS = 0.15
"""So much less good of late is said to be less."""


async def feedback(given: str, path: str, *, passed: bool, comment: str, json: bool) -> int:
    """Say whether the answer of a step's model was good. Raises `ExecutionNotFound`, or
    `NotPossible` where no model has answered."""
    async with open_site() as site:
        id = await site.whole_id(given)
        model = await site.feedback(id, path, passed=passed, comment=comment)
    out = Output()
    if json:
        out.json({"execution_id": id, "path": path, "model": model, "passed": passed})
    else:
        out.line(f"kept: the answer of {model} at {path} was {'good' if passed else 'bad'}")
    return OK


async def models(workflow: str | None, step: str | None, *, json: bool) -> int:
    """How models fare, by the newest verdicts on their answers."""
    async with open_records() as site:
        found = await site.model_stats(workflow, step)
    out = Output()
    if json:
        out.json([asdict(each) for each in found])
    else:
        out.lines(columns([_row(each) for each in found]))
    return OK


def _row(found: ModelStats) -> tuple[str, ...]:
    seen = f"{found.verdicts} verdict{'s' if found.verdicts > 1 else ''}"
    lately = f"{found.lately:.0%} of late"
    return (
        f"{found.workflow}.{found.step}",
        found.model,
        f"{found.rate:.0%} good of {seen}",
        f"{lately}, less than before" if found.lately < found.rate - DRIFTS else lately,
        "" if found.usd is None else f"{found.usd:.4g} USD",
        duration(found.seconds),
        f"prompt {found.prompt[:8]}",
    )
