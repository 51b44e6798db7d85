"""A plan as text, and the graph that a plan means as text and as Mermaid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .binding import BoundStep
from .plan import BlockPlan
from .preview import Preview, StepPreview, direct
from .repairs import repair_target
from .step import Family

FamilyOf = Callable[[BoundStep], Family]

_NAMES = 14
"""Columns for what is touched, before which one it is."""


def plan_text(preview: Preview) -> Iterator[str]:
    """The lines of a preview: inputs, triggers, then the steps in order, then the warnings."""
    yield f"{preview.workflow} {preview.version}  sha256:{preview.digest[:12]}"
    if preview.description:
        yield _plain(preview.description)
    if preview.inputs:
        yield from ("", "inputs")
        wide = max(map(len, preview.inputs))
        for name, declared in preview.inputs.items():
            yield f"  {name:<{wide}}  {_input(declared)}"
    if preview.outputs:
        yield from ("", "outputs")
        yield f"  {', '.join(f'{name} ({type})' for name, type in preview.outputs.items())}"
    if preview.env:
        yield from ("", "environment")
        yield f"  {', '.join(preview.env)}"
    if preview.triggers:
        yield from ("", "triggers")
        yield from (f"  {_plain(str(start))}" for start in preview.triggers)
    yield from ("", "steps")
    for step in preview.steps:
        yield from _step(step, 1)
    if preview.warnings:
        yield from ("", "warnings")
        for warning in preview.warnings:
            yield f"  {_plain(warning)}"


def graph_text(plan: BlockPlan) -> Iterator[str]:
    """The graph as a tree: nodes in order, the steps fused into one, and inner graphs."""
    yield plan.name
    yield from _drawn(_block(plan), "")


def graph_mermaid(plan: BlockPlan, family: FamilyOf) -> Iterator[str]:
    """The graph as a Mermaid flowchart; shapes tell the families of the steps apart."""
    return _Mermaid(family).lines(plan)


def _input(declared: Mapping[str, Any]) -> str:
    if "value" in declared:
        return f"{declared['type']} = {_json(declared['value'])}"
    if declared["required"] and declared["default"] is None:
        return f"{declared['type']}, required"
    return f"{declared['type']}, {_json(declared['default'])} unless given"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _step(step: StepPreview, depth: int) -> Iterator[str]:
    margin = "  " * depth
    title = f"  {_plain(step.title)}" if step.title else ""
    yield f"{margin}{step.path.rpartition('.')[2]} ({step.kind}){title}"
    for what, which in step.touches:
        first, *rest = which.strip().splitlines() or [""]
        yield f"{margin}    {what:<{_NAMES}}{_plain(first)}".rstrip()
        for line in rest:
            yield f"{margin}    {'':<{_NAMES}}{_plain(line)}".rstrip()
    if step.terms:
        yield f"{margin}    {'; '.join(map(_plain, step.terms))}"
    for name, steps in step.branches.items():
        if name != "steps":
            yield f"{margin}  {_plain(name)}:"
        for inner in steps:
            yield from _step(inner, depth + (1 if name == "steps" else 2))


def _plain(text: str) -> str:
    """Without what could steer a terminal; definitions are written by others."""
    return "".join(c if c.isprintable() or c == "\t" else " " for c in text)


class _Branch(NamedTuple):
    text: str
    inner: Sequence[_Branch] = ()


def _block(plan: BlockPlan) -> list[_Branch]:
    """The nodes of a block, one branch each."""
    if plan.singles:
        edges = direct(plan.before)
        return [_node(s, plan.singles[s.id], edges[s.id]) for s in plan.steps]
    found = []
    for segment in plan.segments:
        steps = [_node(s, plan) for s in segment]
        found.append(_Branch("one node", steps) if len(steps) > 1 else steps[0])
    return found


def _node(bound: BoundStep, plan: BlockPlan, after: Sequence[str] = ()) -> _Branch:
    text = f"{bound.id} ({bound.kind})" + (f"  after {', '.join(after)}" if after else "")
    inner: list[_Branch] = []
    for name, blocks in _inside(bound, plan):
        steps = [branch for block in blocks for branch in _block(block)]
        inner += steps if name == "steps" else [_Branch(name, steps)]
    return _Branch(text, inner)


def _inside(bound: BoundStep, plan: BlockPlan) -> Iterator[tuple[str, tuple[BlockPlan, ...]]]:
    """The blocks within a step, by the name of its list."""
    for (id, way), blocks in plan.inner.items():
        if id == bound.id:
            yield way[-1], blocks


def _drawn(branches: Sequence[_Branch], margin: str) -> Iterator[str]:
    for index, branch in enumerate(branches):
        last = index == len(branches) - 1
        yield f"{margin}{'└─' if last else '├─'} {_plain(branch.text)}"
        yield from _drawn(branch.inner, margin + ("   " if last else "│  "))


_SHAPES = {
    Family.DETERMINISTIC: ("[", "]"),
    Family.AGENTIC: ("([", "])"),
    Family.ASSERTION: ("{{", "}}"),
    Family.CONTROL: ("[[", "]]"),
    Family.WAITING: ("[/", "/]"),
}


class _Mermaid:
    """Writes one flowchart; every node has a short id of its own, safe from reserved words."""

    def __init__(self, family: FamilyOf) -> None:
        self._family = family
        self._count = 0

    def lines(self, plan: BlockPlan) -> Iterator[str]:
        yield "flowchart TD"
        yield f"  begin([{_quoted(plan.name)}])"
        body, ids = self._block(plan, "  ")
        yield from body
        yield '  finish(["end"])'
        if plan.singles:
            edges = direct(plan.before)
            waited = {b for before in edges.values() for b in before}
            firsts = [ids[i] for i, before in edges.items() if not before]
            lasts = [ids[i] for i in ids if i not in waited]
        else:
            firsts, lasts = [ids[plan.steps[0].id]], [ids[plan.steps[-1].id]]
        yield from (f"  begin --> {id}" for id in firsts)
        yield from (f"  {id} --> finish" for id in lasts)
        for bound in plan.steps:
            if getattr(bound.step, "on_false", None) == "stop":
                yield f'  {ids[bound.id]} -. "stop" .-> finish'

    def _block(self, plan: BlockPlan, margin: str) -> tuple[list[str], dict[str, str]]:
        """The lines of a block, and the ids of its steps' nodes."""
        ids = {s.id: self._new() for s in plan.steps}
        lines: list[str] = []
        if plan.singles:
            for s in plan.steps:
                lines += self._step(s, ids[s.id], plan.singles[s.id], margin)
            edges = direct(plan.before)
            lines += [f"{margin}{ids[b]} --> {ids[i]}" for i in ids for b in edges[i]]
            return lines, ids
        for segment in plan.segments:
            fused = len(segment) > 1
            if fused:
                lines.append(f'{margin}subgraph {self._new()}["one node"]')
            for s in segment:
                lines += self._step(s, ids[s.id], plan, margin + ("  " if fused else ""))
            if fused:
                lines.append(f"{margin}end")
        chain = list(ids.values())
        lines += [f"{margin}{a} --> {b}" for a, b in pairwise(chain)]
        for s in plan.steps:
            target = repair_target(s, plan.steps)
            if target is not None:
                lines.append(f'{margin}{ids[s.id]} -. "repair" .-> {ids[target]}')
        return lines, ids

    def _step(self, bound: BoundStep, id: str, plan: BlockPlan, margin: str) -> list[str]:
        label = _quoted(f"{bound.id} ({bound.kind})")
        inside = list(_inside(bound, plan))
        if not inside:
            left, right = _SHAPES[self._family(bound)]
            return [f"{margin}{id}{left}{label}{right}"]
        lines = [f"{margin}subgraph {id}[{label}]"]
        for name, blocks in inside:
            deeper = margin + "  "
            if name != "steps":
                lines.append(f"{deeper}subgraph {self._new()}[{_quoted(name)}]")
                deeper += "  "
            for block in blocks:
                lines += self._block(block, deeper)[0]
            if name != "steps":
                lines.append(f"{margin}  end")
        return [*lines, f"{margin}end"]

    def _new(self) -> str:
        self._count += 1
        return f"n{self._count}"


def _quoted(text: str) -> str:
    """A label in quotes, with everything that Mermaid would read in it as an entity."""
    safe = "".join(c if c.isalnum() or c in " _-.,()[]" else f"#{ord(c)};" for c in text)
    return f'"{safe}"'
