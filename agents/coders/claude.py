"""Claude Code: `claude -p --output-format stream-json`, one JSON object on each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...graphs.execution import Cost
from ..tools import canonical
from .reading import mapping, number, parsed, text
from .signals import Ended, Order, Said, Session, Signal, ToolDone, ToolUsed, Turn

_NATIVE: Mapping[str, Sequence[str]] = {
    "read_file": ("Read",),
    "list_files": ("Glob", "LS"),
    "search_files": ("Grep",),
    "write_file": ("Edit", "MultiEdit", "NotebookEdit", "Write"),
    "run_command": ("Bash",),
    "run_tests": ("Bash(pytest:*)", "Bash(python -m pytest:*)", "Bash(python3 -m pytest:*)"),
    "http_get": ("WebFetch",),
}
"""Its names for what our tools do."""

_REACHING = frozenset(base for names in _NATIVE.values() for base in names if "(" not in base) | {
    "WebSearch"
}
"""Its tools that touch files, programs or the network: refused unless they are allowed."""


def ours(name: str) -> str:
    """Our name for a tool of Claude Code's; any other as it is."""
    base = name.partition("(")[0]
    return next((tool for tool, names in _NATIVE.items() if base in names), canonical(name))


class Claude:
    name = "claude"

    def __init__(self) -> None:
        self._told: set[str] = set()

    def command(self, program: Sequence[str], order: Order) -> tuple[list[str], str | None]:
        argv = [*program, "-p", "--output-format", "stream-json", "--verbose"]
        argv += ["--permission-mode", "default", "--max-turns", str(order.max_turns)]
        allowed = _native(order.allowed)
        if allowed:
            argv += ["--allowedTools", ",".join(allowed)]
        refused = sorted(tool for tool in _REACHING if self.withheld(tool, order.allowed))
        if refused:
            argv += ["--disallowedTools", ",".join(refused)]
        if order.model is not None:
            argv += ["--model", order.model]
        if order.usd is not None:
            argv += ["--max-budget-usd", f"{order.usd:g}"]
        if order.system:
            argv += ["--append-system-prompt", order.system]
        if order.session is not None:
            argv += ["--resume", order.session]
        return argv, order.prompt

    def withheld(self, tool: str, allowed: Sequence[str]) -> bool:
        bases = {name.partition("(")[0] for name in _native(allowed)}
        return tool in _REACHING and tool not in bases

    def read(self, line: bytes) -> Iterator[Signal]:
        event = parsed(line)
        match event.get("type"):
            case "system" if event.get("subtype") == "init":
                yield Session(text(event, "session_id"), event.get("model"))
            case "stream_event":
                delta = mapping(mapping(event, "event"), "delta")
                if delta.get("type") == "text_delta":
                    yield Said(text(delta, "text"), draft=True)
            case "assistant":
                inner = event.get("parent_tool_use_id") is not None
                yield from self._answer(mapping(event, "message"), inner)
            case "user":
                yield from _results(mapping(event, "message"))
            case "result":
                yield _ended(event)

    def ended(self) -> Ended | None:
        return None

    def _answer(self, message: Mapping[str, Any], inner: bool) -> Iterator[Signal]:
        # Each block of one answer is a line of its own, with the same id and the same usage.
        id = text(message, "id")
        if not id or id not in self._told:
            self._told.add(id)
            usage = mapping(message, "usage")
            yield Turn(_cost(usage, 1), number(usage, "cache_read_input_tokens"), inner)
        for block in message.get("content") or ():
            match block.get("type"):
                case "text":
                    yield Said(text(block, "text"))
                case "tool_use":
                    yield ToolUsed(text(block, "id"), text(block, "name"), mapping(block, "input"))


def _native(allowed: Sequence[str]) -> list[str]:
    """Our names as Claude Code's; a name of its own stays as it is."""
    names = [native for name in allowed for native in _NATIVE.get(canonical(name), (name,))]
    return list(dict.fromkeys(names))


def _results(message: Mapping[str, Any]) -> Iterator[Signal]:
    content = message.get("content")
    for block in content if isinstance(content, list) else ():
        if block.get("type") == "tool_result":
            yield ToolDone(text(block, "tool_use_id"), bool(block.get("is_error")))


def _ended(event: Mapping[str, Any]) -> Ended:
    subtype, said = text(event, "subtype"), text(event, "result")
    usd = event.get("total_cost_usd")
    total = _cost(mapping(event, "usage"), 0)
    if isinstance(usd, int | float):
        total = total.at(float(usd))
    if subtype == "success" and not event.get("is_error"):
        return Ended(said, total=total)
    errors = event.get("errors")
    why = said or "; ".join(map(str, errors if isinstance(errors, list) else ())) or subtype
    return Ended(wrong=why, limit=subtype.startswith("error_max_"), total=total)


def _cost(usage: Mapping[str, Any], calls: int) -> Cost:
    read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return Cost(sum(number(usage, name) for name in read), number(usage, "output_tokens"), calls)
