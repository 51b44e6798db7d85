"""What goes into a workflow and what comes out of it, checked against its declaration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from .errors import InvalidInput, OutputMissing
from .execution import Status
from .program import Program
from .registry import nearest
from .workflow import Input, Workflow

if TYPE_CHECKING:
    from .journal import Journal
    from .run import Outcome
    from .scope import Scope

_LARGEST = 2**63 - 1


def accept_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with defaults filled in; raises `InvalidInput` naming every fault."""
    faults = [
        f"there is no input {name!r}{nearest(name, workflow.inputs)}"
        for name in given
        if name not in workflow.inputs
    ]
    accepted: dict[str, Any] = {}
    for name, declared in workflow.inputs.items():
        if name in given and given[name] is not None:
            if why := fault(given[name], declared.type):
                faults.append(f"input {name!r} must be {NOUNS[declared.type]}; {why}")
            accepted[name] = given[name]
        elif declared.default is None and declared.required:
            about = f" ({declared.description})" if declared.description else ""
            faults.append(f"input {name!r}{about} is required; give it with -i {name}=…")
        else:
            accepted[name] = declared.default
    if faults:
        raise InvalidInput(f"workflow {workflow.name!r}: " + "; ".join(faults))
    return accepted


def input_from_text(declared: Input, text: str) -> Any:
    """An input typed on a command line, as the declared type wants it.

    Text that does not fit is handed on as it is: `accept_inputs` says what is wrong with it.
    """
    if declared.type == "string":
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value


NOUNS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "artifact": "a file that a step kept",
    "any": "anything",
}


def fault(value: Any, type: str) -> str | None:
    """What keeps a value from having the declared type, or None."""
    try:
        shown = orjson.dumps(value).decode()
    except TypeError as error:
        return f"JSON cannot hold it: {error}"
    if not _fits(value, type):
        return f"{shown[:60]} is not"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "it is larger than 64 bits"
    return None


def _fits(value: Any, type: str) -> bool:
    match type:
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, Mapping)
        case "artifact":
            return isinstance(value, Mapping) and "sha256" in value
    return True


def declared_outputs(
    program: Program, scope: Scope, outcome: Outcome, journal: Journal, prefix: str
) -> dict[str, Any]:
    """The workflow's outputs; raises `ExpressionError`, or `OutputMissing` for a wrong type.

    One without `value` is the last completed step's output of that name, else null.
    """
    seen = scope.extended(results=outcome.results, context=outcome.writes)
    outputs: dict[str, Any] = {}
    for name, declared in program.workflow.outputs.items():
        bound = program.outputs.get(name)
        value = bound.render(seen) if bound else _latest(name, journal, prefix)
        if value is not None and not _fits(value, declared.type):
            raise OutputMissing(
                f"the workflow's output {name!r} must be {NOUNS[declared.type]}, "
                f"but is {orjson.dumps(value).decode()[:60]}"
            )
        outputs[name] = value
    return outputs


def _latest(name: str, journal: Journal, prefix: str) -> Any:
    value = None
    for result in sorted(journal.results.values(), key=lambda r: r.seq):
        if result.status is Status.COMPLETED and result.path.startswith(prefix):
            if name in result.outputs:
                value = result.outputs[name]
            elif isinstance(result.output, Mapping) and name in result.output:
                value = result.output[name]
    return value
