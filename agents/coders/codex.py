"""Codex: `codex exec --json`, one JSON object on each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...graphs.execution import Cost
from ..tools import canonical
from .reading import mapping, number, parsed, text
from .signals import Ended, Order, Said, Session, Signal, ToolDone, ToolUsed, Turn

_CHANGING = frozenset({"write_file", "run_command", "run_tests"})

_TOOLS = {
    "command_execution": "command",
    "file_change": "changes",
    "mcp_tool_call": "tool",
    "web_search": "query",
}
"""The kinds of items that are uses of tools, and the field that says what for."""


class Codex:
    """It knows no list of tools: what is allowed becomes the sandbox that it keeps itself in."""

    name = "codex"

    def __init__(self) -> None:
        self._said = ""
        self._spent = Cost()

    def command(self, program: Sequence[str], order: Order) -> tuple[list[str], str | None]:
        changes = _CHANGING.intersection(map(canonical, order.allowed))
        argv = [*program, "exec", "--json", "--skip-git-repo-check"]
        argv += ["--sandbox", "workspace-write" if changes else "read-only"]
        if order.model is not None:
            argv += ["--model", order.model]
        if order.session is not None:
            argv += ["resume", order.session]
        asked = order.prompt if not order.system else f"{order.system}\n\n{order.prompt}"
        return [*argv, "-"], asked

    def withheld(self, tool: str, allowed: Sequence[str]) -> bool:
        return False

    def read(self, line: bytes) -> Iterator[Signal]:
        event = parsed(line)
        item = mapping(event, "item")
        kind = text(item, "type") or text(item, "item_type")
        match event.get("type"):
            case "thread.started":
                yield Session(text(event, "thread_id"))
            case "item.started" if kind in _TOOLS:
                yield _used(item, kind)
            case "item.completed" if kind in _TOOLS:
                if kind == "file_change":  # Changes are told when they are made, not before.
                    yield _used(item, kind)
                yield ToolDone(text(item, "id"), text(item, "status") == "failed")
            case "item.completed" if kind == "agent_message":
                self._said = text(item, "text")
                yield Said(self._said)
            case "turn.completed":
                usage = mapping(event, "usage")
                cost = Cost(number(usage, "input_tokens"), number(usage, "output_tokens"), 1)
                yield Turn(cost, number(usage, "cached_input_tokens"))
                yield Ended(self._said)
            case "turn.failed":
                yield Ended(wrong=text(mapping(event, "error"), "message") or "its turn failed")

    def ended(self) -> Ended | None:
        return None


def _used(item: Mapping[str, Any], kind: str) -> ToolUsed:
    what = _TOOLS[kind]
    return ToolUsed(text(item, "id"), kind, {what: item.get(what)})
