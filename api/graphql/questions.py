"""What executions wait for, and how it is answered."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from ...graphs import question as records
from .asking import Of
from .fields import resolved, value
from .pages import FIRST, After, Connection, First, connected
from .problems import AnyProblem, attempted
from .scalars import Json, Time, moment, time

if TYPE_CHECKING:
    from .executions import Execution


@strawberry.enum(description="What kind of thing is waited for.")
class Wait(Enum):
    APPROVAL = value("approval", "A person.")
    EVENT = value("event", "Something outside, by name and key.")
    SLEEP = value("sleep", "A time, and nothing else.")
    RETRY = value("retry", "The next attempt, and nothing else.")
    ONCE = value("once", "What became of an effect that was cut off.")


@strawberry.enum(description="Whether somebody still waits for the answer.")
class QuestionStatus(Enum):
    OPEN = value("open", "It can be answered.")
    ANSWERED = value("answered", "It has its answer.")
    WITHDRAWN = value("withdrawn", "Nobody waits any more.")


@strawberry.type(description="What somebody, or time, said.")
class Answer:
    value: Json | None = strawberry.field(description="What the schema of the question wants.")
    by: str = strawberry.field(description="Who said it; empty: time did.")
    comment: str = strawberry.field(description="What they had to say beside it.")
    at: Time | None = strawberry.field(description="When.")
    approved: bool = strawberry.field(description="The verdict of an approval.")

    @classmethod
    def of(cls, found: records.Answer) -> Answer:
        return cls(
            value=None if found.value is None else Json(found.value),
            by=found.by,
            comment=found.comment,
            at=time(found.at),
            approved=found.approved,
        )


@strawberry.type(description="One thing that one step of an execution waits for.")
class Question:
    id: strawberry.ID = strawberry.field(description="The same for ever, and after each resume.")
    execution_id: strawberry.ID = strawberry.field(description="Which execution waits.")
    path: str = strawberry.field(description="Which step of it.")
    kind: Wait = strawberry.field(description="What kind of thing is waited for.")
    message: str = strawberry.field(description="What is asked.")
    schema: Json | None = strawberry.field(description="A JSON Schema of the answer.")
    due: Time | None = strawberry.field(description="When waiting ends by itself.")
    approvers: list[str] = strawberry.field(description="Who may answer; empty: all operators.")
    wanted: int = strawberry.field(description="How many of them must.")
    event: str | None = strawberry.field(description="The name of the event that is waited for.")
    key: str | None = strawberry.field(description="The key of that event; null: any.")
    asked_at: Time | None = strawberry.field(description="When it was asked.")
    status: QuestionStatus = strawberry.field(description="Whether it can still be answered.")
    votes: list[Answer] = strawberry.field(description="The answers so far.")
    answer: Answer | None = strawberry.field(description="The answer that counts.")
    choices: Json = strawberry.field(description="Names of what can be chosen, if it is a choice.")

    @resolved("The execution that waits.")
    async def execution(
        self, info: Of
    ) -> Annotated[Execution, strawberry.lazy(".executions")] | None:
        found: Execution | None = await info.context.loaders.execution(self.execution_id)
        return found

    @classmethod
    def of(cls, found: records.Question) -> Question:
        return cls(
            id=strawberry.ID(found.id),
            execution_id=strawberry.ID(found.execution_id),
            path=found.path,
            kind=Wait(found.kind.value),
            message=found.message,
            schema=None if found.schema is None else Json(found.schema),
            due=moment(found.due),
            approvers=list(found.approvers),
            wanted=found.wanted,
            event=found.event,
            key=found.key,
            asked_at=time(found.asked_at),
            status=QuestionStatus(found.status.value),
            votes=[Answer.of(each) for each in found.votes],
            answer=None if found.answer is None else Answer.of(found.answer),
            choices=Json(found.choices),
        )


@strawberry.type(description="The answer is kept; the question may want more of them.")
class QuestionAnswered:
    question: Question = strawberry.field(description="The question as it is now.")


@strawberry.type(description="The event is kept, and those who wait for it have been told.")
class EventSent:
    execution_ids: list[strawberry.ID] = strawberry.field(description="Who waited for it.")


AnswerQuestionResult = Annotated[
    QuestionAnswered | AnyProblem,
    strawberry.union("AnswerQuestionResult", description="What came of answering."),
]
SendEventResult = Annotated[
    EventSent | AnyProblem,
    strawberry.union("SendEventResult", description="What came of sending an event."),
]


@strawberry.type
class QuestionQueries:
    @resolved("What executions wait for, oldest first.")
    async def questions(
        self,
        info: Of,
        execution_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only of that execution.")
        ] = None,
        status: Annotated[
            QuestionStatus | None, strawberry.argument(description="Null: whatever it is.")
        ] = QuestionStatus.OPEN,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Question]:
        read = partial(
            info.context.control.questions,
            execution_id=execution_id,
            status=None if status is None else status.value,
        )
        return await connected(read, lambda found: found.id, Question.of, first, after)


@strawberry.type
class QuestionMutations:
    @resolved("Answer a question; the same answer again changes nothing.")
    async def answer_question(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="The question.")],
        value: Annotated[
            Json | None, strawberry.argument(description="What its schema wants.")
        ] = None,
        approved: Annotated[
            bool | None,
            strawberry.argument(description="The verdict: an approval is not answered without."),
        ] = None,
        comment: Annotated[str, strawberry.argument(description="To be kept beside it.")] = "",
    ) -> AnswerQuestionResult:
        async def answered() -> QuestionAnswered:
            control = info.context.control
            found = await control.answer(id, value, approved=approved, comment=comment)
            return QuestionAnswered(question=Question.of(found))

        return await attempted(answered())

    @resolved("Tell every execution that waits for an event, now or later.")
    async def send_event(
        self,
        info: Of,
        name: Annotated[str, strawberry.argument(description="The name that is waited for.")],
        payload: Annotated[
            Json | None, strawberry.argument(description="What those who wait are given.")
        ] = None,
        key: Annotated[
            str | None, strawberry.argument(description="Only for those who wait for this key.")
        ] = None,
        id: Annotated[
            str | None, strawberry.argument(description="The same id again changes nothing.")
        ] = None,
    ) -> SendEventResult:
        async def sent() -> EventSent:
            told = await info.context.control.send_event(name, payload, key=key, id=id)
            return EventSent(execution_ids=[strawberry.ID(each) for each in told])

        return await attempted(sent())
