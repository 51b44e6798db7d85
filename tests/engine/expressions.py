"""The few expressions that the generated workflows use: what CEL and Python have in common."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Names = Callable[[str], Any]
TEMPLATE = re.compile(r"\{\{ (.*?) \}\}")


class Wrong(Exception):
    """The expression fails while it is evaluated."""


def render(data: Any, names: Names) -> Any:
    """Data with its templates filled; a template that is one expression keeps its type."""
    if isinstance(data, Mapping):
        return {key: render(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [render(value, names) for value in data]
    if not isinstance(data, str):
        return data
    if whole := TEMPLATE.fullmatch(data):
        return evaluate(whole[1], names)
    return TEMPLATE.sub(lambda found: _text(evaluate(found[1], names)), data)


def evaluate(text: str, names: Names) -> Any:
    """The value of an expression; raises `Wrong`."""
    python = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or "))
    return _value(ast.parse(python.strip(), mode="eval").body, names)


def _value(node: ast.expr, names: Names) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(id):
            return {"true": True, "false": False}[id] if id in ("true", "false") else names(id)
        case ast.List(items):
            return [_value(item, names) for item in items]
        case ast.Attribute(value, key):
            holder = _value(value, names)
            if not isinstance(holder, Mapping) or key not in holder:
                raise Wrong(f"no {key}")
            return holder[key]
        case ast.UnaryOp(ast.Not(), operand):
            return not _value(operand, names)
        case ast.BoolOp(op, parts):
            verdicts = (_value(part, names) for part in parts)
            return all(verdicts) if isinstance(op, ast.And) else any(verdicts)
        case ast.BinOp(left, ast.Add(), right):
            return _number(_value(left, names)) + _number(_value(right, names))
        case ast.Compare(left, [op], [right]):
            return _compare(op, _value(left, names), _value(right, names))
    raise AssertionError(f"{ast.unparse(node)} is outside the subset")


def _compare(op: ast.cmpop, left: Any, right: Any) -> bool:
    match op:
        case ast.Eq():
            return type(left) is type(right) and bool(left == right)
        case ast.Lt():
            return bool(_number(left) < _number(right))
        case ast.GtE():
            return bool(_number(left) >= _number(right))
    raise AssertionError(f"{op} is outside the subset")


def _number(value: Any) -> int:
    if type(value) is not int:
        raise Wrong(f"{value!r} is not a number")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
