"""Any other command line: lines of JSON in a form of ours, or plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...graphs.errors import ConfigurationError
from ...graphs.execution import Cost
from .reading import mapping, number, parsed, text
from .signals import Ended, Order, Said, Session, Signal, ToolDone, ToolUsed, Turn


class Plain:
    """`{prompt}`, `{model}` and `{tools}` in its command are filled in; the prompt goes to its
    standard input where no argument has a place for it."""

    def __init__(self, name: str, *, lines: bool) -> None:
        """`lines`: of JSON."""
        self.name = name
        self._lines = lines
        self._said: list[str] = []

    def command(self, program: Sequence[str], order: Order) -> tuple[list[str], str | None]:
        if order.allowed and not any("{tools}" in word for word in program):
            raise ConfigurationError(
                f"the command line {self.name!r} cannot be told which tools it may use: give "
                "`{tools}` a place in `cli.command`, or leave out `tools` and `allowed_tools`"
            )
        prompt = f"{order.system}\n\n{order.prompt}" if order.system else order.prompt
        places = {"{model}": order.model or "", "{tools}": ",".join(order.allowed)}
        argv, placed = [], False
        for word in program:
            for place, value in places.items():
                word = word.replace(place, value)
            placed = placed or "{prompt}" in word
            argv.append(word.replace("{prompt}", prompt))
        return argv, None if placed else prompt

    def withheld(self, tool: str, allowed: Sequence[str]) -> bool:
        return bool(allowed) and tool not in allowed

    def read(self, line: bytes) -> Iterator[Signal]:
        if not self._lines:
            yield self._heard(line.decode(errors="replace") + "\n")
            return
        event = parsed(line)
        match event.get("type"):
            case "session":
                yield Session(text(event, "id"), text(event, "model") or None)
            case "text":
                yield self._heard(text(event, "text"))
            case "tool":
                id = text(event, "id")
                yield ToolUsed(id, text(event, "name"), mapping(event, "input"))
            case "tool_result":
                yield ToolDone(text(event, "id"), bool(event.get("error")))
            case "usage":
                cost = Cost(number(event, "input_tokens"), number(event, "output_tokens"), 1)
                usd = event.get("usd")
                yield Turn(cost.at(float(usd)) if isinstance(usd, int | float) else cost)
            case "result":
                said = text(event, "text")
                wrong = (said or "it says no more") if event.get("error") else None
                yield Ended(said, wrong)

    def ended(self) -> Ended | None:
        return Ended("".join(self._said).strip("\n"))

    def _heard(self, said: str) -> Said:
        self._said.append(said)
        return Said(said)
