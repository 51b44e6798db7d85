"""Cases: what a workflow must come to, in a file beside it, with a model that plays a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..agents.testing.script import Reply, ToolCall
from ..graphs.document import read
from ..graphs.errors import InvalidInput
from ..graphs.execution import Execution
from .workbench import Unanswered, workbench

SUFFIXES = (".yaml", ".yml", ".json")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CalledTool(_Model):
    """One call that a reply asks for."""

    tool: str
    arguments: dict[str, Any] = {}


class Said(_Model):
    """What the model answers to one request."""

    text: str = ""
    value: Any = Field(default=None, alias="json")
    calls: list[CalledTool] = []
    status: Annotated[int, Field(ge=200, le=599)] = 200

    def reply(self) -> Reply:
        if "value" in self.model_fields_set:
            return Reply.of_json(self.value)
        calls = [ToolCall(c.tool, c.arguments) for c in self.calls]
        return Reply(self.text, calls, self.status)


class ExpectedStep(_Model):
    """What a step must have come to; what is not named may be anything."""

    status: str | None = None
    output: Any = None


class Expected(_Model):
    """What an execution must come to; of `outputs` and `steps`, those that are named."""

    status: Literal["completed", "failed", "cancelled"] = "completed"
    error: str | None = None
    outputs: dict[str, Any] = {}
    steps: dict[str, ExpectedStep] = {}

    def differences(self, execution: Execution) -> Iterator[str]:
        """What is otherwise, as sentences."""
        failure = execution.error
        if execution.status != self.status:
            why = f": {failure.path}: {failure.message}" if failure is not None else ""
            yield f"it {execution.status}{why}; it should be {self.status}"
        told = "" if failure is None else failure.message
        if self.error is not None and self.error not in told:
            yield f"its error does not say {self.error!r}, but {told!r}"
        for name, wanted in self.outputs.items():
            if execution.outputs.get(name) != wanted:
                got = execution.outputs.get(name)
                yield f"output {name!r} is {got!r}; it should be {wanted!r}"
        for path, step in self.steps.items():
            found = execution.steps.get(path)
            if found is None:
                yield f"there is no step {path!r}; it did not run"
                continue
            if step.status is not None and found.status != step.status:
                yield f"step {path!r} is {found.status}; it should be {step.status}"
            if "output" in step.model_fields_set and found.output != step.output:
                yield f"step {path!r} gave {found.output!r}; it should give {step.output!r}"


class Case(_Model):
    """`workflow` is a file, from the case's own folder. `model` are its replies, in order."""

    workflow: str
    inputs: dict[str, Any] = {}
    model: list[str | Said] = []
    answers: dict[str, Any] = {}
    files: dict[str, str] = {}
    env: dict[str, str] = {}
    expect: Expected = Expected()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong` is empty when all is as it should be."""

    file: str
    wrong: tuple[str, ...]


def found(paths: list[str]) -> list[Path]:
    """The files of cases that are named, or lie in named folders. Raises `InvalidInput`."""
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(f for f in path.iterdir() if f.suffix in SUFFIXES and f.is_file())
        elif path.is_file():
            files.append(path)
        else:
            raise InvalidInput(f"there is no case {path}; name files of cases, or their folder")
    if not files:
        raise InvalidInput(f"no case lies in {', '.join(paths)}; a case is a file of YAML or JSON")
    return files


def load(file: Path) -> Case:
    """Raises `InvalidInput`, or `InvalidSpec` for what is no YAML."""
    form: Literal["json", "yaml"] = "json" if file.suffix == ".json" else "yaml"
    value = read(file.read_bytes(), str(file), format=form).value
    try:
        return Case.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InvalidInput(f"{file} is no case: {where}: {first['msg']}") from None


async def judge(file: Path, case: Case) -> Verdict:
    """Run a case in a workbench of its own. Raises `InvalidSpec` and the like of the workflow."""
    script = [said if isinstance(said, str) else said.reply() for said in case.model]
    replies = [Reply(said) if isinstance(said, str) else said for said in script]
    async with workbench(replies, environ=case.env) as bench:
        for name, text in case.files.items():
            _inside(bench.workspace, name, file)
            bench.write(name, text)
        try:
            ended = await bench.run(file.parent / case.workflow, case.inputs, answers=case.answers)
        except (Unanswered, TimeoutError) as error:
            return Verdict(str(file), (str(error) or "it did not end in time",))
        wrong = list(case.expect.differences(ended))
        if not wrong and (left := len(replies) - len(bench.models.requests)) > 0:
            wrong.append(f"the model was asked {left} times less than it has replies")
    return Verdict(str(file), tuple(wrong))


def _inside(workspace: Path, name: str, file: Path) -> None:
    if not (workspace / name).resolve().is_relative_to(workspace):
        raise InvalidInput(f"{file}: the file {name!r} lies outside the workspace")


def as_json(verdicts: list[Verdict]) -> list[Mapping[str, Any]]:
    return [{"case": v.file, "passed": not v.wrong, "wrong": list(v.wrong)} for v in verdicts]
