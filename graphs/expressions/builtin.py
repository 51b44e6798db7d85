"""The functions that Assay brings along."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import orjson

from ..errors import ExpressionError
from .engine import Type, Value
from .functions import Function, FunctionScope, current_scope
from .reports import read_coverage, read_junit
from .template import text_of

TEXT = 1 << 20  # characters, of any text or list that a function makes
EXACT = 2**53  # whole numbers up to here are the same as int and as float


def builtin_functions() -> tuple[Function, ...]:
    """Every built-in function."""
    text, number, integer = Type.STRING, Type.NUMBER, Type.INT
    return (
        Function("hash", (Type.DYN,), text, _hash, variadic=True),
        Function("now", (), text, lambda: _scope("now").now()),
        *_on_files("hash_file", text, lambda data: hashlib.sha256(data).hexdigest()),
        *_on_files("parse_coverage", Type.MAP, read_coverage),
        *_on_files("parse_junit", Type.MAP, read_junit),
        Function("file_exists", (text,), Type.BOOL, lambda p: _scope("file_exists").exists(p)),
        Function("file_exists", (Type.MAP,), Type.BOOL, _artifact_exists),
        Function("json", (text,), Type.DYN, _json, heavy=True),
        Function("len", (text,), integer, len),
        Function("len", (Type.LIST,), integer, len),
        Function("len", (Type.MAP,), integer, len),
        Function("lower", (text,), text, str.lower),
        Function("upper", (text,), text, str.upper),
        Function("trim", (text,), text, str.strip),
        Function("replace", (text, text, text), text, _replace, heavy=True),
        Function("split", (text, text), Type.LIST, _split, heavy=True),
        Function("join", (Type.LIST, text), text, _join, heavy=True),
        Function("round", (integer,), integer, lambda x: x),
        Function("round", (number,), integer, _round),
        Function("round", (integer, integer), number, _round_to),
        Function("round", (number, integer), number, _round_to),
        Function("abs", (integer,), integer, abs),
        Function("abs", (number,), number, abs),
        Function("min", (Type.DYN,), Type.DYN, lambda *v: min(_numbers("min", v)), variadic=True),
        Function("max", (Type.DYN,), Type.DYN, lambda *v: max(_numbers("max", v)), variadic=True),
        Function("default", (Type.DYN, Type.DYN), Type.DYN, lambda x, y: y if x is None else x),
    )


def canonical(value: Value) -> bytes:
    """JSON with sorted keys; a whole number is written the same whether int or float."""
    return orjson.dumps(_exact(value), option=orjson.OPT_SORT_KEYS)


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("a number that is not finite has no hash")
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    return value


def _hash(*values: Value) -> str:
    """SHA-256, in hex, of one value, or of the list of several."""
    data = canonical(values[0] if len(values) == 1 else list(values))
    return hashlib.sha256(data).hexdigest()


def _scope(function: str) -> FunctionScope:
    scope = current_scope.get(None)
    if scope is None:
        raise ExpressionError(f"{function} cannot be called here: no step is running")
    return scope


def _on_files(name: str, result: Type, of: Any) -> tuple[Function, Function]:
    """A function of a file's bytes; the file is a path, or an artifact."""

    def of_file(file: str | Mapping[str, Value]) -> Any:
        scope = _scope(name)
        if isinstance(file, Mapping):
            _artifact_path(file)
        try:
            return of(scope.read(file))
        except ValueError as error:
            path = file if isinstance(file, str) else file["path"]
            raise ExpressionError(f"{name} cannot read {path!r}: {error}") from None

    return (
        Function(name, (Type.STRING,), result, of_file, heavy=True),
        Function(name, (Type.MAP,), result, of_file, heavy=True),
    )


def _artifact_path(file: Mapping[str, Value]) -> str:
    path = file.get("path")
    if isinstance(path, str) and isinstance(file.get("sha256"), str):
        return path
    raise ExpressionError("a map is not an artifact; name the artifact itself, or give a path")


def _artifact_exists(file: Mapping[str, Value]) -> bool:
    return _scope("file_exists").exists(_artifact_path(file))


def _json(text: str) -> Value:
    if len(text) > TEXT:
        raise ExpressionError(f"json reads at most {TEXT:,} characters, not {len(text):,}")
    try:
        value: Value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ExpressionError(f"the text is not JSON: {error}") from None
    return value


def _replace(text: str, old: str, new: str) -> str:
    if old == "":
        raise ExpressionError("replace needs a text to look for, not an empty one")
    growth = max(0, len(new) - len(old)) * text.count(old)
    _capped("replace", len(text) + growth)
    return text.replace(old, new)


def _split(text: str, separator: str) -> list[str]:
    if separator == "":
        raise ExpressionError("split needs a separator, not an empty text")
    parts = text.split(separator, TEXT >> 4)
    _capped("split", len(parts) << 4)
    return parts


def _join(items: list[Value], separator: str) -> str:
    parts = [text_of(item) for item in items]
    size = sum(map(len, parts)) + len(separator) * len(parts)
    _capped("join", size)
    return separator.join(parts)


def _capped(name: str, size: int) -> None:
    if size > TEXT:
        raise ExpressionError(f"{name} would make {size:,} characters, the limit is {TEXT:,}")


def _round(x: float) -> int:
    if not math.isfinite(x):
        raise ExpressionError("round needs a finite number")
    return round(x)


def _round_to(x: float, digits: int) -> float:
    return float(round(x, max(-400, min(400, digits))))


def _numbers(name: str, values: tuple[Value, ...]) -> list[float]:
    """The numbers given one by one, or as one list."""
    found = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    numbers = [x for x in found if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if not found or len(numbers) != len(found):
        raise ExpressionError(f"{name} needs at least one number, and nothing but numbers")
    return numbers
