"""Rules that concern more than one field: each broken one is a problem with its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import first_line, validator
from .document import Document
from .errors import Problem
from .fields import Where, placed_steps
from .inputs import NOUNS, fault
from .memory import FACT_TOOLS
from .policy import every_step
from .ports import StepKind
from .registry import Registry, nearest
from .step import Family, OnError, Step
from .workflow import Workflow

_WORKING = frozenset({Family.DETERMINISTIC, Family.AGENTIC})

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Broken = tuple[Where, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is registered under a name, as far as it is known when a definition is loaded."""

    skills: Collection[str] = field(default_factory=frozenset)
    functions: Collection[str] = field(default_factory=frozenset)
    graphs: Collection[str] = field(default_factory=frozenset)
    agents: Collection[str] = field(default_factory=frozenset)
    tools: Collection[str] = field(default_factory=frozenset)


def broken_rules(
    workflow: Workflow, document: Document, kinds: Registry[StepKind]
) -> Iterator[Problem]:
    """Every problem of a workflow whose form is right."""
    found = [*_of_workflow(workflow)]
    for where, step in placed_steps(workflow.steps, ("steps",)):
        family = kinds.get(step.kind).family
        found += [((*where, *way), why) for way, why in _of_step(step, family, workflow)]
    for where, steps, beside in _lists(workflow.steps, ("steps",)):
        found += [((*where, *way), why) for way, why in _of_list(steps, kinds, beside)]
    for where, message in found:
        yield Problem(document.name, document.position(where), message, where)


def _of_workflow(workflow: Workflow) -> Iterator[Broken]:
    handling = workflow.error_handling
    for where, on_error in (
        (("error_handling", "default"), handling.default),
        (("defaults", "on_error"), workflow.defaults.on_error),
        *((("error_handling", "per_step", id), o) for id, o in handling.per_step.items()),
    ):
        for way, message in _beside_strategy(on_error) if on_error is not None else ():
            yield (*where, *way), message
    waits = {step.id for step in every_step(workflow.steps) if step.kind in _WAITS}
    for id in waits & handling.per_step.keys():
        if handling.per_step[id].strategy == "retry":
            yield ("error_handling", "per_step", id), _NOTHING_AGAIN
    for name in workflow.context.readonly.keys() & workflow.context.mutable.keys():
        yield (
            ("context", "mutable", name),
            f"{name!r} is in `readonly` as well; a context value has one home",
        )
    for name, declared in workflow.inputs.items():
        if declared.default is not None and (why := fault(declared.default, declared.type)):
            noun = NOUNS[declared.type]
            yield ("inputs", name, "default"), f"the default of {name!r} must be {noun}; {why}"


_WAITS = frozenset({"sleep", "approval", "wait_event"})

_NO_INPUTS = _WAITS | {
    *("http", "set", "emit", "assert", "parallel", "conditional", "switch", "loop", "foreach")
}


def _of_step(step: Step, family: Family, workflow: Workflow) -> Iterator[Broken]:
    given: Any = step
    if step.inputs is not None and step.kind in _NO_INPUTS:
        yield ("inputs",), f"a {step.kind!r} takes no `inputs`; write the values where it uses them"
    if step.on_error is not None:
        for way, message in _beside_strategy(step.on_error):
            yield ("on_error", *way), message
    if family is Family.CONTROL and step.effects == "once":
        yield (
            ("effects",),
            f"a {step.kind!r} has no effect of its own; say it of the steps inside that have one",
        )
    if family not in _WORKING:
        for name in ("cache", "cache_key", "use_cache", "artifacts"):
            if getattr(given, name) is not None:
                yield (name,), f"`{name}` belongs to steps that do work, not to {step.kind!r}"
        if isinstance(step.outputs, dict):
            yield ("outputs",), f"files are left by steps that do work, not by {step.kind!r}"
    match step.kind:
        case "shell":
            for name in given.env or {}:
                if not _VARIABLE.fullmatch(name):
                    yield (
                        ("env", name),
                        f"{name!r} is no name of a variable; use letters, digits and _",
                    )
        case "set":
            for name in given.values:
                if name not in workflow.context.mutable:
                    yield (
                        ("values", name),
                        f"{name!r} is not declared under `context.mutable`"
                        f"{nearest(name, workflow.context.mutable)}",
                    )
        case "decide":
            if given.fallback is not None and given.fallback not in given.options:
                yield (
                    ("fallback",),
                    f"{given.fallback!r} is not one of the options"
                    f"{nearest(given.fallback, given.options)}",
                )
        case "agent" | "claude_code":
            if given.prompt is None and given.agent is None:
                yield ("type",), "an agentic step needs a `prompt`, or a named `agent`"
            if given.output is not None and (why := _not_a_schema(given.output)):
                yield ("output",), f"this is not a JSON Schema: {why}"
            if given.memory is None:
                for index, tool in enumerate(given.tools or ()):
                    if tool in FACT_TOOLS:
                        yield (
                            ("tools", index),
                            f"{tool!r} needs a `memory`: say whose, by its `key`",
                        )
            if given.cli is not None and given.runtime == "model":
                yield ("cli",), "`cli` is for `runtime: cli`; remove one of the two"
            elif given.cli is not None or given.runtime == "cli":
                for name in ("mcp", "memory"):
                    if getattr(given, name) is not None:
                        yield (name,), f"a command line has its own `{name}`: configure it there"
                for name in ("redact", "max_context"):
                    if getattr(given.guardrails, name, None):
                        yield ("guardrails", name), _ITSELF.format(name)
        case "sleep" | "approval" | "wait_event":
            yield from _of_wait(given)
        case "assert":
            if given.repair is not None and given.on_false != "repair":
                yield ("repair",), "`repair` goes with `on_false: repair`"


_ITSELF = "a program reads for itself: `{}` is for agents on models that Assay asks"

_NOTHING_AGAIN = (
    "a step that waits has nothing to try again: an answer, an event or a deadline is final"
)


def _of_wait(step: Any) -> Iterator[Broken]:
    if step.retry is not None:
        yield ("retry",), _NOTHING_AGAIN
    if step.on_error is not None and step.on_error.strategy == "retry":
        yield ("on_error",), _NOTHING_AGAIN
    if step.effects == "once":
        yield ("effects",), "a step that waits has no effect: asked again, it is the same question"
    if step.resource_limits is not None:
        yield ("resource_limits",), "a step that waits uses nothing that could be limited"
    if step.kind == "sleep":
        if step.timeout is not None:
            yield ("timeout",), "a sleep ends by itself: write `duration` or `until`"
    elif "on_timeout" in step.model_fields_set and step.timeout is None:
        yield ("on_timeout",), "`on_timeout` says what the end of `timeout` means; add `timeout`"
    if step.kind == "approval":
        yield from _of_approval(step)


def _of_approval(step: Any) -> Iterator[Broken]:
    people = set(step.approvers or ())
    if (escalate := step.escalate) is not None:
        people |= set(escalate.approvers)
        if step.approvers is None:
            yield ("escalate",), "without `approvers` everyone may answer from the beginning"
        if step.timeout is not None and escalate.after >= step.timeout:
            yield ("escalate", "after"), "the `timeout` comes first; make this shorter"
    if people and step.approvals > len(people):
        yield ("approvals",), f"{step.approvals} must say yes, and {len(people)} may answer"
    if step.answer_schema is None:
        return
    if why := _not_a_schema(step.answer_schema):
        yield ("schema",), f"this is not a JSON Schema: {why}"
    elif step.on_timeout == "approve" and not validator(step.answer_schema).is_valid(None):
        yield ("on_timeout",), "`approve` gives no value, and `schema` wants one; let it allow null"


def _beside_strategy(on_error: OnError) -> Iterator[Broken]:
    if on_error.strategy != "retry":
        for name in sorted(on_error.model_fields_set - {"strategy"}):
            yield (
                (name,),
                f"`{name}` goes with `strategy: retry`, not with {on_error.strategy!r}; "
                "write it under `retry:`",
            )


def _of_list(steps: Sequence[Step], kinds: Registry[StepKind], beside: bool) -> Iterator[Broken]:
    """Repairs go backwards: to an agentic step before, in a list that runs in order."""
    beside = beside or any(s.needs is not None or s.async_ for s in steps)
    for index, step in enumerate(steps):
        given: Any = step
        if step.kind != "assert" or given.on_false != "repair":
            continue
        if beside:
            message = (
                "`repair` works in lists that run in order: not among branches, `needs`, `async`"
            )
            yield (index, "on_false"), message
            continue
        before = [s.id for s in steps[:index] if kinds.get(s.kind).family is Family.AGENTIC]
        named = given.repair.step if given.repair is not None else None
        if not before:
            yield (index, "on_false"), "there is no agentic step before it in this list to repair"
        elif named is not None and named not in before:
            yield (
                (index, "repair", "step"),
                f"{named!r} is not an agentic step before it in this list{nearest(named, before)}",
            )


def _lists(
    steps: Sequence[Step], where: Where, beside: bool = False
) -> Iterator[tuple[Where, Sequence[Step], bool]]:
    """Every list with its place, and whether its steps run beside each other."""
    yield where, steps, beside
    for index, step in enumerate(steps):
        inner = {**step.blocks(), ("rollback",): step.rollback or ()}
        for way, children in inner.items():
            branches = step.kind == "parallel" and way == ("steps",)
            yield from _lists(children, (*where, index, *way), branches)


def _not_a_schema(schema: dict[str, Any]) -> str | None:
    try:
        validator(schema)
    except ValueError as error:
        return first_line(error)
    return None


_SERVED = "__"
"""What stands in the name of a tool between the server it is of, and its own name."""


def unknown_names(step: Step, catalogue: Catalogue) -> Iterator[Broken]:
    """Names that nobody has registered yet: warnings, since it may still happen."""
    given: Any = step
    named = {
        "skill": ("skill", catalogue.skills),
        "python": ("function", catalogue.functions),
        "graph": ("graph", catalogue.graphs),
        "agent": ("agent", catalogue.agents),
        "claude_code": ("agent", catalogue.agents),
    }
    if step.kind in named:
        noun, known = named[step.kind]
        name = getattr(given, noun)
        if name is not None and name not in known:
            yield (noun,), f"no {noun} is registered as {name!r}{nearest(name, known)}"
    bounds = getattr(given, "guardrails", None)
    for way, tools in (
        (("tools",), getattr(given, "tools", None)),
        (("guardrails", "allowed_tools"), bounds.allowed_tools if bounds else None),
        (("guardrails", "ask_before"), bounds.ask_before if bounds else None),
    ):
        for index, tool in enumerate(tools or ()):
            if tool not in catalogue.tools and _SERVED not in tool:
                yield (
                    (*way, index),
                    f"no tool is called {tool!r}{nearest(tool, catalogue.tools)}",
                )
