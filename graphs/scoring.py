"""What people say of agents' answers, and how models fare by all that was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import NotPossible
from .execution import Execution, timestamp
from .fold import load
from .verdicts import ANSWERED, REMEMBERED, Source, Verdict, verdict_on

if TYPE_CHECKING:
    from .ports import Blobs, Store

LATELY = 20
"""The newest verdicts on a model, beside all of them: where they differ, it drifts."""

LOOKED_AT = 1000
"""The newest verdicts that figures are made of."""


@dataclass(frozen=True, slots=True)
class ModelStats:
    """How one model fares at one prompt of one step.

    `rate` is the share of good answers among all `verdicts` looked at, `lately` among the
    newest 20. `tokens`, `usd` (None: nobody knows the price) and `seconds` are those of one
    answer on average; `since` and `until` RFC 3339.
    """

    workflow: str
    step: str
    model: str
    prompt: str
    verdicts: int
    rate: float
    lately: float
    tokens: float
    usd: float | None
    seconds: float
    since: str
    until: str


async def model_stats(
    store: Store,
    workflow: str | None = None,
    step: str | None = None,
    *,
    visible: Callable[[str], bool] = lambda _: True,
) -> list[ModelStats]:
    """Of the newest 1,000 verdicts (on a step of the workflow, where it is named), by workflow,
    step and model; the prompt that was judged last comes first."""
    groups: dict[tuple[str, str, str, str], list[Verdict]] = {}
    after, looked_at = None, 0
    while looked_at < LOOKED_AT:
        page = await store.verdicts(workflow=workflow, step=step, after=after, limit=REMEMBERED)
        for verdict in page.items:
            key = (verdict.workflow, verdict.step, verdict.model, verdict.prompt)
            if visible(verdict.workflow):
                groups.setdefault(key, []).append(verdict)
        looked_at += len(page.items)
        if (after := page.cursor) is None:
            break
    # The sort is stable, and the groups are newest first.
    return sorted((_stats(g) for g in groups.values()), key=lambda s: (s.workflow, s.step, s.model))


async def feedback(
    store: Store,
    blobs: Blobs,
    execution: Execution,
    path: str,
    *,
    passed: bool,
    by: str,
    voice: str = "",
    comment: str = "",
) -> Verdict:
    """Keep what somebody says of the answer that the step at the path has given.

    Said again by the same `voice` (else: `by`), it takes the place of what that said before.
    Raises `NotPossible` when no model has answered there.
    """
    history = await load(store, blobs, execution.id, lambda _, __: None)
    result = history.results.get(path)
    answered = None
    if result is not None:
        answered = history.decisions.get((path, f"{result.attempts}.{ANSWERED}"))
    if answered is None:
        raise NotPossible(
            f"no model has answered at {path!r} of execution {execution.id}; name the path of an "
            "agent's step that has ended well"
        )
    verdict = verdict_on(
        answered,
        f"{execution.id}/{path}/feedback/{voice or by}",
        execution.id,
        path,
        passed=passed,
        source=Source.FEEDBACK,
        at=timestamp(),
        by=by,
        comment=comment,
        option=result.output if passed and result is not None else None,
    )
    await store.judge(verdict)
    return verdict


def _stats(found: Sequence[Verdict]) -> ModelStats:
    """Of verdicts on one model at one prompt, newest first."""
    last, number = found[0], len(found)
    priced = [v.usd for v in found if v.usd is not None]
    newest = found[:LATELY]
    return ModelStats(
        *(last.workflow, last.step, last.model, last.prompt, number),
        rate=sum(v.passed for v in found) / number,
        lately=sum(v.passed for v in newest) / len(newest),
        tokens=sum(v.tokens for v in found) / number,
        usd=sum(priced) / len(priced) if priced else None,
        seconds=sum(v.seconds for v in found) / number,
        since=found[-1].at,
        until=last.at,
    )
