"""YAML, JSON or Python becomes a program: read, validated, bound. All problems at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .document import Document, read, read_value
from .errors import WorkflowNotFound
from .expressions import ExpressionEngine
from .language import Language
from .lint import lint
from .program import Program
from .prompts import with_prompts
from .rules import Catalogue
from .trigger import BoundTrigger
from .triggering import bind_trigger
from .validation import bind
from .workflow import Workflow

SUFFIXES = (".yaml", ".yml", ".json")


class Loader:
    """Loads definitions of one language; `catalogue` is what the linter knows to exist.

    `engine` is called when an expression is met: to bring one up takes longer than most else.
    """

    def __init__(
        self,
        language: Language,
        engine: Callable[[], ExpressionEngine],
        catalogue: Catalogue,
    ) -> None:
        self._catalogue = catalogue
        self._language = language
        self._engine = engine

    def file(self, path: Path) -> Program:
        """A definition in a file; raises `InvalidSpec`, or `WorkflowNotFound` without a file."""
        if path.suffix not in SUFFIXES:
            raise WorkflowNotFound(f"{path} is not a definition: its name ends in .yaml or .json")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise WorkflowNotFound(
                f"the definition {path} cannot be read: {error.strerror}; check the path"
            ) from error
        document = read(data, str(path), format="json" if path.suffix == ".json" else "yaml")
        return self._program(with_prompts(document, path.parent))

    def text(self, text: str | bytes, name: str, *, json: bool = False) -> Program:
        """A definition in YAML or JSON; raises `InvalidSpec`."""
        return self._program(read(text, name, format="json" if json else "yaml"))

    def mapping(self, value: Mapping[str, Any], name: str = "workflow") -> Program:
        """A definition made in Python; raises `InvalidSpec`."""
        return self._program(read_value(value, name))

    def pinned(self, value: Mapping[str, Any], name: str) -> Program:
        """A definition that is being executed: too late for warnings, so none are looked for."""
        document = read_value(value, name)
        return bind(self._language.workflow(document), document, self._language.kinds, self._engine)

    def workflow(self, workflow: Workflow) -> Program:
        """A workflow that was loaded before."""
        return self.mapping(workflow.document, workflow.name)

    def trigger(self, value: Mapping[str, Any], id: str, workflow: Workflow) -> BoundTrigger:
        """A trigger that was made apart from the workflow's definition; raises `InvalidSpec`."""
        document = read_value(value, f"trigger {id}".rstrip())
        spec = self._language.trigger(document)
        return bind_trigger(id, spec, workflow, document, self._engine)

    def _program(self, document: Document) -> Program:
        workflow = self._language.workflow(document)
        program = bind(workflow, document, self._language.kinds, self._engine)
        found = lint(program, document, self._language.kinds, self._catalogue)
        warnings = sorted({*program.warnings, *found}, key=lambda p: p.position)
        return replace(program, warnings=tuple(warnings))
