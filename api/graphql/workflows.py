"""Registered workflows: what a definition is, and whether it is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import strawberry

from ...graphs.errors import InvalidInput
from ...graphs.launching import Source
from ...graphs.program import Program
from ...graphs.stored import WorkflowInfo
from ...graphs.workflow import Workflow as Definition
from .asking import Of
from .fields import resolved
from .pages import FIRST, After, Connection, First, connected
from .problems import AnyProblem, SpecProblem, attempted
from .scalars import Json, Time, time
from .triggers import Trigger


@strawberry.type(description="A registered version of a workflow. It never changes.")
class Workflow:
    id: strawberry.ID = strawberry.field(description="`name@version`.")
    name: str = strawberry.field(description="The name, a slug.")
    version: str = strawberry.field(description="The version, any text.")
    digest: str = strawberry.field(description="SHA-256 of the definition, in hex.")
    description: str | None = strawberry.field(description="What it is for.")
    registered_at: Time | None = strawberry.field(description="When it was registered.")

    @resolved("The definition as JSON. Read for each workflow by itself.")
    async def document(self, info: Of) -> Json:
        return Json(await info.context.control.workflow(self.name, self.version))

    @resolved("What starts it, by id, 20 at most; `triggers` lists all.")
    async def triggers(self, info: Of) -> list[Trigger]:
        found = await info.context.loaders.starters.load(self.name)
        return [Trigger.of(each) for each in found]

    @classmethod
    def of(cls, found: WorkflowInfo) -> Workflow:
        return cls(
            id=strawberry.ID(f"{found.name}@{found.version}"),
            name=found.name,
            version=found.version,
            digest=found.digest,
            description=found.description,
            registered_at=time(found.registered_at),
        )


@strawberry.input(one_of=True, description="A definition: exactly one of these.")
class DefinitionInput:
    document: Json | None = strawberry.field(
        default=strawberry.UNSET, description="As a JSON object."
    )
    yaml: str | None = strawberry.field(
        default=strawberry.UNSET, description="As its author wrote it in YAML."
    )
    json: str | None = strawberry.field(
        default=strawberry.UNSET, description="As its author wrote it in JSON, as text."
    )

    def given(self) -> Source | Mapping[str, Any]:
        """Raises `InvalidInput`: a text would name a file of the server."""
        if isinstance(self.yaml, str):
            return Source(self.yaml.encode())
        if isinstance(self.json, str):
            return Source(self.json.encode(), json=True)
        document: Any = self.document
        if not isinstance(document, Mapping):
            raise InvalidInput("`document` is a JSON object; give source as `yaml` or `json`")
        return document


@strawberry.type(description="A definition that can be executed.")
class ValidWorkflow:
    name: str = strawberry.field(description="The name it gives itself.")
    version: str = strawberry.field(description="The version it gives itself.")
    digest: str = strawberry.field(description="SHA-256 of its content, in hex.")
    warnings: list[SpecProblem] = strawberry.field(description="What is doubtful, but runs.")

    @classmethod
    def of(cls, program: Program) -> ValidWorkflow:
        workflow = program.workflow
        return cls(
            name=workflow.name,
            version=workflow.version,
            digest=workflow.digest,
            warnings=[SpecProblem.of(each) for each in program.warnings],
        )


@strawberry.type(description="The version is kept, or was already with that very content.")
class WorkflowRegistered:
    workflow: Workflow = strawberry.field(description="What is kept.")


@strawberry.type(description="Versions are gone. What executions still run stays.")
class WorkflowDeleted:
    versions: int = strawberry.field(description="How many are gone.")


ValidateWorkflowResult = Annotated[
    ValidWorkflow | AnyProblem,
    strawberry.union("ValidateWorkflowResult", description="Whether a definition is right."),
]
RegisterWorkflowResult = Annotated[
    WorkflowRegistered | AnyProblem,
    strawberry.union("RegisterWorkflowResult", description="What came of registering."),
]
DeleteWorkflowResult = Annotated[
    WorkflowDeleted | AnyProblem,
    strawberry.union("DeleteWorkflowResult", description="What came of deleting."),
]
Name = Annotated[str, strawberry.argument(description="The name of a workflow.")]
Version = Annotated[
    str | None, strawberry.argument(description="A version; without, the newest (or all, if gone).")
]
Given = Annotated[DefinitionInput, strawberry.argument(description="The definition.")]


@strawberry.type
class WorkflowQueries:
    @resolved("A registered version, the newest when none is named.")
    async def workflow(self, info: Of, name: Name, version: Version = None) -> Workflow | None:
        return Workflow.of(await info.context.control.version(name, version))

    @resolved("Registered versions by name, newest first.")
    async def workflows(
        self,
        info: Of,
        name: Annotated[
            str | None, strawberry.argument(description="Only versions of that workflow.")
        ] = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Workflow]:
        control = info.context.control

        async def read(*, after: str | None, limit: int) -> Any:
            if name is None:
                return await control.workflows(after=after, limit=limit)
            return await control.versions(name, after=after, limit=limit)

        def key(found: WorkflowInfo) -> str:
            return f"{found.name}@{found.version}"

        return await connected(read, key, Workflow.of, first, after)

    @resolved("Whether a definition is right, and everything wrong with it.")
    async def validate_workflow(self, info: Of, definition: Given) -> ValidateWorkflowResult:
        async def validated() -> ValidWorkflow:
            return ValidWorkflow.of(await info.context.control.validate(definition.given()))

        return await attempted(validated())


@strawberry.type
class WorkflowMutations:
    @resolved("Keep a version for good; the same again changes nothing.")
    async def register_workflow(self, info: Of, definition: Given) -> RegisterWorkflowResult:
        async def registered() -> WorkflowRegistered:
            control = info.context.control
            kept: Definition = await control.register(definition.given())
            version = await control.version(kept.name, kept.version)
            return WorkflowRegistered(workflow=Workflow.of(version))

        return await attempted(registered())

    @resolved("Forget one version, or all that nothing runs on.")
    async def delete_workflow(
        self, info: Of, name: Name, version: Version = None
    ) -> DeleteWorkflowResult:
        async def deleted() -> WorkflowDeleted:
            gone = await info.context.control.delete_workflow(name, version)
            return WorkflowDeleted(versions=gone)

        return await attempted(deleted())
