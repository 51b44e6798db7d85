"""Random workflows whose outcome the language decides, whatever runs first.

Where order would decide (who wins an `any`, what a `stop` cancels) the author makes it
certain: one branch can complete, the others fail or hold until they are cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from .leaves import Json, Leaves, Spot

DEPTH = 4
STEPS = 50


@dataclass(frozen=True)
class Case:
    """A workflow, the workflows it calls by file name, and what it is given."""

    document: Json
    children: dict[str, Json]
    inputs: Json


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Workflows of up to about fifty steps, with every kind of control; they shrink."""
    return _Author(lambda bound: draw(st.integers(0, bound - 1))).whole()


def case(seed: int) -> Case:
    """One workflow of the same kind, the same for the same seed whoever asks."""
    return _Author(Random(seed).randrange).whole()


class _Author(Leaves):
    """Writes lists and what holds them."""

    def __init__(self, below: Callable[[int], int]) -> None:
        super().__init__(below)
        self._children: dict[str, Json] = {}

    def whole(self) -> Case:
        document = self.document(Spot())
        return Case(document, self._children, {"n": self.below(4), "mode": self.one("a", "b", "z")})

    def document(self, spot: Spot) -> Json:
        steps = self.block(spot, 10, least=6) if spot.depth == 1 else self.block(spot, 4)
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
        if self.chance(40):
            handling["default"] = self.one(self.on_error(), "rollback", "rollback")
        if seen.ids and self.chance(15):
            handling["per_step"] = {self.one(*seen.ids): self.on_error()}
        if handling:
            document["error_handling"] = handling
        if self.chance(15):
            document["defaults"] = {"retry": {"attempts": 2, "delay": "1ms"}}
        return document

    def block(self, spot: Spot, most: int, *, least: int = 1) -> list[Json]:
        """A list: in order, a graph, or with steps that run beside the others."""
        length = least + self.below(most + 1 - least)
        mode = self.below(8) if length > 1 else 0
        if mode == 6:
            return self.graph(spot.beside(), length)
        if mode == 7:
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
        return self.shuffled(steps)

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
        if kind >= 90 and spot.context:
            return self.repaired(spot)
        if kind >= 87 and spot.stops:
            return [self.interrupted()]
        if kind >= 70:
            step = self.assertion(spot)
            if self.chance(45):
                step["condition"] = f"{self.number(spot)} < 0"
            return [
                {**step, "on_false": self.one("fail", "skip", "skip", *["stop"] * 2 * spot.stops)}
            ]
        if kind >= 64 and spot.context:
            return self.contended(spot)
        return [self.step(spot)]

    def contended(self, spot: Spot) -> list[Json]:
        """Several steps set one key, side by side or in turn; the next one reads what is left."""
        key = self.one("n", "m")

        def assign(value: Any) -> Json:
            return {"id": self.id("s"), "type": "set", "values": {key: value}}

        shape = self.one("parallel", "foreach", "loop")
        step: Json = {"id": self.id("p"), "type": shape}
        if shape == "parallel":
            step["steps"] = [assign(value) for value in (1, 2, 3)]
        elif shape == "foreach":
            step |= {"items": "[1, 2, 3]", "steps": [assign(f"{{{{ context.{key} + item }}}}")]}
        else:
            early = {**assign(f"{{{{ context.{key} + 1 }}}}"), "when": "iteration < 1"}
            step |= {"while": "iteration < 2", "max_iterations": 2, "steps": [early]}
        return [step, self.good_work(f"{{{{ context.{key} }}}}")]

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
        if spot.depth > DEPTH or self.written > STEPS or self.chance(30):
            return self.work(spot)
        deeper = replace(spot, depth=spot.depth + 1)
        kinds = (
            *[self.assign] * spot.context,
            self.assertion,
            self.conditional,
            self.switch,
            *[self.loop] * 2,
            self.foreach,
            self.together,
            *[self.race] * 2,
            self.detached,
            *[self.called] * (len(self._children) < 2),
        )
        kind = self.one(*kinds)
        step = kind(spot if kind in (self.assign, self.assertion) else deeper)
        if self.chance(15):
            step["when"] = self.condition(spot)
        if self.chance(30):
            step["on_error"] = self.one("skip", "skip", "halt", "rollback")
        if self.chance(25) and kind not in (self.assign, self.assertion):
            step["retry"] = {"attempts": 2, "delay": "1ms"}
        if self.chance(30):
            step["rollback"] = self.compensation()
        return step

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
        if self.chance(45):
            branches = [self.loser(spot, hopeless=True) for _ in range(1 + self.below(2))]
        else:
            branches = [self.winner(spot)]
            branches += [self.loser(spot, hopeless=False) for _ in range(1 + self.below(2))]
        branches = self.shuffled(branches)
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
