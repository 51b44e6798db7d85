"""A loaded workflow becomes a program, or a list of every problem in it with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from .binding import BoundField, BoundStep
from .document import Document
from .errors import InvalidSpec
from .expressions import Environment, ExpressionEngine, Type
from .fieldbinder import FieldBinder, Found
from .fields import Where, program_text
from .names import Names, View, hoisted
from .placing import misplaced
from .policy import policy_of, policy_problems
from .ports import StepKind
from .program import Program
from .registry import Registry
from .rules import broken_rules
from .scope import SCOPE_NAMES
from .secrets import misplaced_secrets
from .step import Family, Step
from .triggering import bind_triggers
from .workflow import Workflow

_TYPES = {
    "string": Type.STRING,
    "number": Type.NUMBER,
    "integer": Type.INT,
    "boolean": Type.BOOL,
    "array": Type.LIST,
    "object": Type.MAP,
}


def bind(
    workflow: Workflow,
    document: Document,
    kinds: Registry[StepKind],
    engine: Callable[[], ExpressionEngine],
) -> Program:
    """Compile and check everything; raises `InvalidSpec` with all problems at once."""
    return _Binder(workflow, document, kinds, engine).program()


class _Binder:
    def __init__(
        self,
        workflow: Workflow,
        document: Document,
        kinds: Registry[StepKind],
        engine: Callable[[], ExpressionEngine],
    ) -> None:
        self._workflow = workflow
        self._document = document
        self._kinds = kinds
        self._engine = engine
        self._seen: dict[str, Where] = {}
        self._names = Names(workflow, lambda id: engine().declarable(id))
        self._fields = FieldBinder(document, engine, self._names, lambda: self._environment)
        self._problem = self._fields.problem
        self._problems = self._fields.problems

    def program(self) -> Program:
        self._problems += misplaced_secrets(self._workflow, self._document)
        self._problems += policy_problems(self._workflow, self._document)
        self._problems += broken_rules(self._workflow, self._document, self._kinds)
        steps = self._list(self._workflow.steps, ("steps",), View())
        view = View(frozenset(i for s in steps for i in (s.id, *s.hoisted)))
        outputs: dict[str, BoundField] = {}
        env: set[str] = {name for s in steps for name in s.env}
        for name, output in self._workflow.outputs.items():
            if output.value is not None:
                found = Found()
                where = ("outputs", name, "value")
                outputs[name] = self._fields.data(output.value, where, view, found)
                env |= found.env
        slot = None
        if self._workflow.concurrency is not None and self._workflow.concurrency.key is not None:
            used = Found()
            key = self._workflow.concurrency.key
            slot = self._fields.template(key, ("concurrency", "key"), View(), used)
            env |= used.env
        triggers = bind_triggers(self._workflow, self._document, self._engine)
        problems = [*self._problems, *triggers.problems]
        if not all(p.warning for p in problems):
            raise InvalidSpec(problems)
        warnings = tuple(problems)
        bound = tuple(triggers.triggers)
        return Program(self._workflow, steps, outputs, frozenset(env), slot, warnings, bound)

    @cached_property
    def _environment(self) -> Environment:
        names: dict[str, Type] = dict.fromkeys(("inputs", "context", "env", "steps"), Type.MAP)
        for name, given in self._workflow.inputs.items():
            sure = given.required or given.default is not None
            names[f"inputs.{name}"] = _TYPES[given.type] if sure else Type.DYN
        for local in SCOPE_NAMES - names.keys():
            names[local] = Type.INT if local in ("index", "iteration") else Type.DYN
        names |= dict.fromkeys(sorted(self._names.bare), Type.DYN)
        return self._engine().environment(names)

    def _list(self, steps: Sequence[Step], where: Where, view: View) -> tuple[BoundStep, ...]:
        """A list that runs in order, or as a graph when one of its steps says `needs`."""
        if any(step.needs is not None for step in steps):
            return self._graph(steps, where, view)
        bound = []
        for index, step in enumerate(steps):
            bound.append(self._step(step, (*where, index), view))
            view = view.plus((step.id, *hoisted(step)))
        return tuple(bound)

    def _graph(self, steps: Sequence[Step], where: Where, view: View) -> tuple[BoundStep, ...]:
        bound = []
        siblings = {step.id for step in steps}
        everyone = {i for step in steps for i in (step.id, *hoisted(step))}
        for index, step in enumerate(steps):
            others = everyone - {step.id, *hoisted(step)}
            bound.append(self._step(step, (*where, index), view.plus(others)))
            for position, needed in enumerate(step.needs or ()):
                if needed == step.id or needed not in siblings:
                    why = (
                        f"the step {needed!r} cannot need itself; remove it"
                        if needed == step.id
                        else f"{needed!r} is not a sibling of {step.id!r}; `needs` names steps of "
                        "the same list"
                    )
                    self._problem((*where, index, "needs", position), why)
        cycle = _cycle(prerequisites(bound))
        if cycle:
            index = [s.id for s in steps].index(cycle[0])
            self._problem(
                (*where, index, "needs") if steps[index].needs else (*where, index, "id"),
                f"steps wait for each other: {' -> '.join([*cycle, cycle[0]])}; "
                "remove one of these `needs` or references",
            )
        return tuple(bound)

    def _step(self, step: Step, where: Where, view: View) -> BoundStep:
        self._unique(step, where)
        found = Found()
        fields: dict[Where, BoundField] = {}
        inside = view.plus((), step.local)
        for place, role, value in program_text(step):
            seen = self._view_of(place, step, view, inside)
            fields[place] = self._fields.field(role, value, (*where, *place), seen, found)
        self._problems += misplaced(step, where, fields, self._document)
        blocks = {}
        for way, steps in step.blocks().items():
            if step.kind == "parallel":
                blocks[way] = tuple(
                    self._step(child, (*where, *way, i), inside) for i, child in enumerate(steps)
                )
            else:
                blocks[way] = self._list(steps, (*where, *way), inside)
        if step.rollback:
            undone = view.plus((step.id, *hoisted(step)), ("output", "error"))
            blocks["rollback",] = self._list(step.rollback, (*where, "rollback"), undone)
        inner = [child for steps in blocks.values() for child in steps]
        return BoundStep(
            step,
            where,
            fields,
            policy_of(step, self._workflow, self._family(step)),
            blocks,
            frozenset(found.steps).union(*(c.mentions for c in inner)),
            hoisted(step),
            frozenset(found.env).union(*(c.env for c in inner)),
            frozenset(found.functions).union(*(c.functions for c in inner)),
        )

    def _family(self, step: Step) -> Family:
        return self._kinds.get(step.kind).family

    def _view_of(self, place: Where, step: Step, view: View, inside: View) -> View:
        """`while` and `until` see an iteration's steps; `verify` sees the step's own output."""
        if step.kind == "loop" and place in (("while",), ("until",)):
            body = [i for s in step.blocks()[("steps",)] for i in (s.id, *hoisted(s))]
            return inside.plus(body)
        if place[0] == "verify":
            return view.plus((), ("output",))
        return view

    def _unique(self, step: Step, where: Where) -> None:
        first = self._seen.setdefault(step.id, where)
        if first != where:
            line = self._document.position((*first, "id")).line
            self._problem(
                (*where, "id"), f"the id {step.id!r} is used in line {line} already; choose another"
            )


def prerequisites(graph: Sequence[BoundStep]) -> dict[str, frozenset[str]]:
    """The siblings that each step of a graph waits for: its `needs` and what it mentions."""
    owner = {i: b.id for b in graph for i in (b.id, *hoisted(b.step))}
    siblings = frozenset(owner.values())
    return {
        b.id: frozenset((*(b.step.needs or ()), *(owner[i] for i in b.mentions if i in owner)))
        & siblings - {b.id}
        for b in graph
    }


def _cycle(edges: Mapping[str, frozenset[str]]) -> list[str]:
    """Some steps that wait for each other in a circle, or nothing."""
    following_of: dict[str, list[str]] = {}
    for i, before in edges.items():
        for each in before:
            following_of.setdefault(each, []).append(i)
    left = {i: len(before) for i, before in edges.items()}
    ready = [i for i, count in left.items() if not count]
    for i in ready:
        for each in following_of.get(i, ()):
            left[each] -= 1
            if not left[each]:
                ready.append(each)
    free = set(ready)
    stuck = [i for i in edges if i not in free]
    if not stuck:
        return []
    walk = [stuck[0]]
    while True:
        following = min(edges[walk[-1]] - free)
        if following in walk:
            return walk[walk.index(following) :]
        walk.append(following)
