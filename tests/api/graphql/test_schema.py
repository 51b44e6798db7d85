"""The schema is a promise: the file in the repository is what the server says."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
)

import assay.api.graphql
from assay.api.graphql.limits import HEAVY, LISTS
from assay.api.graphql.schema import schema

FILE = Path(assay.api.graphql.__file__).parent / "schema.graphql"
GRAPH = build_schema(FILE.read_text())
PROMISED = {
    "Query": "workflow workflows validateWorkflow execution executions questions schedules "
    "trigger triggers firing firings providers artifacts cacheStats modelStats memories slots "
    "audit",
    "Mutation": "registerWorkflow deleteWorkflow startExecution startExecutions stopExecution "
    "pauseExecution resumeExecution retryExecution forkExecution answerQuestion sendEvent "
    "setScheduleEnabled setTriggerEnabled createTrigger deleteTrigger fireTrigger replayFiring "
    "backfillSchedule createApiKey revokeApiKey invalidateCache recordFeedback forgetMemory",
    "Subscription": "executionEvents events",
}


def test_the_file_of_the_schema_is_current() -> None:
    assert FILE.read_text() == schema.as_str() + "\n", (
        "run: python -m assay.api.graphql.schema > api/graphql/schema.graphql"
    )


@pytest.mark.parametrize("root", PROMISED)
def test_what_can_be_asked_has_the_names_that_were_promised(root: str) -> None:
    there = GRAPH.get_type(root)
    assert isinstance(there, GraphQLObjectType)
    assert set(there.fields) == set(PROMISED[root].split())


def test_everything_says_what_it_is() -> None:
    mute: list[str] = []
    for name, kind in GRAPH.type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        mute += [name] if not kind.description else []
        mute += [f"{name}.{part}" for part in _mute_parts(kind)]
    assert mute == []


def test_every_field_of_many_items_is_weighed_as_such() -> None:
    """Or else a query could ask for a hundred times what it costs."""
    weighed = set(LISTS) | {"edges", "nodes"}
    short = {"problems", "warnings", "votes"}  # of one definition, or of one question
    many: set[str] = set()
    for name, kind in GRAPH.type_map.items():
        if name.startswith("__") or not isinstance(kind, GraphQLObjectType):
            continue
        for field_name, field in kind.fields.items():
            inner = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
            named = get_named_type(field.type)
            composite = isinstance(
                named, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
            )
            if named.name.endswith("Connection") or (isinstance(inner, GraphQLList) and composite):
                many.add(field_name)
    assert many - weighed == short
    assert set(HEAVY) <= {f for t in GRAPH.type_map.values() for f in getattr(t, "fields", {})}


def _mute_parts(kind: GraphQLNamedType) -> list[str]:
    if isinstance(kind, GraphQLEnumType):
        return [name for name, value in kind.values.items() if not value.description]
    if isinstance(kind, GraphQLInputObjectType):
        return [name for name, given in kind.fields.items() if not given.description]
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        return []
    mute = [name for name, field in kind.fields.items() if not field.description]
    return mute + [
        f"{name}({argument})"
        for name, field in kind.fields.items()
        for argument, given in field.args.items()
        if not given.description
    ]
