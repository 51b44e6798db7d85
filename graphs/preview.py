"""What would run, and what it may touch, read off a program before anything runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .binding import BoundField, BoundStep, Filled, Formula
from .errors import AssayError
from .expressions import text_of
from .program import Program
from .scope import Scope
from .starts import Start, starts
from .step import Family, Retry
from .units import format_duration
from .validation import prerequisites

FamilyOf = Callable[[BoundStep], Family]


@dataclass(frozen=True, slots=True)
class StepPreview:
    """One step. `touches` are (what, which) pairs such as ("host", "api.example.com").

    `terms` say under which conditions it runs: retries, time limits, cache, order. `branches`
    are its inner lists by name.
    """

    path: str
    kind: str
    family: str
    title: str
    touches: Sequence[tuple[str, str]] = ()
    terms: Sequence[str] = ()
    branches: Mapping[str, Sequence[StepPreview]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """A whole workflow. `inputs` are given values, or None where none were given."""

    workflow: str
    version: str
    digest: str
    description: str | None
    inputs: Mapping[str, Any]
    outputs: Mapping[str, str]
    env: Sequence[str]
    triggers: Sequence[Start]
    steps: Sequence[StepPreview]
    warnings: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON; each step's touches are lists of texts by what is touched."""
        data = asdict(self)
        data["steps"] = [_as_dict(step) for step in self.steps]
        return data


def preview(
    program: Program,
    family: FamilyOf,
    *,
    inputs: Mapping[str, Any] | None = None,
    default_model: str | None = None,
) -> Preview:
    """What an execution of the program would be; `inputs` are accepted ones.

    `default_model` is what agentic steps use that name no model.
    """
    workflow = program.workflow
    looking = _Looking(family, inputs, default_model)
    declared = {
        name: {"type": d.type, "required": d.required, "default": d.default}
        for name, d in workflow.inputs.items()
    }
    for name, value in (inputs or {}).items():
        declared[name]["value"] = value
    return Preview(
        workflow.name,
        workflow.version,
        workflow.digest,
        workflow.description,
        declared,
        {name: output.type for name, output in workflow.outputs.items()},
        sorted(program.env),
        starts(program, time.time()),
        looking.steps(program.steps, ""),
        [str(problem) for problem in program.warnings],
    )


def direct(before: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    """Of what each step waits for, only what it does not wait for through another, in order."""
    order = {id: index for index, id in enumerate(before)}
    closed: dict[str, frozenset[str]] = {}

    def closure(id: str) -> frozenset[str]:
        if id not in closed:
            closed[id] = before[id].union(*(closure(b) for b in before[id]))
        return closed[id]

    return {
        id: sorted(
            (b for b in waits if not any(b in closure(other) for other in waits)),
            key=order.__getitem__,
        )
        for id, waits in before.items()
    }


class _Looking:
    """Looks at steps with what is known before they run: the inputs, if they were given."""

    def __init__(
        self, family: FamilyOf, inputs: Mapping[str, Any] | None, default_model: str | None
    ) -> None:
        self._family = family
        self._scope = None if inputs is None else Scope(inputs=inputs)
        self._default_model = default_model

    def steps(self, steps: Sequence[BoundStep], prefix: str) -> list[StepPreview]:
        after: Mapping[str, Sequence[str]] = {}
        if any(s.step.needs is not None for s in steps):
            after = direct(prerequisites(steps))
        return [self._step(bound, prefix, after.get(bound.id)) for bound in steps]

    def _step(self, bound: BoundStep, prefix: str, after: Sequence[str] | None) -> StepPreview:
        path = f"{prefix}{bound.id}"
        family = self._family(bound)
        return StepPreview(
            path,
            bound.kind,
            family.value,
            bound.step.name or "",
            [*self._touches(bound), *self._files(bound)],
            [*_order(after), *_terms(bound, family)],
            {
                "/".join(way): self.steps(steps, _within(bound, path, way))
                for way, steps in bound.blocks.items()
            },
        )

    def _touches(self, bound: BoundStep) -> Iterator[tuple[str, str]]:
        step: Any = bound.step
        match bound.kind:
            case "shell":
                yield "command", step.command
                if step.cwd is not None:
                    yield "folder", self._text(bound, step.cwd, "cwd")
                for name in step.env or ():
                    yield "sets", name
            case "http":
                url = self._text(bound, step.url, "url")
                yield "request", f"{step.method} {url}"
                yield "host", _host(url)
            case "agent" | "claude_code" | "decide":
                yield from self._agentic(step)
            case "skill" | "python" | "graph" | "workflow":
                named = "function" if bound.kind == "python" else bound.kind
                yield named, getattr(step, named)
                if isinstance(step.inputs, dict):
                    yield from self._named(bound, step.inputs)
            case "assert" | "conditional":
                yield "condition", step.condition
            case "switch":
                yield "value", step.value
            case "loop":
                yield ("while", step.while_) if step.while_ is not None else ("until", step.until)
            case "foreach":
                yield "items", step.items
            case "set":
                yield "context", ", ".join(step.values)
            case "emit":
                yield "event", step.event
            case "sleep":
                until = step.duration is None
                yield "until" if until else "duration", step.until if until else step.duration
            case "approval":
                yield "asks", self._text(bound, step.message, "message")
                yield "people", ", ".join(step.approvers or ("everyone",))
            case "wait_event":
                yield "waits for", step.event
                if step.key is not None:
                    yield "key", self._text(bound, str(step.key), "key")

    def _agentic(self, step: Any) -> Iterator[tuple[str, str]]:
        if getattr(step, "agent", None):
            yield "agent", step.agent
        if step.prompt:
            first, *more = step.prompt.strip().splitlines()
            yield "prompt", f"{first} …" if more else first
        model = step.model or self._default_model
        if model:
            named = model if isinstance(model, str) else ", ".join(model)
            yield "model", named if step.model else f"{named} (the default)"
        if step.kind == "decide":
            yield "options", ", ".join(step.options)
            return
        if step.runtime == "cli" or step.cli:
            own = getattr(step.cli, "command", None)
            yield "program", " ".join(own) if own else step.cli or "claude"
        bounds = step.guardrails
        offered = step.tools
        if bounds is not None and bounds.allowed_tools is not None:
            allowed = bounds.allowed_tools
            offered = allowed if offered is None else [t for t in offered if t in allowed]
        yield "tools", "the agent's own" if offered is None else ", ".join(offered) or "none"
        if step.security_profile:
            yield "profile", step.security_profile

    def _named(self, bound: BoundStep, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Addresses and files that a skill is given under the names that skills use for them."""
        for name, noun in (("url", "host"), ("path", "file")):
            if isinstance(inputs.get(name), str):
                given = self._inside(bound, ("inputs",), name, inputs[name])
                yield noun, _host(given) if name == "url" else given

    def _files(self, bound: BoundStep) -> Iterator[tuple[str, str]]:
        for where in ("outputs", "artifacts"):
            declared = getattr(bound.step, where)
            if isinstance(declared, dict):
                for name, path in declared.items():
                    yield "keeps", f"{self._inside(bound, (where,), name, path)} as {name}"

    def _text(self, bound: BoundStep, written: str, *where: str) -> str:
        """The field as far as the inputs say what it is, else as it is written."""
        return self._known(bound.fields.get(where), written)

    def _inside(self, bound: BoundStep, where: tuple[str, ...], name: str, written: str) -> str:
        entries = getattr(bound.fields.get(where), "entries", {})
        return self._known(entries.get(name), written)

    def _known(self, field: BoundField | None, written: str) -> str:
        if self._scope is None or not isinstance(field, Filled | Formula):
            return written
        pieces = field.pieces if isinstance(field, Filled) else (field,)
        return "".join(p if isinstance(p, str) else self._value(p) for p in pieces)

    def _value(self, formula: Formula) -> str:
        expression = formula.expression
        from_inputs = all(r.path[0] == "inputs" for r in expression.references)
        # A function may read files, or the clock: what it gives is known when the step runs.
        if self._scope is not None and from_inputs and not expression.functions:
            try:
                return text_of(formula.render(self._scope))
            except AssayError:
                pass
        return f"{{{{ {expression.source.strip()} }}}}"


def _within(bound: BoundStep, path: str, way: tuple[str, ...]) -> str:
    """What the paths of the steps in an inner list begin with."""
    if way == ("rollback",):
        return f"{path}/rollback."
    return f"{path}[…]." if bound.step.local else f"{path}."


def _order(after: Sequence[str] | None) -> Iterator[str]:
    """Where it stands in a list that is a graph (None: the list is in order)."""
    if after is not None:
        yield f"after {', '.join(after)}" if after else "at once"


def _terms(bound: BoundStep, family: Family) -> Iterator[str]:
    step: Any = bound.step
    if step.async_:
        yield "goes on beside what follows"
    if step.when is not None:
        yield f"only when {step.when}"
    if bound.kind == "parallel":
        yield {"all": "waits for all", "any": "the first to complete wins"}.get(
            step.wait_for, "nothing waits for it"
        )
    if bound.kind == "loop":
        yield f"at most {step.max_iterations} times"
    if bound.kind == "foreach":
        yield f"{step.concurrency} at once"
    if family is Family.ASSERTION:
        yield _consequence(step)
    yield from _agent_terms(step)
    if family is Family.WAITING:
        yield from _waiting_terms(step)
    elif bound.policy.timeout is not None:
        yield f"at most {format_duration(bound.policy.timeout)} an attempt"
    if bound.policy.retry is not None and bound.policy.retry.attempts > 1:
        yield _retries(bound.policy.retry)
    if bound.policy.strategy != "halt":
        yield {"skip": "a failure is skipped", "rollback": "a failure rolls back"}.get(
            bound.policy.strategy, bound.policy.strategy
        )
    yield from _caching(step)
    if step.effects != "idempotent":
        yield f"effects: {step.effects}"


def _consequence(step: Any) -> str:
    match step.on_false:
        case "repair":
            named = step.repair.step if step.repair and step.repair.step else "the agent before"
            attempts = step.repair.attempts if step.repair else 3
            return f"when false {named} tries again, {attempts} times in total"
        case "stop":
            return "when false the workflow completes"
        case "skip":
            return "when false the rest of the list is skipped"
    return "when false it fails"


def _agent_terms(step: Any) -> Iterator[str]:
    if getattr(step, "guardrails", None) is not None:
        yield f"at most {step.guardrails.max_iterations} turns"
    if getattr(step, "verify", None) is not None:
        checks = len(step.verify.checks)
        noun = "check" if checks == 1 else "checks"
        yield f"verified by {checks} {noun}, {step.verify.attempts} times at most"
    if getattr(step, "output", None) is not None:
        yield "structured answer"


def _waiting_terms(step: Any) -> Iterator[str]:
    if getattr(step, "approvals", 1) > 1:
        yield f"{step.approvals} must say yes"
    if (escalate := getattr(step, "escalate", None)) is not None:
        yield f"{', '.join(escalate.approvers)} too after {format_duration(escalate.after)}"
    if step.timeout is not None:
        ends = {"continue": "goes on", "reject": "is rejected", "approve": "is approved"}
        then = ends.get(getattr(step, "on_timeout", "fail"), "fails")
        yield f"waits {format_duration(step.timeout)} at most, then {then}"
    if getattr(step, "on_reject", "fail") == "continue":
        yield "goes on when rejected"


def _retries(retry: Retry) -> str:
    delay = format_duration(retry.delay)
    return f"{retry.attempts} attempts, {retry.backoff} delay from {delay}"


def _caching(step: Any) -> Iterator[str]:
    cache = step.cache
    if cache is False or step.use_cache is False:
        return
    if cache is None and step.cache_key is None and not step.use_cache:
        return
    key = step.cache_key or getattr(cache, "key", None)
    ttl = getattr(cache, "ttl", None)
    by = f" by {key}" if key else " by its inputs"
    yield f"cached{by}" + (f" for {format_duration(ttl)}" if ttl is not None else "")


def _host(url: str) -> str:
    """The host of an address; all of it when a template stands before or in the host."""
    scheme, separator, rest = url.partition("://")
    if not separator or "{{" in scheme or "{{" in rest.partition("/")[0]:
        return url
    return urlsplit(f"{scheme}://{rest.partition('/')[0]}").netloc.rpartition("@")[2] or url


def _as_dict(step: StepPreview) -> dict[str, Any]:
    touches: dict[str, list[str]] = {}
    for what, which in step.touches:
        touches.setdefault(what, []).append(which)
    data = {
        "path": step.path,
        "kind": step.kind,
        "family": step.family,
        "title": step.title,
        "touches": touches,
        "terms": list(step.terms),
    }
    if step.branches:
        data["branches"] = {
            name: [_as_dict(inner) for inner in steps] for name, steps in step.branches.items()
        }
    return data
