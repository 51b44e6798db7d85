"""What may go wrong with a mutation that its caller can act on, as types of the result."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

import strawberry

from ...graphs import errors
from ..http.problems import status_of

T = TypeVar("T")


@strawberry.interface(description="Why something was not done. Nothing has changed then.")
class Problem:
    code: str = strawberry.field(description="Stable, for programs, as `workflow_not_found`.")
    message: str = strawberry.field(description="What is wrong, where, and what to do.")


@strawberry.type(description="What is named is not there, or no scope of the key covers it.")
class NotFoundProblem(Problem):
    pass


@strawberry.type(description="The role or the scopes of the key do not allow it.")
class NotAuthorizedProblem(Problem):
    pass


@strawberry.type(description="What is given does not fit what is asked for.")
class InvalidInputProblem(Problem):
    pass


@strawberry.type(description="It cannot be done in the state in which things are.")
class ConflictProblem(Problem):
    pass


@strawberry.type(description="One thing that is wrong, or doubtful, in a definition.")
class SpecProblem:
    message: str = strawberry.field(description="What is wrong, and what to do.")
    path: list[str] = strawberry.field(description="The way to it in the document.")
    line: int = strawberry.field(description="Its line in the source, from 1.")
    column: int = strawberry.field(description="Its column in the source, from 1.")
    warning: bool = strawberry.field(description="Doubtful, but it runs.")

    @classmethod
    def of(cls, found: errors.Problem) -> SpecProblem:
        return cls(
            message=found.message,
            path=[str(part) for part in found.path],
            line=found.position.line,
            column=found.position.column,
            warning=found.warning,
        )


@strawberry.type(description="A definition is wrong.")
class InvalidSpecProblem(Problem):
    problems: list[SpecProblem] = strawberry.field(description="Everything wrong, by place.")


AnyProblem = (
    InvalidSpecProblem
    | InvalidInputProblem
    | NotFoundProblem
    | NotAuthorizedProblem
    | ConflictProblem
)

_KINDS: dict[HTTPStatus, type[NotFoundProblem | NotAuthorizedProblem | ConflictProblem]] = {
    HTTPStatus.NOT_FOUND: NotFoundProblem,
    HTTPStatus.FORBIDDEN: NotAuthorizedProblem,
    HTTPStatus.CONFLICT: ConflictProblem,
}


async def attempted(doing: Awaitable[T]) -> T | AnyProblem:
    """What it gives, or why not. Raises what a caller can do nothing about."""
    try:
        return await doing
    except errors.InvalidSpec as error:
        found = [SpecProblem.of(each) for each in error.problems]
        return InvalidSpecProblem(code=error.code, message=error.message, problems=found)
    except errors.AssayError as error:
        status = status_of(error)
        if status is HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidInputProblem(code=error.code, message=error.message)
        if status not in _KINDS:
            raise
        return _KINDS[status](code=error.code, message=error.message)
