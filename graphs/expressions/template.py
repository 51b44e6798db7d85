"""Text with `{{ expression }}` holes: found, filled, and rewritten inside conditions.

A hole ends at the first `}}` outside the expression's own texts and braces, so a literal `{{`
is written `{{ '{{' }}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .engine import ExpressionProblem, Value


@dataclass(frozen=True, slots=True)
class Hole:
    """An expression in a text. `offset` is where its source, without blanks, starts in it."""

    source: str
    offset: int


Part: TypeAlias = str | Hole


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text: its literal parts and holes in order; no literal part is empty."""

    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises `ExpressionProblem` for a hole that is empty or not closed."""
        parts: list[Part] = []
        at = 0
        while (start := text.find("{{", at)) >= 0:
            if start > at:
                parts.append(text[at:start])
            end = _end_of_hole(text, start)
            parts.append(_hole(text, start, end))
            at = end + 2
        if at < len(text):
            parts.append(text[at:])
        return cls(tuple(parts))

    @property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(part for part in self.parts if isinstance(part, Hole))

    @property
    def is_single(self) -> bool:
        """One hole and no other character, not even a blank: its value keeps its type."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Hole)

    def fill(self, values: Sequence[Value]) -> Value:
        """The template's value; `values` are those of the holes, in order."""
        if self.is_single:
            return values[0]
        given = iter(values)
        return "".join(
            text_of(next(given)) if isinstance(part, Hole) else part for part in self.parts
        )


def text_of(value: Value) -> str:
    """A value within a text: `90`, `true`, nothing for null, an artifact's path, else JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        path = value.get("path")
        if isinstance(path, str) and isinstance(value.get("sha256"), str):
            return path
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unwrap_condition(source: str) -> str:
    """A condition in which every `{{ e }}` has become `( e )`, for the engine.

    Of the same length, so that offsets stay what they were; comments become blanks.
    Raises `ExpressionProblem`, also for a hole inside a quoted text.
    """
    if "{{" not in source:
        return source
    pieces: list[str] = []
    kept = 0
    for token in _tokens(source, 0):
        at, text = token.start(), token.group()
        if at < kept:  # inside a hole
            continue
        if token.lastgroup == "text" and "{{" in text:
            raise ExpressionProblem(
                "`{{ }}` inside a quoted text of a condition is not filled in; "
                "compare with the value itself, or build the text with +",
                at + text.index("{{"),
            )
        if token.lastgroup == "comment":
            pieces += [source[kept:at], " " * len(text)]
            kept = token.end()
        elif source.startswith("{{", at):
            end = _end_of_hole(source, at)
            _hole(source, at, end)
            pieces += [source[kept:at], " (", _blank_comments(source[at + 2 : end]), ") "]
            kept = end + 2
    return "".join([*pieces, source[kept:]])


def closing(source: str, start: int) -> int:
    """The place of the bracket that closes the one at `start`; -1 if none does."""
    depth = 0
    for token in _tokens(source, start):
        if token.group() in _OPEN:
            depth += 1
        elif token.group() in _CLOSE:
            depth -= 1
            if depth == 0:
                return token.start()
    return -1


_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")

# What may hide a brace in CEL, so that a brace found elsewhere is one.
_TOKEN = re.compile(
    r"""(?P<text>
          (?:[rR][bB]?|[bB][rR])
            (?: \'{3}[\s\S]*?\'{3} | "{3}[\s\S]*?"{3} | '(?!'')[^'\n]*' | "(?!"")[^"\n]*" )
        | \'{3}(?:\\[\s\S]|[^\\])*?\'{3} | "{3}(?:\\[\s\S]|[^\\])*?"{3}
        | '(?!'')(?:\\.|[^'\\\n])*' | "(?!"")(?:\\.|[^"\\\n])*"
        )
      | (?P<word> \w+ )
      | (?P<comment> // (?: (?!}}) [^\n] )* )
      | (?P<bracket> [(){}\[\]] )
      | (?P<unclosed> ['"] )""",
    re.VERBOSE,
)


def _tokens(source: str, start: int) -> Iterator[re.Match[str]]:
    for token in _TOKEN.finditer(source, start):
        if token.lastgroup == "unclosed":
            quote = token.group()
            raise ExpressionProblem(
                f"the text that starts with {quote} is not closed; add the {quote} at its end",
                token.start(),
            )
        yield token


def _end_of_hole(text: str, start: int) -> int:
    """The place of the `}}` that closes the `{{` at `start`."""
    depth = 0
    for token in _tokens(text, start + 2):
        if token.group() == "{":
            depth += 1
        elif token.group() == "}":
            if depth:
                depth -= 1
            elif text.startswith("}}", token.start()):
                return token.start()
    raise ExpressionProblem(
        "`{{` is not closed; add }}, or write {{ '{{' }} where two braces are meant", start
    )


def _hole(text: str, start: int, end: int) -> Hole:
    inside = text[start + 2 : end]
    source = inside.strip()
    if not source:
        raise ExpressionProblem("`{{ }}` is empty; put an expression in it", start)
    return Hole(source, start + 2 + len(inside) - len(inside.lstrip()))


def _blank_comments(source: str) -> str:
    return _TOKEN.sub(
        lambda token: " " * len(token.group()) if token.lastgroup == "comment" else token.group(),
        source,
    )
