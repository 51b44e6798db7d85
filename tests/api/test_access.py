"""Who may do what: the table of roles, scopes, and what is as if it were not there."""

from __future__ import annotations

import pytest
from tests.api.roles import LOWEST, ORDER, O

from assay.api.access import WHOLE, Operation, Role, covers, decide
from assay.graphs.stored import Principal


def somebody(role: str, *scopes: str) -> Principal:
    return Principal("p", "somebody", role, scopes)


def test_the_table_names_every_operation_once() -> None:
    named = [operation for operations in LOWEST.values() for operation in operations]
    assert sorted(named) == sorted(Operation)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("operation", list(Operation))
def test_a_role_may_what_its_row_and_those_above_say(role: Role, operation: Operation) -> None:
    may = {o for lower in ORDER[: ORDER.index(role) + 1] for o in LOWEST[lower]}
    decision = decide(somebody(role), operation, "w")
    assert bool(decision) == (operation in may)
    assert operation in decision.rule
    assert role in decision.rule


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("role", ["", "root", "ADMIN"])
def test_a_role_that_is_none_may_nothing(role: str, operation: Operation) -> None:
    assert not decide(somebody(role), operation, "w")


@pytest.mark.parametrize("operation", sorted(set(Operation) - WHOLE))
def test_a_scope_covers_the_workflows_it_matches_and_no_other(operation: Operation) -> None:
    admin = somebody(Role.ADMIN, "team-*", "shared")
    assert decide(admin, operation, "team-a")
    assert decide(admin, operation, "shared")
    assert not decide(admin, operation, "other")
    assert not decide(admin, operation, "Team-a")


@pytest.mark.parametrize("operation", sorted(WHOLE))
def test_what_concerns_every_workflow_is_not_for_who_has_scopes(operation: Operation) -> None:
    assert decide(somebody(Role.ADMIN), operation)
    assert not decide(somebody(Role.ADMIN, "*"), operation)


def test_what_no_scope_covers_is_not_there() -> None:
    assert covers(somebody(Role.VIEWER), "w")
    assert covers(somebody(Role.VIEWER, "w*"), "w")
    assert not covers(somebody(Role.VIEWER, "v*"), "w")


def test_changes_are_audited_and_looks_are_not() -> None:
    changes = LOWEST[Role.OPERATOR] | LOWEST[Role.EDITOR] | {O.CREATE_KEY, O.REVOKE_KEY}
    assert {operation for operation in Operation if operation.changes} == changes
