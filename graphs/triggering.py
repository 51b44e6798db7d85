"""The triggers of a workflow, compiled: what they read of what came, and where that goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache

from .binding import BoundField
from .document import Document
from .errors import InvalidSpec
from .expressions import Environment, ExpressionEngine, Reference, Type
from .fieldbinder import FieldBinder, Found
from .fields import Where
from .names import View
from .registry import nearest
from .step import Role
from .trigger import NAMES, NOTIFICATION, Bound, BoundTrigger, TriggerSpec
from .workflow import Workflow


def bind_triggers(
    workflow: Workflow, document: Document, engine: Callable[[], ExpressionEngine]
) -> Bound:
    """Those that a definition declares."""
    binder = _binder(document, engine)
    bound: dict[str, BoundTrigger] = {}
    for index, (id, spec) in enumerate(numbered(workflow)):
        apart = index - len(workflow.triggers)
        where: Where = ("triggers", index) if apart < 0 else ("notifications", apart)
        if (spec.kind == NOTIFICATION) is (apart < 0):
            belongs = "notifications" if apart < 0 else "triggers"
            binder.problem((*where, "type"), f"a {spec.kind} stands in `{belongs}`; put it there")
        if id in bound:
            binder.problem((*where, "id"), f"the trigger id {id!r} is used already; take another")
        for way, message in _misfits(spec, workflow):
            binder.problem((*where, *way), message)
        bound[id] = _bind(id, spec, where, binder)
    return Bound(tuple(bound.values()), tuple(binder.problems))


def bind_trigger(
    id: str,
    spec: TriggerSpec,
    workflow: Workflow,
    document: Document,
    engine: Callable[[], ExpressionEngine],
) -> BoundTrigger:
    """One that was made apart from a definition; raises `InvalidSpec` with every problem."""
    binder = _binder(document, engine)
    bound = _bind(id, spec, (), binder)
    for way, message in _misfits(spec, workflow):
        binder.problem(way, message)
    if binder.problems:
        raise InvalidSpec(binder.problems)
    return bound


def numbered(workflow: Workflow) -> Iterator[tuple[str, TriggerSpec]]:
    """The triggers of a definition, then its notifications, with their ids: `cron`, `cron-2`
    where none is given."""
    count: dict[str, int] = {}
    for spec in (*workflow.triggers, *workflow.notifications):
        count[spec.kind] = number = count.get(spec.kind, 0) + 1
        yield spec.id or (spec.kind if number == 1 else f"{spec.kind}-{number}"), spec


def _bind(id: str, spec: TriggerSpec, where: Where, binder: FieldBinder) -> BoundTrigger:
    view, found = View(local=frozenset(NAMES)), Found()

    def field(role: Role, value: object, name: str) -> BoundField | None:
        return None if value is None else binder.field(role, value, (*where, name), view, found)

    return BoundTrigger(
        id,
        spec,
        field(Role.CONDITION, spec.if_, "if"),
        field(Role.DATA, spec.with_, "with"),
        field(Role.TEXT, spec.key, "key"),
    )


def _misfits(spec: TriggerSpec, workflow: Workflow) -> Iterator[tuple[Where, str]]:
    """Inputs that the workflow does not have, or that nothing gives."""
    yield from spec.misfits(workflow)
    for name in spec.with_ or ():
        if name not in workflow.inputs:
            yield (
                ("with", name),
                f"there is no input {name!r}{nearest(name, workflow.inputs)}",
            )
    required = [n for n, i in workflow.inputs.items() if i.required and i.default is None]
    for name in required:
        if spec.with_ is not None and name not in spec.with_:
            yield ("with",), f"the input {name!r} is required, and `with` does not give it"
        elif spec.with_ is None and spec.brings and name not in spec.brings:
            brought = " ".join(spec.brings)
            yield (), f"the input {name!r} is required; what comes has {brought}: add `with`"


class _Names:
    """What expressions of triggers see."""

    reserved: Collection[str] = ()

    def step_of(self, reference: Reference) -> str | None:
        del reference
        return None

    def outputs(self, id: str) -> Collection[str]:
        del id
        return ()

    def problem(self, reference: Reference, view: View) -> str | None:
        root = reference.path[0]
        if root in view.local:
            return None
        names = ", ".join(f"`{name}`" for name in NAMES)
        return f"{root!r} is not known in a trigger: it sees {names}{nearest(root, NAMES)}"


def _binder(document: Document, engine: Callable[[], ExpressionEngine]) -> FieldBinder:
    @cache
    def environment() -> Environment:
        return engine().environment(dict.fromkeys(NAMES, Type.DYN))

    return FieldBinder(document, engine, _Names(), environment)
