"""What is kept beside executions: files, slots, cached results, the audit; and what runs them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from ...graphs import stored
from ...graphs.lease import Slot as Held
from .asking import Of
from .fields import resolved
from .pages import FIRST, After, Connection, First, connected
from .problems import AnyProblem, attempted
from .scalars import Json, Time, time

if TYPE_CHECKING:
    from .executions import Execution


@strawberry.type(description="A file that a step kept.")
class Artifact:
    execution_id: strawberry.ID = strawberry.field(description="Whose step kept it.")
    path: str = strawberry.field(description="The path of that step.")
    name: str = strawberry.field(description="Its name in the definition.")
    file: str = strawberry.field(description="Where it was in the workspace.")
    sha256: str = strawberry.field(description="SHA-256 of its bytes, in hex.")
    size: float = strawberry.field(description="Bytes.")
    kept_at: Time | None = strawberry.field(description="When.")

    @classmethod
    def of(cls, found: stored.ArtifactInfo) -> Artifact:
        return cls(
            execution_id=strawberry.ID(found.execution_id),
            path=found.path,
            name=found.name,
            file=found.file,
            sha256=found.sha256,
            size=found.size,
            kept_at=time(found.kept_at),
        )


@strawberry.type(description="Somebody who holds a unit of a concurrency key, or waits for one.")
class Slot:
    key: str = strawberry.field(description="The concurrency key.")
    execution_id: strawberry.ID = strawberry.field(description="Who holds it or waits.")
    workflow: str = strawberry.field(description="The name of its workflow.")
    held: bool = strawberry.field(description="Held; else it waits its turn.")
    since: Time | None = strawberry.field(description="Since when.")
    priority: int = strawberry.field(description="Higher comes first.")

    @resolved("The execution that holds it or waits.")
    async def execution(
        self, info: Of
    ) -> Annotated[Execution, strawberry.lazy(".executions")] | None:
        found: Execution | None = await info.context.loaders.execution(self.execution_id)
        return found

    @classmethod
    def of(cls, found: Held) -> Slot:
        return cls(
            key=found.key,
            execution_id=strawberry.ID(found.execution_id),
            workflow=found.workflow,
            held=found.held,
            since=time(found.since),
            priority=found.priority,
        )


@strawberry.type(description="A change that somebody made, or was not allowed to.")
class AuditEntry:
    id: strawberry.ID = strawberry.field(description="Counts the entries.")
    at: Time | None = strawberry.field(description="When.")
    principal: str = strawberry.field(description="The id of whoever asked.")
    action: str = strawberry.field(description="What was asked for, as `executions.start`.")
    target: str = strawberry.field(description="What it was to be done to.")
    allowed: bool = strawberry.field(description="Whether they might.")
    rule: str = strawberry.field(description="The rule that decided.")
    data: Json = strawberry.field(description="What else there is to know.")

    @classmethod
    def of(cls, found: stored.AuditEntry) -> AuditEntry:
        return cls(
            id=strawberry.ID(str(found.id)),
            at=time(found.at),
            principal=found.principal,
            action=found.action,
            target=found.target,
            allowed=found.allowed,
            rule=found.rule,
            data=Json(found.data),
        )


@strawberry.type(description="What executes workflows.")
class Provider:
    name: str = strawberry.field(description="Its name, as `langgraph`.")
    default: bool = strawberry.field(description="Whether what is started here is executed so.")
    kinds: list[str] = strawberry.field(
        description="The kinds of steps that it can run; empty: it does not say."
    )


@strawberry.type(description="The cache of results of steps.")
class CacheStats:
    results: int = strawberry.field(description="How many there are that have not expired.")


@strawberry.type(description="Cached results are forgotten.")
class CacheInvalidated:
    results: int = strawberry.field(description="How many.")


InvalidateCacheResult = Annotated[
    CacheInvalidated | AnyProblem,
    strawberry.union("InvalidateCacheResult", description="What came of forgetting."),
]


@strawberry.type
class ShelfQueries:
    @resolved("Files that the steps of an execution kept, newest first.")
    async def artifacts(
        self,
        info: Of,
        execution_id: Annotated[strawberry.ID, strawberry.argument(description="Whose.")],
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Artifact]:
        def key(found: stored.ArtifactInfo) -> str:
            return f"{found.path}\0{found.name}\0{found.file}"

        read = partial(info.context.control.artifacts, execution_id)
        return await connected(read, key, Artifact.of, first, after)

    @resolved("Who holds units of concurrency keys, then who waits, in turn.")
    async def slots(
        self,
        info: Of,
        key: Annotated[str | None, strawberry.argument(description="Only of that key.")] = None,
    ) -> list[Slot]:
        return [Slot.of(each) for each in await info.context.control.slots(key)]

    @resolved("Who changed what, and who was not allowed to, newest first.")
    async def audit(
        self,
        info: Of,
        target: Annotated[
            str | None, strawberry.argument(description="Only what was done to it.")
        ] = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[AuditEntry]:
        read = partial(info.context.control.audit, target=target)
        return await connected(read, lambda found: str(found.id), AuditEntry.of, first, after)

    @resolved("What executes workflows on this server.")
    async def providers(self, info: Of) -> list[Provider]:
        return [
            Provider(name=each.name, default=each.default, kinds=list(each.kinds))
            for each in info.context.control.providers()
        ]

    @resolved("How much is cached. Counted, each time.")
    async def cache_stats(self, info: Of) -> CacheStats:
        return CacheStats(results=await info.context.control.cached())


@strawberry.type
class ShelfMutations:
    @resolved("Forget cached results, so that steps run again.")
    async def invalidate_cache(
        self,
        info: Of,
        prefix: Annotated[
            str, strawberry.argument(description="How their step's path or their key begins.")
        ] = "",
    ) -> InvalidateCacheResult:
        async def forgotten() -> CacheInvalidated:
            return CacheInvalidated(results=await info.context.control.invalidate_cache(prefix))

        return await attempted(forgotten())
