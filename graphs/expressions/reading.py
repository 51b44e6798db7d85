"""What an expression mentions: references, calls, and the shape of its loops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .ast import (
    Call,
    Comprehension,
    Constant,
    Display,
    Identifier,
    Message,
    Node,
    Select,
    Tree,
    read,
)
from .engine import Path, Reference
from .vocabulary import NAMESPACES, TYPE_NAMES

_ACCUMULATOR = "@result"  # which no author can write


class Mention(NamedTuple):
    """A reference as written; `selects` counts the leading keys written as `.key`."""

    path: Path
    selects: int
    offset: int
    optional: bool
    test: bool
    in_loop: bool


@dataclass(slots=True)
class Loop:
    """One macro that repeats (or, for `optMap`, binds) its body."""

    offset: int
    variables: tuple[str, ...]
    nested: bool
    over_state: bool = False
    appends: bool = False  # to a list, as map and filter do
    builds: bool = False  # more than a selection of what it repeats over
    elements: int = 0  # written in lists and maps of the body
    uses: int = 0  # of variables, its own or an outer loop's, in the body
    outer_uses: int = 0
    written: Counter[Path] = field(default_factory=Counter)  # uses in lists and maps

    @property
    def copies(self) -> int:
        """How often one element can appear in what the body writes out."""
        whole = sum(n for path, n in self.written.items() if len(path) == 1)
        parts = max((n for path, n in self.written.items() if len(path) > 1), default=0)
        return max(1, whole + parts)


@dataclass(slots=True)
class Reading:
    """Everything found in one walk over a tree.

    `calls` are (call, offset, whether in a loop); `sums` are the `+` within loops that are not
    evidently between numbers, as (offset, operands that are paths).
    """

    root: Node
    mentions: list[Mention] = field(default_factory=list)
    calls: list[tuple[Call, int, bool]] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    messages: list[tuple[int, str]] = field(default_factory=list)
    sums: list[tuple[int, tuple[Path, ...]]] = field(default_factory=list)
    joins: bool = False  # any `+` that may join texts or lists
    join: int | None = None  # the place of such a `+` whose sum is the whole expression
    loose: list[int] = field(default_factory=list)  # optional values where CEL may crash
    elements: int = 0  # written in lists and maps, anywhere
    calculates: bool = False
    divisions: list[int] = field(default_factory=list)  # places in the serialised tree

    @property
    def references(self) -> tuple[Reference, ...]:
        found = (Reference(m.path, m.offset, m.optional) for m in self.mentions)
        return tuple(sorted(dict.fromkeys(found), key=lambda r: r.offset))

    @property
    def functions(self) -> frozenset[str]:
        return frozenset(call.function for call, _, _ in self.calls)

    @property
    def alone(self) -> Mention | None:
        """The mention that is the whole expression, when it is nothing else."""
        if len(self.mentions) != 1 or _chain(self.root) is None:
            return None
        return None if self.mentions[0].optional else self.mentions[0]


def reading(serialized: bytes) -> Reading:
    """Read a serialised tree."""
    tree = read(serialized)
    found = Reading(tree.root)
    _Walk(tree, found).visit(tree.root, frozenset(), (), False)
    return found


class _Walk:
    def __init__(self, tree: Tree, found: Reading) -> None:
        self.offsets = tree.offsets
        self.found = found

    def visit(
        self, node: Node, bound: frozenset[str], loops: tuple[Loop, ...], written: bool
    ) -> None:
        """`loops` are those whose body holds the node; `written` says that a list or map in
        the innermost of them does."""
        chain = _chain(node)
        if chain is not None:
            self.mention(node, chain, bound, loops, written)
        elif isinstance(node, Call):
            self.call(node, bound, loops, written)
        elif isinstance(node, Select):
            self.visit(node.operand, bound, loops, written)
        elif isinstance(node, Display):
            self.found.elements += len(node.elements)
            for loop in loops:
                loop.elements += len(node.elements)
                loop.builds = True
            for place, element in enumerate(node.elements):
                if place not in node.optional:
                    self.no_optional(element)
                self.visit(element, bound, loops, bool(loops))
        elif isinstance(node, Comprehension):
            self.comprehension(node, bound, loops, written)
        elif isinstance(node, Message):
            self.found.messages.append((self.at(node), node.name))

    def at(self, node: Node) -> int:
        return self.offsets.get(node.id, 0)

    def mention(
        self,
        node: Node,
        chain: _Chain,
        bound: frozenset[str],
        loops: tuple[Loop, ...],
        written: bool,
    ) -> None:
        root = chain.path[0]
        if root in bound:
            self.use(chain, loops, written)
            return
        path = (root.removeprefix("."), *chain.path[1:])
        if path[0] in TYPE_NAMES:
            return
        test = isinstance(node, Select) and node.test
        optional = chain.optional or test
        at = self.offsets.get(chain.root, 0)
        self.found.mentions.append(Mention(path, chain.selects, at, optional, test, bool(loops)))

    def use(self, chain: _Chain, loops: tuple[Loop, ...], written: bool) -> None:
        if not loops:
            return
        innermost, root = loops[-1], chain.path[0]
        innermost.uses += 1
        innermost.outer_uses += root not in innermost.variables
        if written:
            for loop in loops:
                if root in loop.variables:
                    loop.written[chain.path[:2]] += 1

    def call(
        self, node: Call, bound: frozenset[str], loops: tuple[Loop, ...], written: bool
    ) -> None:
        name, arguments = node.function, node.arguments
        if name.isidentifier():  # operators are called `_+_`, `!_`, `@in`
            self.found.calls.append((node, self.at(node), bool(loops)))
        if name in _CALCULATING:
            self.found.calculates = True
        if name == "_/_":
            self.found.divisions.append(node.name_at)
        if name == "_+_" and not any(map(_is_number, arguments)):
            self.found.joins = True
            if node is self.found.root:
                self.found.join = self.at(node)
            if loops:
                chains = filter(None, map(_chain, arguments))
                self.found.sums.append((self.at(node), tuple(chain.path for chain in chains)))
        target = node.target
        if target is not None and not (
            isinstance(target, Identifier) and target.name in NAMESPACES - bound
        ):
            self.visit(target, bound, loops, written)
        for argument in arguments:
            if (name.isidentifier() and name != "or") or name.startswith("optional."):
                self.no_optional(argument)
            self.visit(argument, bound, loops, written)

    def no_optional(self, node: Node) -> None:
        """Lists, maps and functions must not be given optional values."""
        if _is_optional(node):
            self.found.loose.append(self.at(node))

    def comprehension(
        self, node: Comprehension, bound: frozenset[str], loops: tuple[Loop, ...], written: bool
    ) -> None:
        binds = node.accumulator != _ACCUMULATOR
        variables = (node.accumulator,) if binds else node.variables
        loop = Loop(self.at(node), variables, nested=bool(loops))
        self.found.loops.append(loop)
        before = len(self.found.mentions)
        self.visit(node.initial if binds else node.range, bound, loops, written)
        loop.over_state = len(self.found.mentions) > before
        inner, bodies = bound | set(variables), (*loops, loop)
        if binds:
            loop.builds = True
            self.visit(node.result, inner, bodies, False)
        else:
            for part in _bodies(node.step, loop):
                self.no_optional(part)
                self.visit(part, inner, bodies, False)


def _bodies(step: Node, loop: Loop) -> Iterable[Node]:
    """The author's parts of what a macro repeats, without the macro's own bookkeeping."""
    if isinstance(step, Call):
        for argument in step.arguments:
            if isinstance(argument, Call) and argument.function == "_+_":
                first, second = argument.arguments
                if _accumulates(first):
                    yield from _added(second, loop)
                    continue
            if not _accumulates(argument):
                yield from _added(argument, loop) if step.function == "_+_" else (argument,)
    elif not _accumulates(step):
        yield step


def _added(added: Node, loop: Loop) -> Iterable[Node]:
    if isinstance(added, Display):  # of `map` and `filter`: one more element of the result
        (element,) = added.elements
        loop.appends = True
        loop.builds = not (isinstance(element, Identifier) and element.name in loop.variables)
        return added.elements
    return (added,)


def _accumulates(node: Node) -> bool:
    return isinstance(node, Identifier) and node.name == _ACCUMULATOR


class _Chain(NamedTuple):
    path: Path
    selects: int
    optional: bool
    root: int


def _chain(node: Node) -> _Chain | None:
    """`root.key['key'].?key` as a path, or nothing when the node is another thing."""
    keys: list[str] = []
    optional = False
    selects = 0
    while not isinstance(node, Identifier):
        if isinstance(node, Select):
            keys.append(node.field)
            selects += 1
            node = node.operand
        elif _is_key(node):
            assert isinstance(node, Call)
            operand, key = node.arguments
            assert isinstance(key, Constant)
            keys.append(key.text)
            selects = 0
            optional = optional or node.function in ("_?._", "_[?_]")
            node = operand
        else:
            return None
    return _Chain((node.name, *reversed(keys)), selects, optional, node.id)


def _is_key(node: Node) -> bool:
    if not isinstance(node, Call) or node.function not in ("_[_]", "_?._", "_[?_]"):
        return False
    key = node.arguments[1]
    return isinstance(key, Constant) and key.kind == "string"


_CALCULATING = frozenset(("_+_", "_-_", "_*_", "_/_"))
_OPTIONALS = frozenset(("none", "of", "ofNonZeroValue"))


def _is_optional(node: Node) -> bool:
    """Whether a node's value is CEL's `optional`. Data holds none, so it shows in the tree."""
    if isinstance(node, Select):
        return not node.test and _is_optional(node.operand)
    if isinstance(node, Comprehension):
        return node.accumulator != _ACCUMULATOR and _is_optional(node.result)
    if not isinstance(node, Call):
        return False
    name, target = node.function, node.target
    if name == "_?_:_":
        return any(map(_is_optional, node.arguments[1:]))
    if name == "_[_]":
        return _is_optional(node.arguments[0])
    if isinstance(target, Identifier) and target.name == "optional":
        return name in _OPTIONALS
    return (
        name in ("_?._", "_[?_]")
        or name.startswith("optional.")
        or (name == "or" and target is not None)
    )


_NUMBERS = frozenset(
    ("int", "double", "uint", "size", "len", "round", "abs", "_-_", "_*_", "_/_", "_%_", "-_")
)


def _is_number(node: Node) -> bool:
    """Evidently a number; `+` refuses everything else beside it."""
    if isinstance(node, Constant):
        return node.kind in ("int", "double", "uint")
    if isinstance(node, Call):
        if node.function == "_+_":
            return any(map(_is_number, node.arguments))
        return node.function in _NUMBERS
    return False
