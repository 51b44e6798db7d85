"""Executions as they are read: with their workflow, their steps and what they wait for."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import strawberry

from ...graphs import execution as records
from ...graphs.errors import InvalidInput
from ...graphs.event import Event as Told
from ...graphs.fold import events
from ...graphs.stored import Page
from .asking import Of
from .events import Event
from .fields import resolved
from .loaders import Loaders, Span
from .pages import FIRST, After, Connection, First, connected
from .questions import Question
from .scalars import Json, Time, time
from .shelves import Artifact
from .steps import Cost, Failure, Status, StepResult
from .triggers import Firing, Trigger
from .workflows import Workflow


@strawberry.type(description="What an execution was made of by a retry or a fork.")
class Origin:
    execution_id: strawberry.ID = strawberry.field(description="The one before it.")
    how: str = strawberry.field(description="`retry` or `fork`.")
    path: str | None = strawberry.field(description="Where it began again.")

    @resolved("The one before it, if it is still there.")
    async def execution(
        self, info: Of
    ) -> Annotated[Execution, strawberry.lazy(".executions")] | None:
        found = await info.context.loaders.executions.load(self.execution_id)
        return None if found is None else Execution.of(found)


@strawberry.type(description="One run of one version of a workflow.")
class Execution:
    id: strawberry.ID = strawberry.field(description="Sortable by the time it was made.")
    workflow_name: str = strawberry.field(description="The name of its workflow.")
    workflow_version: str = strawberry.field(description="The version of its workflow.")
    digest: str = strawberry.field(description="SHA-256 of the definition that it runs.")
    status: Status = strawberry.field(description="Where it is in its life.")
    inputs: Json = strawberry.field(description="What it was given.")
    outputs: Json = strawberry.field(description="What it gives.")
    artifacts: Json = strawberry.field(description="The files that it gives, by name.")
    error: Failure | None = strawberry.field(description="Why it failed.")
    cost: Cost = strawberry.field(description="What its models used so far.")
    notices: list[str] = strawberry.field(description="What it must say of itself.")
    origin: Origin | None = strawberry.field(description="What it was made of.")
    firing_id: strawberry.ID | None = strawberry.field(
        description="Of the firing that began it, if a trigger did."
    )
    priority: int = strawberry.field(description="Higher runs first.")
    provider: str = strawberry.field(description="The name of what executes it.")
    worked: float = strawberry.field(description="Seconds for which it did not wait.")
    restarts: int = strawberry.field(description="Failures of the system that it survived.")
    paused: bool = strawberry.field(description="No step of it may begin.")
    created_at: Time | None = strawberry.field(description="When it was asked for.")
    updated_at: Time | None = strawberry.field(description="When its row last changed.")
    started_at: Time | None = strawberry.field(description="When it began.")
    completed_at: Time | None = strawberry.field(description="When it ended.")

    @resolved("Its workflow, if that is still registered.")
    async def workflow(self, info: Of) -> Workflow | None:
        named = (self.workflow_name, self.workflow_version)
        found = await info.context.loaders.versions.load(named)
        return None if found is None or found.digest != self.digest else Workflow.of(found)

    @resolved("The firing that began it, if a trigger did and it is still there.")
    async def firing(self, info: Of) -> Firing | None:
        if self.firing_id is None:
            return None
        found = await info.context.loaders.firings.load(self.firing_id)
        return None if found is None else Firing.of(found)

    @resolved("The trigger that began it, if that and the firing are still there.")
    async def trigger(self, info: Of) -> Trigger | None:
        firing = await self.firing(info)
        return None if firing is None else await firing.trigger(info)

    @resolved("The oldest of its open questions, 20 at most.")
    async def questions(self, info: Of) -> list[Question]:
        found = await info.context.loaders.questions.load(self.id)
        return [Question.of(each) for each in found]

    @resolved("The newest files that its steps kept, 20 at most; `artifacts` lists all.")
    async def files(self, info: Of) -> list[Artifact]:
        found = await info.context.loaders.files.load(self.id)
        return [Artifact.of(each) for each in found]

    @resolved("The step it is at. Reads its journal, once with `steps`.")
    async def current_step(self, info: Of) -> str | None:
        if records.Status(self.status.value).terminal:
            return None
        return (await info.context.loaders.histories.load(self.id)).current

    @resolved("What came of its steps, in order. Reads its journal, once.")
    async def steps(
        self, info: Of, first: First = FIRST, after: After = None
    ) -> Connection[StepResult]:
        history = await info.context.loaders.histories.load(self.id)

        async def read(*, after: str | None, limit: int) -> Page[records.StepResult]:
            # A journal is read whole, or not: the page is of what is there already.
            found = list(history.results.values())
            paths = [step.path for step in found]
            begin = paths.index(after) + 1 if after in paths else 0
            page = found[begin : begin + limit]
            more = begin + limit < len(found)
            return Page(page, page[-1].path if more else None)

        return await connected(read, lambda step: step.path, StepResult.of, first, after)

    @resolved("What is kept of what happened to it, in order.")
    async def events(
        self, info: Of, first: First = FIRST, after: After = None
    ) -> Connection[Event]:
        id = self.id

        async def read(*, after: str | None, limit: int) -> Page[Told]:
            seq = _seq(after)
            # Each entry holds one event at least.
            entries = await info.context.loaders.journals.load(Span(id, seq, limit + 1))
            told = [event for entry in entries for event in events(entry, id) if event.seq > seq]
            page = told[:limit]
            return Page(page, str(page[-1].seq) if len(told) > limit else None)

        return await connected(read, lambda event: str(event.seq), Event.of, first, after)

    @classmethod
    def of(cls, found: records.Execution) -> Execution:
        return cls(
            id=strawberry.ID(found.id),
            workflow_name=found.workflow,
            workflow_version=found.version,
            digest=found.digest,
            status=Status(found.status.value),
            inputs=Json(found.inputs),
            outputs=Json(found.outputs),
            artifacts=Json(found.artifacts),
            error=Failure.of(found.error),
            cost=Cost.of(found.cost),
            notices=list(found.notices),
            origin=None if found.origin is None else _origin(found.origin),
            firing_id=strawberry.ID(found.firing) if found.firing else None,
            priority=found.priority,
            provider=found.provider,
            worked=found.worked,
            restarts=found.restarts,
            paused=found.paused,
            created_at=time(found.created_at),
            updated_at=time(found.updated_at),
            started_at=time(found.started_at),
            completed_at=time(found.completed_at),
        )


Loaders.shown = Execution.of


def _seq(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInput(f"{cursor!r} is no cursor of this listing; begin without one")
    return int(cursor)


def _origin(found: Any) -> Origin:
    return Origin(
        execution_id=strawberry.ID(found.get("execution_id", "")),
        how=found.get("how", ""),
        path=found.get("path"),
    )


@strawberry.type
class ExecutionQueries:
    @resolved("One execution.")
    async def execution(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its whole id.")],
    ) -> Execution | None:
        found = await info.context.control.row(id)
        return Execution.of(found)

    @resolved("Executions, newest first.")
    async def executions(
        self,
        info: Of,
        workflow: Annotated[
            str | None, strawberry.argument(description="Only of the workflow of that name.")
        ] = None,
        status: Annotated[
            Status | None, strawberry.argument(description="Only in that status.")
        ] = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Execution]:
        read = partial(
            info.context.control.executions,
            workflow=workflow,
            status=None if status is None else status.value,
        )
        return await connected(read, lambda found: found.id, Execution.of, first, after)
