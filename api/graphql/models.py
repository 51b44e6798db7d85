"""How models fare, and what people say of their answers."""

from __future__ import annotations

from typing import Annotated

import strawberry

from ...graphs import scoring, verdicts
from .asking import Of
from .fields import resolved
from .problems import AnyProblem, attempted
from .scalars import Time, time


@strawberry.type(description="How one model fares at one prompt of one step.")
class ModelStats:
    workflow: str = strawberry.field(description="The name of the workflow.")
    step: str = strawberry.field(description="The id of the step.")
    model: str = strawberry.field(description="As the definition names it.")
    prompt: str = strawberry.field(description="Digest of the prompt as it is written.")
    verdicts: int = strawberry.field(description="How many there are, of the newest 1,000.")
    rate: float = strawberry.field(description="The share of good answers.")
    lately: float = strawberry.field(description="The same, of the newest 20: whether it drifts.")
    tokens: float = strawberry.field(description="Of one answer, on average.")
    usd: float | None = strawberry.field(description="US dollars, likewise; null: not known.")
    seconds: float = strawberry.field(description="Likewise.")
    since: Time | None = strawberry.field(description="The oldest of these verdicts.")
    until: Time | None = strawberry.field(description="The newest of them.")

    @classmethod
    def of(cls, found: scoring.ModelStats) -> ModelStats:
        return cls(
            workflow=found.workflow,
            step=found.step,
            model=found.model,
            prompt=found.prompt,
            verdicts=found.verdicts,
            rate=found.rate,
            lately=found.lately,
            tokens=found.tokens,
            usd=found.usd,
            seconds=found.seconds,
            since=time(found.since),
            until=time(found.until),
        )


@strawberry.type(description="What was said of an answer is kept.")
class FeedbackRecorded:
    model: str = strawberry.field(description="The model that gave the answer.")
    workflow: str = strawberry.field(description="The name of the workflow.")
    step: str = strawberry.field(description="The id of the step.")
    passed: bool = strawberry.field(description="Whether it was good.")
    by: str = strawberry.field(description="Who says so.")

    @classmethod
    def of(cls, found: verdicts.Verdict) -> FeedbackRecorded:
        return cls(
            model=found.model,
            workflow=found.workflow,
            step=found.step,
            passed=found.passed,
            by=found.by,
        )


RecordFeedbackResult = Annotated[
    FeedbackRecorded | AnyProblem,
    strawberry.union("RecordFeedbackResult", description="What came of saying it."),
]


@strawberry.type
class ModelQueries:
    @resolved("How models fare, by the newest verdicts on their answers.")
    async def model_stats(
        self,
        info: Of,
        workflow: Annotated[
            str | None, strawberry.argument(description="Only in that workflow.")
        ] = None,
        step: Annotated[
            str | None, strawberry.argument(description="Only at that step of it.")
        ] = None,
    ) -> list[ModelStats]:
        return [ModelStats.of(s) for s in await info.context.control.model_stats(workflow, step)]


@strawberry.type
class ModelMutations:
    @resolved("Say whether the answer of a step's model was good; again: the last word counts.")
    async def record_feedback(
        self,
        info: Of,
        execution_id: Annotated[strawberry.ID, strawberry.argument(description="Its whole id.")],
        path: Annotated[str, strawberry.argument(description="The path of the step.")],
        passed: Annotated[bool, strawberry.argument(description="Whether it was good.")],
        comment: Annotated[str, strawberry.argument(description="Why.")] = "",
    ) -> RecordFeedbackResult:
        async def recorded() -> FeedbackRecorded:
            control = info.context.control
            return FeedbackRecorded.of(
                await control.record_feedback(execution_id, path, passed=passed, comment=comment)
            )

        return await attempted(recorded())
