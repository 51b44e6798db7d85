"""Random workflows whose outcome the language decides, whatever runs first.

Where order would decide (who wins an `any`, what a `stop` cancels) the author makes it
certain: one branch can complete, the others fail or hold until they are cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hypothesis import strategies as st

Json = dict[str, Any]
T = TypeVar("T")
DEPTH = 4
STEPS = 24
READABLE = ("python", "skill", "set", "conditional", "switch", "foreach", "loop", "workflow")


@dataclass(frozen=True)
class Case:
    """A workflow, the workflows it calls by file name, and what it is given."""

    document: Json
    children: dict[str, Json]
    inputs: Json


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


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Workflows of up to about thirty steps, with every kind of control."""
    return _Author(draw).case()


class _Author:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._written = 0
        self._children: dict[str, Json] = {}

    def case(self) -> Case:
        document = self.document(Spot())
        return Case(document, self._children, {"n": self.below(4), "mode": self.one("a", "b", "z")})

    def document(self, spot: Spot) -> Json:
        steps = self.block(spot, 5)
        seen = spot.after(*steps)
        document: Json = {
            "name": "random",
            "inputs": {"n": {"type": "integer"}, "mode": {"type": "string"}},
            "context": {"readonly": {"c": 7}, "mutable": {"n": 0, "m": 0}},
            "outputs": {"n": {"value": "{{ context.n }}"}, "m": {"value": "{{ context.m }}"}},
            "steps": steps,
        }
        if seen.ids:
            id = self.one(*seen.ids)
            document["outputs"]["status"] = {"value": f"{{{{ {id}.status }}}}"}
        handling: Json = {}
        if self.chance(25):
            handling["default"] = self.on_error()
        if seen.ids and self.chance(15):
            handling["per_step"] = {self.one(*seen.ids): self.on_error()}
        if handling:
            document["error_handling"] = handling
        if self.chance(15):
            document["defaults"] = {"retry": {"attempts": 2, "delay": "1ms"}}
        return document

    def below(self, bound: int) -> int:
        return self._draw(st.integers(0, bound - 1))

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def one(self, *options: T) -> T:
        return self._draw(st.sampled_from(options))

    def id(self, letter: str) -> str:
        self._written += 1
        return f"{letter}{self._written}"

    def block(self, spot: Spot, most: int) -> list[Json]:
        """A list: in order, a graph, or with steps that run beside the others."""
        length = 1 + self.below(most)
        mode = self.below(10) if length > 1 else 0
        if mode == 8:
            return self.graph(spot.beside(), length)
        if mode == 9:
            return self.overlapping(replace(spot, stops=False), length)
        steps: list[Json] = []
        while len(steps) < length:
            unit = self.unit(spot)
            steps += unit
            spot = spot.after(*unit)
        return steps

    def graph(self, spot: Spot, length: int) -> list[Json]:
        """Each step needs some of those written before it; the file has another order."""
        steps: list[Json] = []
        above: dict[str, list[Json]] = {}
        for _ in range(length):
            needs = [s for s in steps if self.chance(50)]
            ancestors = {a["id"]: a for s in needs for a in [*above[s["id"]], s]}
            step = self.step(spot.after(*ancestors.values()))
            if needs or self.chance(20):
                step["needs"] = [s["id"] for s in needs]
            above[step["id"]] = list(ancestors.values())
            steps.append(step)
        steps[0].setdefault("needs", [])
        return self._draw(st.permutations(steps))

    def overlapping(self, spot: Spot, length: int) -> list[Json]:
        """Some steps run on beside the list; only leaves of the list read those."""
        steps: list[Json] = []
        aside: list[Json] = []
        for _ in range(length + 1):
            if self.chance(50):
                step = {**self.step(spot.beside()), "async": True}
                aside.append(step)
            elif aside and self.chance(50):
                step = self.work(spot.after(*aside))
            else:
                step = self.step(spot)
                spot = spot.after(step)
            steps.append(step)
        return steps

    def unit(self, spot: Spot) -> list[Json]:
        """One step or a few that belong together, for a list that runs in order."""
        kind = self.below(100)
        if kind >= 94 and spot.context:
            return self.repaired(spot)
        if kind >= 90 and spot.stops:
            return [self.interrupted()]
        if kind >= 80:
            on_false = self.one(*["fail", "skip", "skip"], *["stop"] * 3 * spot.stops)
            return [{**self.assertion(spot), "on_false": on_false}]
        return [self.step(spot)]

    def repaired(self, spot: Spot) -> list[Json]:
        """Steps that an assertion sends round again until the context has grown enough."""
        key = self.one("n", "m")
        grow = {"id": self.id("s"), "type": "set", "values": {key: f"{{{{ context.{key} + 1 }}}}"}}
        steps: list[Json] = [{"id": self.id("g"), "type": "agent", "prompt": "Try."}, grow]
        if self.chance(60):
            steps.insert(1, self.step(replace(spot, stops=False)))
        check: Json = {
            "id": self.id("a"),
            "type": "assert",
            "condition": f"context.{key} >= {1 + self.below(4)}",
            "on_false": "repair",
            "repair": {"step": steps[0]["id"]},
        }
        if self.chance(50):
            check["repair"]["attempts"] = 2 + self.below(3)
        if self.chance(15):
            check["on_error"] = "skip"
        return [*steps, check]

    def interrupted(self) -> Json:
        """A branch stops the workflow while another would run for ever."""
        stop = {"id": self.id("a"), "type": "assert", "condition": "false", "on_false": "stop"}
        branches = [stop, self.hold()]
        return {"id": self.id("p"), "type": "parallel", "steps": branches}

    def step(self, spot: Spot) -> Json:
        """A step of any kind that ends no more than itself."""
        if spot.depth > DEPTH or self._written > STEPS or self.chance(30):
            return self.work(spot)
        deeper = replace(spot, depth=spot.depth + 1)
        kinds = (
            *[self.assign] * spot.context,
            self.assertion,
            self.conditional,
            self.switch,
            self.loop,
            self.foreach,
            self.together,
            self.race,
            self.detached,
            *[self.called] * (len(self._children) < 2),
        )
        kind = self.one(*kinds)
        step = kind(spot if kind in (self.assign, self.assertion) else deeper)
        if self.chance(15):
            step["when"] = self.condition(spot)
        if self.chance(20):
            step["on_error"] = self.one("skip", "skip", "halt", "rollback")
        if self.chance(15):
            step["rollback"] = self.compensation()
        return step

    def work(self, spot: Spot) -> Json:
        if self.chance(8):
            step: Json = {"id": self.id("w"), "type": "skill", "skill": "fail"}
        else:
            step = self.good_work(self.value(spot))
            if self.chance(20):
                step["inputs"]["fail"] = 1 + self.below(3)
                if self.chance(60):
                    step["retry"] = {"attempts": 1 + self.below(4), "delay": "1ms"}
        if self.chance(15):
            step["when"] = self.condition(spot)
        if "retry" not in step and self.chance(25):
            step["on_error"] = self.on_error()
        elif self.chance(20):
            step["on_error"] = self.one("skip", "halt", "rollback")
        if self.chance(30):
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
        return self.one("skip", {"strategy": "skip"}, "halt", "rollback", retry, attempts)

    def assign(self, spot: Spot) -> Json:
        value = self.one(self.below(5), f"{{{{ {self.number(spot)} + {self.below(3)} }}}}")
        return {"id": self.id("s"), "type": "set", "values": {self.one("n", "m"): value}}

    def assertion(self, spot: Spot) -> Json:
        return {"id": self.id("a"), "type": "assert", "condition": self.condition(spot)}

    def conditional(self, spot: Spot) -> Json:
        step: Json = {"id": self.id("c"), "type": "conditional", "condition": self.condition(spot)}
        step["then"] = self.block(spot, 2)
        if self.chance(60):
            step["else"] = self.block(spot, 2)
        return step

    def switch(self, spot: Spot) -> Json:
        step: Json = {"id": self.id("c"), "type": "switch", "value": "inputs.mode"}
        names = ["a", "b"]
        if spot.ids and self.chance(40):
            step["value"], names = f"{self.one(*spot.ids)}.status", ["completed", "skipped"]
        step["cases"] = {name: self.block(spot, 2) for name in names[: 1 + self.below(2)]}
        if self.chance(70):
            step["default"] = self.block(spot, 2)
        return step

    def loop(self, spot: Spot) -> Json:
        step: Json = {"id": self.id("l"), "type": "loop", "max_iterations": 1 + self.below(3)}
        step["steps"] = self.block(spot.knowing("iteration"), 2)
        inner = spot.after(*step["steps"])
        bound = self.below(3)
        until = [f"iteration >= {bound}", f"{self.one(*inner.ids)}.status == 'completed'"]
        wait = [f"iteration < {bound}", f"{self.one(*inner.ids)}.status == 'skipped'"]
        if spot.context:
            until.append(f"context.n >= {bound}")
            wait.append(f"context.n < {bound}")
        if self.chance(50):
            step["until"] = self.one(*until)
        else:
            step["while"] = self.one(*wait)
        return step

    def foreach(self, spot: Spot) -> Json:
        items = self.one("[1, 2]", "[inputs.n, 5, 6]", "[3]", "[]")
        body = replace(spot, stops=False).knowing("item", "index")
        step: Json = {"id": self.id("f"), "type": "foreach", "items": items}
        if self.chance(50):
            step["concurrency"] = 1 + self.below(3)
        return {**step, "steps": self.block(body, 2)}

    def together(self, spot: Spot) -> Json:
        branch = replace(spot, stops=False)
        steps = [self.step(branch) for _ in range(1 + self.below(3))]
        step = {"id": self.id("p"), "type": "parallel", "steps": steps}
        return {**step, "wait_for": "all"} if self.chance(50) else step

    def race(self, spot: Spot) -> Json:
        """One branch is sure to complete, or none is able to."""
        if self.chance(25):
            branches = [self.loser(spot, hopeless=True) for _ in range(1 + self.below(2))]
        else:
            branches = [self.winner(spot)]
            branches += [self.loser(spot, hopeless=False) for _ in range(1 + self.below(2))]
        branches = self._draw(st.permutations(branches))
        return {"id": self.id("r"), "type": "parallel", "wait_for": "any", "steps": branches}

    def winner(self, spot: Spot) -> Json:
        first = {**self.good_work(self.below(5)), "rollback": self.compensation()}
        if spot.depth > DEPTH or self.chance(50):
            return first
        step = {"id": self.id("c"), "type": "conditional", "condition": "true"}
        return {**step, "then": [first, self.good_work("{{ inputs.n }}")]}

    def loser(self, spot: Spot, *, hopeless: bool) -> Json:
        last = self.fail() if hopeless or self.chance(60) else self.hold()
        if self.chance(15):
            return {**self.good_work(0), "when": "false"}
        if spot.depth > DEPTH or self.chance(60):
            return last
        first = {**self.good_work(1), "rollback": self.compensation()}
        step = {"id": self.id("c"), "type": "conditional", "condition": "true", "on_error": "halt"}
        return {**step, "then": [first, last]}

    def detached(self, spot: Spot) -> Json:
        steps = [self.step(spot.beside()) for _ in range(1 + self.below(2))]
        return {"id": self.id("d"), "type": "parallel", "wait_for": "none", "steps": steps}

    def called(self, spot: Spot) -> Json:
        name = f"child-{len(self._children)}.json"
        self._children[name] = {}
        step: Json = {"id": self.id("k"), "type": "workflow", "workflow": name}
        step["inputs"] = {"n": f"{{{{ {self.number(spot)} }}}}", "mode": "{{ inputs.mode }}"}
        child = self.document(Spot(depth=spot.depth, stops=True))
        self._children[name] = {**child, "name": name.removesuffix(".json")}
        return step

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
        if spot.outputs and self.chance(25):
            id = self.one(*spot.outputs)
            return self.one(f"{{{{ {id}.output }}}}", f"{{{{ {id}.output + 1 }}}}")
        if spot.ids and self.chance(25):
            return f"so {{{{ {self.one(*spot.ids)}.status }}}}, {{{{ {number} }}}}"
        return self.one(*plain)
