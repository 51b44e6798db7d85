"""Reads JSON text: scalars through `json`, the structure walked here.

`json` alone keeps no places, accepts NaN and duplicate keys, and recurses.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from .places import Builder, integer, quoted

_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r"[^\s\[\]{},:\"]+|.", re.DOTALL)
_CLOSERS = {"{": "}", "[": "]"}
_STRING_ERRORS = {
    "Unterminated string": "the quote that opens here is never closed",
    "Invalid control character": "a line break or control character must be escaped; write \\n",
    "Invalid \\u": "'\\u' takes four hexadecimal digits; write the character itself",
    "Invalid \\": "a backslash begins an escape; write '\\\\' for a backslash",
}


def walk_json(text: str, builder: Builder) -> None:
    """Reports the value in `text` to `builder`. Raises `Stop` at the first syntax error."""
    at = _skip(text, 0)
    if at == len(text):
        builder.stop(0, "the document is empty; write a JSON object")
    closers: list[str] = []
    while True:
        char = text[at : at + 1]
        if char in _CLOSERS:
            builder.open({} if char == "{" else [], at)
            closers.append(_CLOSERS[char])
            at = _skip(text, at + 1)
            if text[at : at + 1] != closers[-1]:
                at = _key(text, at, builder) if char == "{" else at
                continue
        else:
            at = _skip(text, _scalar(text, at, builder))
        while closers and text[at : at + 1] == closers[-1]:
            builder.close()
            closers.pop()
            at = _skip(text, at + 1)
        if not closers:
            break
        at = _comma(text, at, builder, closers[-1])
    if at < len(text):
        _expected(text, at, builder, "the end of the text")


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _comma(text: str, at: int, builder: Builder, closer: str) -> int:
    """Steps over the comma and, in an object, the key after it."""
    if text[at : at + 1] != ",":
        _expected(text, at, builder, f"',' or '{closer}'")
    after = _skip(text, at + 1)
    if text[after : after + 1] == closer:
        builder.stop(at, f"JSON allows no ',' before '{closer}'; remove it")
    return _key(text, after, builder) if closer == "}" else after


def _key(text: str, at: int, builder: Builder) -> int:
    """Steps over a key and its colon."""
    if text[at : at + 1] != '"':
        _expected(text, at, builder, "a key in double quotes")
    key, end = _decoded(text, at, builder)
    builder.key(str(key), at)
    end = _skip(text, end)
    if text[end : end + 1] != ":":
        _expected(text, end, builder, f"':' after the key {quoted(str(key))}")
    return _skip(text, end + 1)


def _scalar(text: str, at: int, builder: Builder) -> int:
    value, end = _decoded(text, at, builder)
    builder.scalar(value, text[at:end], at)
    return end


def _decoded(text: str, at: int, builder: Builder) -> tuple[bool | int | float | str | None, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except JSONDecodeError as error:
        for beginning, sentence in _STRING_ERRORS.items():
            if error.msg.startswith(beginning):
                builder.stop(error.pos, sentence)
        _expected(text, at, builder, "a value")
    return value, end


def _expected(text: str, at: int, builder: Builder, what: str) -> NoReturn:
    word = _WORD.match(text, at)
    if word is None:
        builder.stop(at, f"expected {what}, but the text ends here")
    found = word.group()
    hint = ""
    if found.startswith(("//", "/*", "#")):
        hint = "; JSON has no comments, remove it or write YAML"
    elif found.startswith("'"):
        hint = "; JSON wants double quotes"
    builder.stop(at, f"expected {what}, found {quoted(found)}{hint}")


# NaN and Infinity come through as floats; the builder refuses them like any other value.
_DECODER = JSONDecoder(parse_int=integer)
