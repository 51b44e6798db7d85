"""What was said of agents' answers: what their models and prompts are judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Protocol, Self

import orjson

if TYPE_CHECKING:
    from .stored import Page

ANSWERED = "answered"
"""How the decision ends that keeps who gave a step's answer, behind its attempt."""

REMEMBERED = 200
"""The newest verdicts of a step: those that anybody learns from."""

VALUE_LIMIT = 1_000
"""Characters that are kept of one value of a case."""

CASE_LIMIT = 4_000
"""Characters that are kept of one case; what comes later in its prompt is left out."""

CASES_LIMIT = 12_000
"""Characters of cases that one question brings along."""


class Source(StrEnum):
    """Who or what said so."""

    VERIFY = "verify"
    ASSERTION = "assert"
    APPROVAL = "approval"  # a person picked what a model was unsure of
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Case:
    """What `decide` was asked, by the values in its prompt, and the option that is right."""

    values: Mapping[str, str]
    option: str

    def __len__(self) -> int:
        return len(self.option) + sum(len(n) + len(v) for n, v in self.values.items())


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer was good, and what it took.

    The same `id` again takes the place of what was said first. `prompt` is the digest of the
    prompt as it is written; `at` RFC 3339; `usd` None where nobody knows the price. A `case` is
    confirmed by it: also by a person who picked another option than the model.
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
    case: Case | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Of what `asdict` gave. Raises `KeyError`, `TypeError` or `ValueError`."""
        case = data.get("case")
        known = None if case is None else Case(dict(case["values"]), case["option"])
        return cls(**{**data, "source": Source(data["source"]), "case": known})


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

    async def forget_verdicts(self, before: str) -> int:
        """Forget what was said before that time, RFC 3339; how many."""


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
    option: Any = None,
) -> Verdict:
    """What is said of an answer; `answered` is what was kept of who gave it. `option` is the
    right one, where one of several was picked and it is known."""
    values = answered.get("values")
    case = Case(dict(values), option) if values and isinstance(option, str) else None
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
        case=case,
        **who,
    )


def confirmed(
    verdicts: Sequence[Verdict], options: Collection[str], each: int
) -> Sequence[tuple[Case, str]]:
    """The newest cases of each option, and `execution/path` of each; options take turns.

    `verdicts` are those of a step, newest first. Left out is what somebody has refused, and
    what was decided anew for the same values.
    """
    refused = {
        (v.execution_id, v.path)
        for v in verdicts
        if not v.passed and v.source is not Source.APPROVAL
    }
    found: dict[str, list[tuple[Case, str]]] = {option: [] for option in options}
    seen = set()
    for verdict in verdicts:
        case, of = verdict.case, (verdict.execution_id, verdict.path)
        if case is None or of in refused or (values := frozenset(case.values.items())) in seen:
            continue
        seen.add(values)
        if case.option in found and len(found[case.option]) < each:
            found[case.option].append((case, "/".join(of)))
    turns = zip_longest(*found.values())
    return list(_fitting(known for turn in turns for known in turn if known is not None))


def _fitting(cases: Iterable[tuple[Case, str]]) -> Iterator[tuple[Case, str]]:
    room = CASES_LIMIT
    for case, of in cases:
        room -= len(case)
        if room < 0:
            return
        yield case, of


def prompt_digest(*parts: Any) -> str:
    """The same for the same prompt as it is written, values left open."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]
