"""A tool as one agent has it: what the model reads of it, and what is done when it is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Offer:
    """`schema` is of the arguments: a model, which checks them, or a JSON Schema, which `work`
    has to check. `work` gives what the model is told; an error that it raises is told, too."""

    name: str
    description: str
    schema: type[BaseModel] | Mapping[str, Any]
    work: Callable[[Mapping[str, Any]], Awaitable[str]]
