"""The leaves of random workflows, and what may be written where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T")
READABLE = ("python", "skill", "set", "conditional", "switch", "foreach", "loop", "workflow")


@dataclass(frozen=True)
class Spot:
    """What may be written at one place: steps and integers to read, and what is decided there.

    `context` says whether mutable context has one certain value here, `stops` whether a
    `stop` would meet nothing that runs beside it.
    """

    ids: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ("inputs.n", "context.c")
    context: bool = True
    stops: bool = True
    depth: int = 1

    def after(self, *steps: Json) -> Spot:
        seen = [step for top in steps for step in visible(top)]
        outputs = [s["id"] for s in seen if s["type"] in READABLE]
        ids = [s["id"] for s in seen]
        return replace(self, ids=self.ids + tuple(ids), outputs=self.outputs + tuple(outputs))

    def beside(self) -> Spot:
        """Where other steps run at the same time and nothing joins in a certain order."""
        return replace(self, context=False, stops=False)

    def knowing(self, *numbers: str) -> Spot:
        return replace(self, numbers=self.numbers + numbers)


def visible(step: Json) -> Iterator[Json]:
    """The step, and the steps inside it that later ones may read for certain."""
    yield step
    if step["type"] == "parallel" and step.get("wait_for", "all") != "all":
        return
    if any(child.get("inputs", {}).get("hold") for child in step.get("steps", [])):
        return
    if step["type"] in ("parallel", "conditional", "switch"):
        branches = [step.get(name, []) for name in ("then", "else", "default", "steps")]
        for inner in [*branches, *step.get("cases", {}).values()]:
            for child in inner:
                yield from visible(child)


class Leaves:
    """Writes leaves; every choice is an integer below a bound."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self.below = below
        self.written = 0

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def one(self, *options: T) -> T:
        return options[self.below(len(options))]

    def shuffled(self, steps: list[Json]) -> list[Json]:
        rest = list(steps)
        return [rest.pop(self.below(len(rest))) for _ in steps]

    def id(self, letter: str) -> str:
        self.written += 1
        return f"{letter}{self.written}"

    def work(self, spot: Spot) -> Json:
        if self.chance(4):
            step: Json = {"id": self.id("w"), "type": "skill", "skill": "fail"}
        else:
            step = self.good_work(self.value(spot))
            if self.chance(35):
                step["inputs"]["fail"] = 1 + self.below(3)
                if self.chance(80):
                    step["retry"] = {"attempts": 2 + self.below(2), "delay": "1ms"}
        if self.chance(15):
            step["when"] = self.condition(spot)
        if "retry" not in step and self.chance(30):
            step["on_error"] = self.on_error()
        elif self.chance(30):
            step["on_error"] = self.one("skip", "halt", "rollback")
        if self.chance(60):
            step["rollback"] = self.compensation()
        return step

    def good_work(self, result: Any) -> Json:
        inputs = {"result": result}
        return {"id": self.id("w"), "type": "python", "function": "work", "inputs": inputs}

    def hold(self) -> Json:
        inputs = {"result": None, "hold": True}
        return {"id": self.id("h"), "type": "python", "function": "work", "inputs": inputs}

    def fail(self) -> Json:
        return {"id": self.id("w"), "type": "skill", "skill": "fail", "on_error": "halt"}

    def compensation(self) -> list[Json]:
        step = self.good_work(self.one("{{ output }}", 1, "undone"))
        if self.chance(15):
            step["inputs"]["fail"] = 3
            step["on_error"] = "halt"
        return [step]

    def on_error(self) -> Any:
        retry: Json = {"strategy": "retry", "delay": "1ms"}
        attempts = {**retry, self.one("attempts", "max_attempts"): 1 + self.below(4)}
        return self.one({"strategy": "skip"}, "skip", "rollback", retry, retry, attempts, attempts)

    def assign(self, spot: Spot) -> Json:
        value = self.one(self.below(5), f"{{{{ {self.number(spot)} + {self.below(3)} }}}}")
        return {"id": self.id("s"), "type": "set", "values": {self.one("n", "m"): value}}

    def assertion(self, spot: Spot) -> Json:
        return {"id": self.id("a"), "type": "assert", "condition": self.condition(spot)}

    def number(self, spot: Spot) -> str:
        """An expression that is an integer for certain."""
        return self.one(*spot.numbers, *["context.n", "context.m"] * spot.context)

    def condition(self, spot: Spot) -> str:
        text = self.one("true", f"{self.number(spot)} < {self.below(4)}")
        if spot.ids and self.chance(40):
            text = f"{self.one(*spot.ids)}.status == '{self.one('completed', 'skipped')}'"
        if spot.outputs and self.chance(8):
            return f"{self.one(*spot.outputs)}.output < 3"
        if self.chance(15):
            text = f"!({text})"
        if self.chance(15):
            text = f"{text} && {self.number(spot)} >= 1"
        return text

    def value(self, spot: Spot) -> Any:
        """An integer, a text, or what another step came to."""
        number = self.number(spot)
        plain = (self.below(9), f"{{{{ {number} }}}}", f"{{{{ {number} + 1 }}}}")
        if spot.outputs and self.chance(20):
            id = self.one(*spot.outputs)
            return self.one(f"{{{{ {id}.output }}}}", f"{{{{ {id}.output + 1 }}}}")
        if spot.ids and self.chance(25):
            return f"so {{{{ {self.one(*spot.ids)}.status }}}}, {{{{ {number} }}}}"
        return self.one(*plain)
