"""The graph put together: what can be asked, changed and followed. `python -m` prints it."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry
from graphql import GraphQLError
from strawberry.types import ExecutionContext

from .access import AccessMutations
from .events import EventSubscriptions
from .executions import ExecutionQueries
from .limits import Limits
from .memories import MemoryMutations, MemoryQueries
from .models import ModelMutations, ModelQueries
from .problems import Problem
from .questions import QuestionMutations, QuestionQueries
from .running import ExecutionMutations
from .scalars import config
from .shelves import ShelfMutations, ShelfQueries
from .switching import TriggerMutations
from .telling import Told, log
from .triggers import TriggerQueries
from .workflows import WorkflowMutations, WorkflowQueries


@strawberry.type(description="What can be read.")
class Query(
    WorkflowQueries,
    ExecutionQueries,
    QuestionQueries,
    TriggerQueries,
    ShelfQueries,
    ModelQueries,
    MemoryQueries,
):
    pass


@strawberry.type(description="What can be changed. Each change is kept in the audit.")
class Mutation(
    WorkflowMutations,
    ExecutionMutations,
    QuestionMutations,
    TriggerMutations,
    ShelfMutations,
    ModelMutations,
    MemoryMutations,
    AccessMutations,
):
    pass


@strawberry.type(description="What can be followed, over graphql-transport-ws or graphql-sse.")
class Subscription(EventSubscriptions):
    pass


class Schema(strawberry.Schema):
    def process_errors(
        self, errors: Sequence[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        for error in errors:
            log(error)


def build() -> Schema:
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Problem],
        extensions=[Told, Limits],
        config=config(),
    )


schema = build()
"""The one schema; it holds nothing of any request."""


if __name__ == "__main__":
    print(schema.as_str())  # noqa: T201 - it is what this is asked for
