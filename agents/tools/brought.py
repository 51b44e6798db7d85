"""Functions of the people who embed Assay, as tools of their agents."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import PydanticUserError, TypeAdapter
from pydantic_core import ArgsKwargs, to_json

from ...graphs.errors import ConfigurationError
from ...graphs.profiles import profile
from .offer import Offer
from .reach import bounded, clean

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

MCP = "__"
"""What stands between a server of MCP and its tool; no other name has it."""


class FunctionTool:
    """A function that agents may call, with `security_profile: <least>` or one that may more.

    Its type hints become the schema of the arguments, its docstring what the model reads. It
    runs in this process and may whatever this process may. Raises `ConfigurationError` for
    what cannot be a tool.
    """

    def __init__(self, name: str, function: Callable[..., Any], *, least: str = "standard") -> None:
        if not _NAME.fullmatch(name) or MCP in name:
            raise ConfigurationError(
                f"no tool can be named {name!r}; use letters, digits, `-` and single `_`"
            )
        self.name = name
        self.least = profile(least).name
        self.description = inspect.getdoc(function) or name
        self._function = function
        self._arguments, self.schema = _arguments(name, function)

    def offer(self) -> Offer:
        return Offer(self.name, self.description, self.schema, self._call)

    async def _call(self, arguments: Mapping[str, Any]) -> str:
        given = ArgsKwargs((), dict(arguments))
        if inspect.iscoroutinefunction(self._function):
            value = self._arguments.validate_python(given)
        else:
            value = await asyncio.to_thread(self._arguments.validate_python, given)
        if inspect.isawaitable(value):
            value = await value
        said = value if isinstance(value, str) else to_json(value, fallback=str).decode()
        return bounded(clean(said))


def _arguments(
    name: str, function: Callable[..., Any]
) -> tuple[TypeAdapter[Any], Mapping[str, Any]]:
    """What checks the arguments and calls the function, and their JSON Schema."""
    try:
        untyped = [
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.annotation is inspect.Parameter.empty
        ]
        if untyped:
            raise TypeError(f"{', '.join(untyped)} has no type hint, so no model knows what to say")
        arguments: TypeAdapter[Any] = TypeAdapter(cast("Any", function))
        schema = arguments.json_schema()
        if schema.get("type") != "object":
            raise TypeError("a model names its arguments; have none that are positional only")
    except (TypeError, ValueError, NameError, PydanticUserError) as error:
        raise ConfigurationError(f"{name!r} cannot be a tool: {error}") from error
    return arguments, schema
