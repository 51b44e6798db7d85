"""How a program will run: blocks (lists) and, in a block, segments (steps fused to one node)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .binding import BoundStep
from .names import hoisted
from .program import Program
from .step import Family
from .validation import prerequisites

_FUSED = frozenset({Family.DETERMINISTIC, Family.ASSERTION})

Way = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One list of steps and how it runs.

    `segments` are the nodes of its graph, in order. A list with `needs` or `async` has none:
    its steps start when those `before` them have finished, unless one of `after` failed.
    """

    name: str
    steps: tuple[BoundStep, ...]
    segments: tuple[tuple[BoundStep, ...], ...] = ()
    before: Mapping[str, frozenset[str]] = field(default_factory=dict)
    after: Mapping[str, frozenset[str]] = field(default_factory=dict)
    inner: Mapping[tuple[str, Way], tuple[BlockPlan, ...]] = field(default_factory=dict)
    singles: Mapping[str, BlockPlan] = field(default_factory=dict)

    @property
    def visible(self) -> tuple[str, ...]:
        """The ids that steps after this list may read, where the list itself is visible."""
        return tuple(i for s in self.steps for i in (s.id, *s.hoisted))

    def every(self) -> Iterator[BlockPlan]:
        """This block and all blocks inside it."""
        yield self
        for blocks in self.inner.values():
            for block in blocks:
                yield from block.every()
        for block in self.singles.values():
            yield from block.every()


FamilyOf = Callable[[BoundStep], Family]


def plan(program: Program, family: FamilyOf, *, fuse: bool = True) -> BlockPlan:
    """The root block of a program. `fuse=False` makes a node of every step."""
    return _block(program.workflow.name, program.steps, family, fuse)


def _block(name: str, steps: Sequence[BoundStep], family: FamilyOf, fuse: bool) -> BlockPlan:
    if any(s.step.needs is not None for s in steps):
        before = prerequisites(steps)
        return _graph(name, steps, family, fuse, before, before)
    if any(s.step.async_ for s in steps):
        return _graph(name, steps, family, fuse, *_joined(steps))
    return BlockPlan(
        name,
        tuple(steps),
        tuple(_segments(steps, family, fuse)),
        inner=_inner(name, steps, family, fuse),
    )


def _graph(
    name: str,
    steps: Sequence[BoundStep],
    family: FamilyOf,
    fuse: bool,
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
) -> BlockPlan:
    singles = {
        s.id: BlockPlan(f"{name}/{s.id}", (s,), ((s,),), inner=_inner(name, [s], family, fuse))
        for s in steps
    }
    return BlockPlan(name, tuple(steps), before=before, after=after, singles=singles)


def _joined(
    steps: Sequence[BoundStep],
) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """A list with `async` steps: the others run in order, an async one is joined by the first
    that mentions it."""
    before: dict[str, frozenset[str]] = {}
    owner = {i: s.id for s in steps for i in (s.id, *hoisted(s.step))}
    in_order: set[str] = set()
    for s in steps:
        mentioned = {owner[i] for i in s.mentions if i in owner} - {s.id}
        before[s.id] = frozenset(in_order | mentioned)
        if not s.step.async_:
            in_order.add(s.id)
            # What this step joined is joined for everything after it as well.
            in_order |= mentioned
    return before, before


def _segments(
    steps: Sequence[BoundStep], family: FamilyOf, fuse: bool
) -> Iterator[tuple[BoundStep, ...]]:
    run: list[BoundStep] = []
    for s in steps:
        if fuse and family(s) in _FUSED:
            run.append(s)
            continue
        if run:
            yield tuple(run)
            run = []
        yield (s,)
    if run:
        yield tuple(run)


def _inner(
    name: str, steps: Sequence[BoundStep], family: FamilyOf, fuse: bool
) -> dict[tuple[str, Way], tuple[BlockPlan, ...]]:
    inner: dict[tuple[str, Way], tuple[BlockPlan, ...]] = {}
    for s in steps:
        for way, children in s.blocks.items():
            label = f"{name}/{s.id}/{'/'.join(way)}"
            if s.kind == "parallel" and way == ("steps",):
                inner[s.id, way] = tuple(
                    _block(f"{label}/{c.id}", [c], family, fuse) for c in children
                )
            else:
                inner[s.id, way] = (_block(label, children, family, fuse),)
    return inner
