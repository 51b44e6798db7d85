"""CEL's syntax tree, read from the bytes in which CEL serialises it (`cel.expr` protobuf).

Only what Assay asks of a tree is kept. Generated protobuf classes would cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias


class Constant(NamedTuple):
    id: int
    kind: str  # null bool int uint double string bytes
    text: str  # of a string, else empty


class Identifier(NamedTuple):
    id: int
    name: str


class Select(NamedTuple):
    id: int
    operand: Node
    field: str
    test: bool  # has(operand.field)


class Call(NamedTuple):
    """`name_at` is the place of the function's name in the serialised bytes."""

    id: int
    function: str
    target: Node | None
    arguments: tuple[Node, ...]
    name_at: int


class Display(NamedTuple):
    """A list or map written out; `elements` are its elements, or its keys and values.

    `optional` are the places of those written with `?`, which are left out when absent.
    """

    id: int
    elements: tuple[Node, ...]
    optional: frozenset[int]


class Message(NamedTuple):
    id: int
    name: str


class Comprehension(NamedTuple):
    """What the macros (`all`, `exists`, `map`, `filter`, `optMap` …) expand to."""

    id: int
    variables: tuple[str, ...]
    accumulator: str
    range: Node
    initial: Node
    condition: Node
    step: Node
    result: Node


Node: TypeAlias = Constant | Identifier | Select | Call | Display | Message | Comprehension


class Tree(NamedTuple):
    """`offsets` maps the id of a node to its place in the source, in characters."""

    root: Node
    offsets: Mapping[int, int]


def read(serialized: bytes) -> Tree:
    """The tree of a serialised `ParsedExpr` or `CheckedExpr`."""
    url, start, end = b"", 0, 0
    for number, value, stop in _fields(serialized, 0, len(serialized)):
        if number == 1:
            url = serialized[value:stop]
        elif number == 2:
            start, end = value, stop
    root_field, source_field = (4, 5) if url.endswith(b"CheckedExpr") else (2, 3)
    root: Node = _NULL
    offsets: dict[int, int] = {}
    for number, value, stop in _fields(serialized, start, end):
        if number == root_field:
            root = _node(serialized, value, stop)
        elif number == source_field:
            offsets = _offsets(serialized, value, stop)
    return Tree(root, offsets)


_NULL = Constant(0, "null", "")
_CONSTANTS = ("", "null", "bool", "int", "uint", "double", "string", "bytes")


def _node(data: bytes, start: int, end: int) -> Node:
    id = 0
    kind, at, to = 0, 0, 0
    for number, value, stop in _fields(data, start, end):
        if number == 2:
            id = value
        else:
            kind, at, to = number, value, stop
    if kind == 4:
        return Identifier(id, _text_field(data, at, to, 1))
    if kind == 3:
        return _constant(id, data, at, to)
    if kind == 6:
        return _call(id, data, at, to)
    if kind == 5:
        return _select(id, data, at, to)
    if kind == 7:
        return _list(id, data, at, to)
    if kind == 8:
        return _struct(id, data, at, to)
    if kind == 9:
        return _comprehension(id, data, at, to)
    return Constant(id, "null", "")


def _constant(id: int, data: bytes, start: int, end: int) -> Constant:
    for number, value, stop in _fields(data, start, end):
        text = data[value:stop].decode() if number == 6 else ""
        return Constant(id, _CONSTANTS[number], text)
    return Constant(id, "null", "")


def _select(id: int, data: bytes, start: int, end: int) -> Select:
    operand: Node = _NULL
    field, test = "", False
    for number, value, stop in _fields(data, start, end):
        if number == 1:
            operand = _node(data, value, stop)
        elif number == 2:
            field = data[value:stop].decode()
        elif number == 3:
            test = bool(value)
    return Select(id, operand, field, test)


def _call(id: int, data: bytes, start: int, end: int) -> Call:
    target: Node | None = None
    function, name_at = "", 0
    arguments: list[Node] = []
    for number, value, stop in _fields(data, start, end):
        if number == 3:
            arguments.append(_node(data, value, stop))
        elif number == 2:
            function, name_at = data[value:stop].decode(), value
        elif number == 1:
            target = _node(data, value, stop)
    return Call(id, function, target, tuple(arguments), name_at)


def _list(id: int, data: bytes, start: int, end: int) -> Display:
    elements: list[Node] = []
    optional: list[int] = []
    for number, value, stop in _fields(data, start, end):
        if number == 1:
            elements.append(_node(data, value, stop))
        elif stop:  # packed
            while value < stop:
                place, value = _varint(data, value)
                optional.append(place)
        else:
            optional.append(value)
    return Display(id, tuple(elements), frozenset(optional))


def _struct(id: int, data: bytes, start: int, end: int) -> Display | Message:
    elements: list[Node] = []
    optional: list[int] = []
    for number, value, stop in _fields(data, start, end):
        if number == 1 and stop > value:
            return Message(id, data[value:stop].decode())
        if number == 2:
            for part, at, to in _fields(data, value, stop):
                if part in (3, 4):
                    elements.append(_node(data, at, to))
                elif part == 5 and at:
                    optional.append(len(elements) - 1)
    return Display(id, tuple(elements), frozenset(optional))


def _comprehension(id: int, data: bytes, start: int, end: int) -> Comprehension:
    names = {1: "", 3: "", 8: ""}
    parts: dict[int, Node] = {}
    for number, value, stop in _fields(data, start, end):
        if number in names:
            names[number] = data[value:stop].decode()
        else:
            parts[number] = _node(data, value, stop)
    nodes = (parts.get(number, _NULL) for number in (2, 4, 5, 6, 7))
    return Comprehension(id, tuple(n for n in (names[1], names[8]) if n), names[3], *nodes)


def _text_field(data: bytes, start: int, end: int, wanted: int) -> str:
    for number, value, stop in _fields(data, start, end):
        if number == wanted:
            return data[value:stop].decode()
    return ""


def _offsets(data: bytes, start: int, end: int) -> dict[int, int]:
    """`SourceInfo.positions`, a map of node ids to offsets."""
    offsets: dict[int, int] = {}
    for number, value, stop in _fields(data, start, end):
        if number == 4:
            key, at = _varint(data, value + 1)
            offsets[key] = _varint(data, at + 1)[0] if at < stop else 0
    return offsets


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message: (number, value, 0), or (number, start, stop) for contents."""
    while at < end:
        key = data[at]
        at += 1
        if key > 127:
            key, at = _varint(data, at - 1)
        wire = key & 7
        if wire == 2:
            length = data[at]
            at += 1
            if length > 127:
                length, at = _varint(data, at - 1)
            yield key >> 3, at, at + length
            at += length
        elif wire == 0:
            value = data[at]
            at += 1
            if value > 127:
                value, at = _varint(data, at - 1)
            yield key >> 3, value, 0
        else:  # 64 or 32 bits: the value of a double, of which only the kind matters here
            yield key >> 3, 0, 0
            at += 8 if wire == 1 else 4


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
