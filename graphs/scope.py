"""What an expression can see: names to values, at one place of one execution."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ExpressionError
from .expressions import ABSENT

MEMBERS = ("status", "output", "outputs", "artifacts", "error", "attempts")
"""What every step can be asked for; anything else is an output or a field of `output`."""

SCOPE_NAMES = frozenset(
    {"inputs", "context", "env", "steps", "item", "index", "iteration", "output", "error"}
)
"""Names that are ours: a step of such a name is read as `steps.<id>`."""

NOT_RUN: Mapping[str, Any] = {
    "status": "skipped",
    "output": None,
    "outputs": {},
    "artifacts": {},
    "error": None,
    "attempts": 0,
}
"""How a step reads that did not run."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The values behind the names. `results` are states of steps by id; `local` are
    `item index iteration output error` where they exist; `mutable` beats `readonly`."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    readonly: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)

    def at(self, results: Mapping[str, Mapping[str, Any]], context: Mapping[str, Any]) -> Scope:
        """The same scope a step further."""
        return Scope(self.inputs, self.env, self.readonly, context, results, self.local)

    def extended(
        self,
        *,
        results: Mapping[str, Mapping[str, Any]] | None = None,
        context: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
    ) -> Scope:
        """The same scope with more in it."""
        return Scope(
            self.inputs,
            self.env,
            self.readonly,
            {**self.context, **context} if context else self.context,
            ChainMap(dict(results), dict(self.results)) if results else self.results,
            {**self.local, **local} if local else self.local,
        )

    def resolve(self, path: tuple[str, ...]) -> Any:
        """The value that a reference leads to, or `ABSENT`."""
        root, *rest = path
        match root:
            case "inputs":
                return _walk(self.inputs, rest)
            case "env":
                return self.env.get(rest[0], "") if len(rest) == 1 else ABSENT
            case "context":
                if not rest:
                    return {**self.readonly, **self.context}
                home = self.context if rest[0] in self.context else self.readonly
                return _walk(home, rest)
            case "steps":
                return self._step(rest[0], rest[1:]) if rest else ABSENT
        if root in self.local:
            return _walk(self.local[root], rest)
        if root in SCOPE_NAMES:
            return ABSENT
        return self._step(root, rest)

    def _step(self, id: str, rest: list[str]) -> Any:
        state = self.results.get(id, NOT_RUN)
        if not rest:
            return {member: state[member] for member in MEMBERS}
        member = rest[0]
        if member in MEMBERS:
            if member == "output" and state["status"] == "skipped":
                return ABSENT
            return _walk(state[member], rest[1:])
        if member in state["outputs"]:
            return _walk(state["outputs"][member], rest[1:])
        output = state["output"]
        return _walk(output, rest) if isinstance(output, Mapping) else ABSENT


def _walk(value: Any, keys: list[str]) -> Any:
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def missing(path: tuple[str, ...]) -> ExpressionError:
    """The error for a reference that leads nowhere."""
    text = ".".join(path)
    return ExpressionError(
        f"`{text}` is not there; test `status` first, or write `{path[0]}.?{'.'.join(path[1:])}`"
    )
