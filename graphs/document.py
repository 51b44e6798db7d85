"""Reads a definition (YAML, JSON, or a Python value) into plain values with their positions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from .errors import InvalidSpec, Position, Problem
from .json_text import walk_json
from .places import Branch, Builder, Json, Lines, Place, Stop
from .yaml_core import walk_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MAX_BYTES", "Document", "Json", "read", "read_value"]

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A definition as it was written: its text, its value, and where every part stands.

    `value` is to be read only: what a YAML alias repeats is one object in several places.
    """

    name: str
    text: str
    value: Json
    _place: Place = field(repr=False, compare=False)
    _lines: Lines = field(repr=False, compare=False)

    def position(
        self, path: Sequence[str | int], *, key: bool = False, offset: int | None = None
    ) -> Position:
        """Where the value at `path` begins; its nearest existing ancestor when there is none.

        `key` asks for the value's key instead. `offset` counts code points into the text at
        `path` and is followed into plain, quoted and literal (`|`) text; where escapes or folding
        hide the place, the text's own beginning is returned.
        """
        place, key_at = self._place, None
        value = self.value
        for segment in path:
            if not isinstance(place, Branch):
                return self._lines.position(place)
            member = _member(place, segment)
            if member is None:
                return self._lines.position(place.start)
            key_at = place.keys.get(segment) if isinstance(segment, str) else None
            place = member
            value = value[segment]  # type: ignore[index]
        if key and key_at is not None:
            return self._lines.position(key_at)
        if isinstance(place, Branch):
            return self._lines.position(place.start)
        if offset is not None and isinstance(value, str):
            return _inside(self._lines, place, value, offset)
        return self._lines.position(place)


def read(text: str | bytes, name: str, *, format: Literal["yaml", "json"]) -> Document:
    """Reads a text of at most `MAX_BYTES`. Raises `InvalidSpec` with every problem found."""
    decoded = _decoded(text, name)
    builder = Builder(name, decoded)
    with suppress(Stop):
        (walk_yaml if format == "yaml" else walk_json)(decoded, builder)
    return _document(builder)


def read_value(value: object, name: str) -> Document:
    """Takes over a Python value, copied. Every position is 1:1; messages begin with the path.

    Mappings, lists and tuples may hold text, numbers, booleans and None; keys that are integers,
    booleans or None become text, as in JSON. Raises `InvalidSpec` with every problem found.
    """
    builder = Builder(name, "", name_paths=True)
    with suppress(Stop):
        _walk_python(value, builder)
    return _document(builder)


def _document(builder: Builder) -> Document:
    value, place = builder.result()
    return Document(builder.name, builder.lines.text, value, place, builder.lines)


def _decoded(text: str | bytes, name: str) -> str:
    """`text` without a byte order mark, bounded."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        message = f"the document has {len(raw):,} bytes, the limit is {MAX_BYTES:,}; split it"
        raise InvalidSpec([Problem(name, Position(1, 1), message)])
    if isinstance(text, str):
        return text.lstrip("\ufeff")
    try:
        return raw.decode().lstrip("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode().lstrip("\ufeff")
        message = f"the byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8"
        problem = Problem(
            name, Lines(before).position(len(before)), f"{message}; save the document as UTF-8"
        )
        raise InvalidSpec([problem]) from None


def _member(branch: Branch, segment: str | int) -> Place | None:
    members = branch.members
    if isinstance(members, dict):
        return members.get(segment) if isinstance(segment, str) else None
    if isinstance(segment, int) and 0 <= segment < len(members):
        return members[segment]
    return None


_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*[ \t]+)*")
_UNUSUAL_LINE_END = re.compile("[\x85\u2028\u2029]")


def _inside(lines: Lines, start: int, value: str, offset: int) -> Position:
    """The position of `value[offset]`, whose source begins at `start`."""
    text = lines.text
    properties = _PROPERTIES.match(text, start)
    content = properties.end() if properties else start
    style = text[content : content + 1]
    if style == "|":
        return _inside_literal(lines, content, value, offset) or lines.position(start)
    if style in ("*", ">"):
        return lines.position(start)
    if style in ("'", '"'):
        content += 1
    before = value[:offset]
    escape = {"'": "'", '"': "\\"}.get(style, "\n")
    unchanged = text[content : content + offset] == before
    if unchanged and escape not in before and "\n" not in before:
        return lines.position(content + offset)
    return lines.position(start)


def _inside_literal(lines: Lines, header: int, value: str, offset: int) -> Position | None:
    """The position of `value[offset]` in the block that follows the `|` at `header`."""
    before = value[:offset]
    number = before.count("\n")
    starts = lines.starts()
    line = lines.position(header).line + number
    if line >= len(starts) or offset > len(value):
        return None
    end = starts[line + 1] if line + 1 < len(starts) else len(lines.text)
    if _UNUSUAL_LINE_END.search(lines.text, header, end):
        return None
    written = value.split("\n")[number]
    if not written:
        return lines.position(starts[line])
    indent = len(lines.text[starts[line] : end].rstrip("\r\n")) - len(written)
    column = len(before) - (before.rfind("\n") + 1)
    return lines.position(starts[line] + indent + column)


class _Open(NamedTuple):
    identity: int
    members: Iterator[tuple[object, object]]


def _walk_python(value: object, builder: Builder) -> None:
    """Reports `value` to `builder`. Raises `Stop` on a cycle, and at the builder's bounds."""
    containers: list[_Open] = []
    _enter(value, builder, containers)
    while containers:
        try:
            key, member = next(containers[-1].members)
        except StopIteration:
            builder.close()
            containers.pop()
            continue
        if builder.wants_key:
            _key(key, builder)
        _enter(member, builder, containers)


def _enter(value: object, builder: Builder, containers: list[_Open]) -> None:
    """Reports a scalar, or opens a container."""
    if not isinstance(value, (Mapping, list, tuple)):
        scalar = _scalar(value, builder)
        # Python refuses to write out integers of thousands of digits.
        vast = isinstance(scalar, int) and scalar.bit_length() > 256
        builder.scalar(scalar, "a vast one" if vast else str(scalar), 0)
        return
    if any(container.identity == id(value) for container in containers):
        builder.stop(0, "this value contains itself; build it without the cycle")
    if isinstance(value, Mapping):
        builder.open({}, 0)
        containers.append(_Open(id(value), iter(value.items())))
    else:
        builder.open([], 0)
        containers.append(_Open(id(value), iter((None, member) for member in value)))


def _scalar(value: object, builder: Builder) -> Json:
    """`value` as its plain type: an enumeration's member is what it holds."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    allowed = "text, numbers, booleans, None, lists and mappings"
    builder.problem(0, f"a value of type {type(value).__name__} does not fit; use {allowed}")
    return None


def _key(key: object, builder: Builder) -> None:
    if isinstance(key, str):
        builder.key(str.__str__(key), 0)
    elif key is None or isinstance(key, bool):
        builder.key({None: "null", True: "true", False: "false"}[key], 0)
    elif isinstance(key, int) and key.bit_length() <= 64:
        builder.key(str(int.__int__(key)), 0)
    else:
        builder.problem(0, f"a key of type {type(key).__name__} does not fit; use text")
        builder.unusable_key()
