"""`validate plan graph schema`: what can be said of a definition without running it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agents import agent_names, tool_names
from ...graphs.errors import InvalidSpec, Position, Problem, WorkflowNotFound
from ...graphs.expressions import default_engine
from ...graphs.language import Language
from ...graphs.load import Loader
from ...graphs.ports import StepKind
from ...graphs.registry import Registry
from ...graphs.rules import Catalogue
from ...graphs.skills import skills
from ...graphs.starts import Start, starts
from ...graphs.steps import kinds
from ..triggering import trigger_kinds
from .exits import INVALID, OK
from .output import Output
from .text import one_line, plural

if TYPE_CHECKING:
    from ...graphs.binding import BoundStep
    from ...graphs.program import Program
    from ...graphs.step import Family
    from ...graphs.trigger import BoundTrigger
    from ...graphs.workflow import Workflow


class Reader:
    """Reads definitions without a store and without LangGraph."""

    def __init__(self) -> None:
        self._kinds: Registry[StepKind] = kinds()
        self.language = Language(self._kinds, trigger_kinds)
        self.skills = skills()
        self.agents = agent_names()
        self.tools = tool_names()
        catalogue = Catalogue(
            self.skills,
            Registry("function", {}, group="assay.functions"),
            Registry("graph", {}, group="assay.graphs"),
            self.agents,
            self.tools,
        )
        self._loader = Loader(self.language, default_engine, catalogue)

    def program(self, file: str) -> Program:
        """Raises `InvalidSpec`, or `WorkflowNotFound` without a file."""
        return self._loader.file(Path(file))

    def mapping(self, document: Mapping[str, Any]) -> Program:
        """Raises `InvalidSpec`."""
        return self._loader.mapping(document)

    def trigger(self, document: Mapping[str, Any], id: str, workflow: Workflow) -> BoundTrigger:
        """One apart from a definition. Raises `InvalidSpec`."""
        return self._loader.trigger(document, id, workflow)

    def family(self, bound: BoundStep) -> Family:
        return self._kinds.get(bound.kind).family


def validate(files: Sequence[str], *, json: bool, strict: bool) -> int:
    """Every problem and warning of every file; one that cannot be read is a problem."""
    reader, out = Reader(), Output()
    checked = [_check(reader, file, strict) for file in files]
    if json:
        out.json([_as_json(*result) for result in checked])
    else:
        for file, problems, valid, triggers in checked:
            for problem in problems:
                out.line(str(problem))
            out.line(f"{file}: {_verdict(problems, valid)}")
            for start in triggers:
                out.line(f"  {one_line(str(start))}")
    return OK if all(valid for _, _, valid, _ in checked) else INVALID


_Checked = tuple[str, tuple[Problem, ...], bool, Sequence[Start]]


def _check(reader: Reader, file: str, strict: bool) -> _Checked:
    try:
        program = reader.program(file)
    except InvalidSpec as error:
        return file, error.problems, False, ()
    except WorkflowNotFound as error:
        return file, (Problem(file, Position(1, 1), error.message),), False, ()
    problems = program.warnings
    return file, problems, not (strict and problems), starts(program, time.time())


def _verdict(problems: Sequence[Problem], valid: bool) -> str:
    errors = sum(not p.warning for p in problems)
    warnings = len(problems) - errors
    counted = [plural(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    return ", ".join(["valid" if valid else "not valid", *counted])


def _as_json(
    file: str, problems: Sequence[Problem], valid: bool, triggers: Sequence[Start]
) -> dict[str, Any]:
    return {
        "file": file,
        "valid": valid,
        "triggers": [asdict(start) for start in triggers],
        "problems": [
            {
                "line": p.position.line,
                "column": p.position.column,
                "path": list(p.path),
                "message": p.message,
                "warning": p.warning,
            }
            for p in problems
        ],
    }


def plan(file: str, pairs: Sequence[str], inputs_file: str | None, *, json: bool) -> int:
    """What an execution would do and what it may touch; with inputs, checked as a start would.

    Without any input given, required ones may be absent.
    """
    from ...graphs.inputs import accept_inputs
    from ...graphs.picture import plan_text
    from ...graphs.preview import preview
    from ..settings import read_settings
    from .given import inputs_from

    reader, out = Reader(), Output()
    program = reader.program(file)
    given = None
    if pairs or inputs_file is not None:
        given = accept_inputs(program.workflow, inputs_from(program.workflow, pairs, inputs_file))
    model = read_settings().environ.get("ASSAY_MODEL") or "demo"
    found = preview(program, reader.family, inputs=given, default_model=model)
    if json:
        out.json(found.to_dict())
    else:
        for line in plan_text(found):
            out.line(line)
    return OK


def graph(file: str, *, mermaid: bool, fuse: bool) -> int:
    """The graph that would run, as a picture."""
    from ...graphs.picture import graph_mermaid, graph_text
    from ...graphs.plan import plan as plan_of

    reader = Reader()
    block = plan_of(reader.program(file), reader.family, fuse=fuse)
    lines = graph_mermaid(block, reader.family) if mermaid else graph_text(block)
    out = Output()
    for line in lines:
        out.line(line)
    return OK


def schema() -> int:
    """The JSON Schema of definitions."""
    Output().json(Reader().language.schema())
    return OK
