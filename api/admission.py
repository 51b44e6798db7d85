"""What a definition may not be when it comes from elsewhere: a way to the server's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from ..graphs.document import read, read_value
from ..graphs.errors import InvalidSpec, Position, Problem
from ..graphs.launching import Source
from ..graphs.load import SUFFIXES
from ..graphs.policy import every_step
from ..graphs.steps.nested import WorkflowStep

if TYPE_CHECKING:
    from ..graphs.document import Document
    from ..graphs.program import Program

Way = tuple[str | int, ...]


def admit(program: Program, definition: Source | Mapping[str, Any]) -> None:
    """Raises `InvalidSpec` when a `workflow` step names a file, which would be the server's."""
    files = {name for name in called(program) if PurePath(name).suffix in SUFFIXES}
    if not files:
        return
    if isinstance(definition, Source):
        written: Literal["json", "yaml"] = "json" if definition.json else "yaml"
        document = read(definition.text, "workflow", format=written)
    else:
        document = read_value(definition, "workflow")
    raise InvalidSpec([_problem(document, file) for file in sorted(files)])


def called(program: Program) -> list[str]:
    """What its `workflow` steps run: the names of other workflows."""
    steps = every_step(program.workflow.steps)
    return [step.workflow for step in steps if isinstance(step, WorkflowStep)]


def displaces(program: Program) -> str:
    """Why it is not for whoever may not see every workflow: it could stop executions of any."""
    wanted = program.workflow.concurrency
    if wanted is None or wanted.key is None or wanted.overflow != "replace":
        return ""
    return (
        "`overflow: replace` with a `key` stops executions of whichever workflow has that key, "
        "and this key covers some of them: leave out the `key`"
    )


def _problem(document: Document, file: str) -> Problem:
    way = next(_ways(document.value, file, ()), None)
    position = Position(1, 1) if way is None else document.position(way)
    message = (
        f"the step runs the file {file!r}, and files of the server are not for those who ask it; "
        "register that workflow, then name it"
    )
    return Problem("workflow", position, message, way or ())


def _ways(value: Any, file: str, way: Way) -> Iterator[Way]:
    """The ways to every `workflow: FILE` in a document."""
    if isinstance(value, Mapping):
        if value.get("workflow") == file:
            yield (*way, "workflow")
        for name, each in value.items():
            yield from _ways(each, file, (*way, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _ways(each, file, (*way, index))
