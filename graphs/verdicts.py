"""What was said of agents' answers: what their models and prompts are judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import orjson

if TYPE_CHECKING:
    from .stored import Page

ANSWERED = "answered"
"""How the decision ends that keeps who gave a step's answer, behind its attempt."""

REMEMBERED = 200
"""The newest verdicts of a step: those that anybody learns from."""


class Source(StrEnum):
    """Who or what said so."""

    VERIFY = "verify"
    ASSERTION = "assert"
    APPROVAL = "approval"  # a person picked what a model was unsure of
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer was good, and what it took.

    The same `id` again takes the place of what was said first. `prompt` is the digest of the
    prompt as it is written; `at` RFC 3339; `usd` None where nobody knows the price.
    """

    id: str
    workflow: str
    step: str
    model: str
    prompt: str
    passed: bool
    source: Source
    execution_id: str
    path: str
    at: str
    tokens: int = 0
    usd: float | None = None
    seconds: float = 0.0
    by: str = ""
    comment: str = ""


class Verdicts(Protocol):
    """What was said of agents' answers. It outlives the executions that it was said in."""

    async def judge(self, verdict: Verdict) -> None:
        """Keep it, in place of one of that id."""

    async def verdicts(
        self,
        *,
        workflow: str | None = None,
        step: str | None = None,
        after: str | None = None,
        limit: int = REMEMBERED,
    ) -> Page[Verdict]:
        """Verdicts, newest first; a `step` is one of the workflow that is named with it."""


def verdict_on(
    answered: Mapping[str, Any],
    id: str,
    execution_id: str,
    path: str,
    *,
    passed: bool,
    source: Source,
    at: str,
    by: str = "",
    comment: str = "",
) -> Verdict:
    """What is said of an answer; `answered` is what was kept of who gave it."""
    names = ("workflow", "step", "model", "prompt", "tokens", "usd", "seconds")
    who = {name: answered[name] for name in names}
    return Verdict(
        id=id,
        execution_id=execution_id,
        path=path,
        passed=passed,
        source=source,
        at=at,
        by=by,
        comment=comment,
        **who,
    )


def prompt_digest(*parts: Any) -> str:
    """The same for the same prompt as it is written, values left open."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]
