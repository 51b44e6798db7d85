"""How much one operation may ask for: bounded before anything of it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.language.ast import OperationType
from graphql.validation import MaxIntrospectionDepthRule
from strawberry.extensions import SchemaExtension

from ..control import MOST
from .loaders import FILES, FIRINGS, OPEN_QUESTIONS, TRIGGERS
from .pages import FIRST

TOKENS = 2_000
DEPTH = 15
ALIASES = 30
COST = 10_000
DIGITS = 400
BATCH = 50
"""Executions that are started at once."""

SECONDS = 30.0
"""How long a query or a mutation may take."""

LISTS = {
    **dict.fromkeys(("workflows", "executions", "steps", "artifacts", "audit", "memories"), FIRST),
    "events": FIRST,
    "questions": OPEN_QUESTIONS,
    "files": FILES,
    "slots": FIRST,
    "triggers": TRIGGERS,
    "schedules": FIRST,
    "firings": FIRINGS,
    "startExecutions": 1,
    "providers": 1,
    "modelStats": FIRST,
}
"""Fields of many items, and how many there are taken to be without `first`."""

HEAVY = {
    "steps": 10,
    "currentStep": 10,
    "events": 5,
    "document": 5,
    "schedules": 100,
    "cacheStats": 10,
    "modelStats": 10,
}
"""What fields cost that read something for each item."""

CHANGE = 10
"""What a mutation costs."""

_ENDLESS = 10**9


@dataclass(frozen=True, slots=True)
class Weight:
    """Of a selection: how deep, how many aliases, what it costs."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0

    def beside(self, other: Weight) -> Weight:
        return Weight(
            max(self.depth, other.depth),
            min(self.aliases + other.aliases, _ENDLESS),
            min(self.cost + other.cost, _ENDLESS),
        )


class Limits(SchemaExtension):
    """Refuses what asks for too much, with the number that is too high and the bound."""

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context
        context.parse_options["max_tokens"] = TOKENS
        context.validation_rules = (*context.validation_rules, MaxIntrospectionDepthRule)
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        assert document is not None, "what is validated has been parsed"
        named = context._provided_operation_name is not None
        if refusal := _ambiguous(document, named) or refused(document, context.variables or {}):
            context.pre_execution_errors = [refusal]
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        if self.execution_context.operation_type.value == "subscription":
            yield
            return
        async with asyncio.timeout(SECONDS):
            yield


def _ambiguous(document: DocumentNode, named: bool) -> GraphQLError | None:
    """Strawberry would execute the first of several operations; nobody asked for that one."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if named or len(operations) == 1:
        return None
    return GraphQLError("The document has several operations; name one as `operationName`.")


def refused(document: DocumentNode, variables: Mapping[str, Any]) -> GraphQLError | None:
    """Why a document is not executed, if it asks for too much."""
    weight = _Scale(document, variables).weigh()
    for what, found, most in (
        ("depth", weight.depth, DEPTH),
        ("aliases", weight.aliases, ALIASES),
        ("cost", weight.cost, COST),
        ("digits", _digits(document), DIGITS),
    ):
        if found > most:
            return GraphQLError(
                f"The operation's {what} is {found:,}, and {most:,} at most; ask for less at once.",
                extensions={"code": "too_much", "limit": what, "found": found, "most": most},
            )
    return None


def _digits(document: DocumentNode) -> int:
    """Of the longest number that is written out; Python itself refuses to read some."""
    numbers = _Numbers()
    visit(document, numbers)
    return numbers.longest


class _Numbers(Visitor):
    longest = 0

    def enter_int_value(self, node: IntValueNode | FloatValueNode, *_: object) -> None:
        self.longest = max(self.longest, len(node.value))

    enter_float_value = enter_int_value


class _Scale:
    """Weighs a document in time that grows with its size: each fragment is weighed once."""

    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._variables = dict(variables)
        self._fragments: dict[str, FragmentDefinitionNode] = {}
        self._weighed: dict[str, Weight] = {}
        self._operations: list[OperationDefinitionNode] = []
        for node in document.definitions:
            if isinstance(node, FragmentDefinitionNode):
                self._fragments[node.name.value] = node
            elif isinstance(node, OperationDefinitionNode):
                self._operations.append(node)

    def weigh(self) -> Weight:
        """All operations of the document together, and what no operation spreads."""
        weight = Weight()
        for operation in self._operations:
            for variable in operation.variable_definitions or ():
                if isinstance(variable.default_value, IntValueNode):
                    name = variable.variable.name.value
                    self._variables.setdefault(name, int(variable.default_value.value[:10]))
            weight = weight.beside(self._selection(operation.selection_set))
            if operation.operation is OperationType.MUTATION:
                changes = CHANGE * len(operation.selection_set.selections)
                weight = weight.beside(Weight(cost=changes))
        return weight

    def _selection(self, selection: SelectionSetNode | None) -> Weight:
        weight = Weight()
        for node in () if selection is None else selection.selections:
            if isinstance(node, FieldNode):
                weight = weight.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                weight = weight.beside(self._selection(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                weight = weight.beside(self._fragment(node.name.value))
        return weight

    def _field(self, node: FieldNode) -> Weight:
        name = node.name.value
        inside = self._selection(node.selection_set)
        cost = HEAVY.get(name, 1) + self._items(node) * inside.cost
        return Weight(inside.depth + 1, inside.aliases + (node.alias is not None), cost)

    def _fragment(self, name: str) -> Weight:
        if name not in self._weighed:
            self._weighed[name] = Weight()  # what spreads itself is refused by validation
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._weighed[name] = self._selection(fragment.selection_set)
        return self._weighed[name]

    def _items(self, node: FieldNode) -> int:
        usual = LISTS.get(node.name.value)
        if usual is None:
            return 1
        for argument in node.arguments or ():
            value = argument.value
            if argument.name.value != "first":
                continue
            if isinstance(value, IntValueNode):
                return _within(int(value.value[:10]))
            if isinstance(value, VariableNode):
                return _within(self._variables.get(value.name.value, usual))
        return usual


def _within(asked: Any) -> int:
    """More than a page holds is refused when it is read."""
    return max(1, min(asked, MOST)) if isinstance(asked, int) else MOST
