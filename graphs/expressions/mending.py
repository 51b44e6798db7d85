"""Reference counts that cel-expr-python 0.1.3 gets wrong, put right.

It never lets go of the tuples in which functions get their arguments, nor of what they return,
and takes a reference from `None` with every null it converts, until the interpreter aborts.
Each fault is looked for before it is mended, so that a release without it is left alone.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from operator import is_
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]

_release = ctypes.pythonapi.Py_DecRef
_release.argtypes, _release.restype = (ctypes.py_object,), None


class _Crossing:
    """What has crossed between CEL and our functions during one evaluation."""

    __slots__ = ("arguments", "results")

    def __init__(self) -> None:
        self.arguments: list[tuple[Any, ...]] = []
        self.results: list[Any] = []


_crossing: ContextVar[_Crossing | None] = ContextVar("_crossing", default=None)


@contextmanager
def mended() -> Iterator[None]:
    """Let go, at the end, of what the calls within have left behind."""
    crossing = _Crossing()
    token = _crossing.set(crossing)
    try:
        yield
    finally:
        _crossing.reset(token)
        _let_go(crossing)


def mend(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for CEL to call, within `mended`, without leaving anything behind."""

    @wraps(function)
    def call(*arguments: Any) -> Any:
        crossing = _crossing.get()
        if crossing is None:
            return function(*arguments)
        if held := _held_tuple(arguments):
            crossing.arguments.append(held)
        result = function(*arguments)
        crossing.results.append(result)
        return result

    return call


@cache
def keep_none() -> None:
    """Make `None` immortal, as Python 3.12 and later do by themselves."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    count = ctypes.c_ssize_t.from_address(id(None))
    if abs(count.value - sys.getrefcount(None)) < 100:  # else it lies elsewhere in this build
        count.value += 1 << 40


def _held_tuple(arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The library's own tuple of these arguments, one of the youngest objects there are."""
    if not arguments:
        return None
    for young in reversed(gc.get_objects(generation=0)[-32:]):
        if (
            type(young) is tuple
            and young is not arguments
            and len(young) == len(arguments)
            and all(map(is_, young, arguments))
        ):
            return young
    return None


def _let_go(crossing: _Crossing) -> None:
    fresh = (crossing,)
    fair = sys.getrefcount(fresh)
    while crossing.arguments:
        held = crossing.arguments.pop()
        if sys.getrefcount(held) > fair:
            _release(held)
    if _results_leak():
        for result in crossing.results:
            _release(result)


@cache
def _results_leak() -> bool:
    """Whether each call leaks a reference to its result, tried with one that is held once."""
    result: list[Any] = ["fresh"]
    fair = sys.getrefcount(result)
    overload = cel.Overload("probe", return_type=cel.Type.LIST, impl=lambda: result)
    env = cel.NewEnv(functions=[cel.FunctionDecl("probe", [overload])])
    env.compile("probe()").eval()
    return sys.getrefcount(result) > fair
