"""The chat platforms there are: the built-in ones, and those of plugins (`assay.chat`)."""

from __future__ import annotations

from ...graphs.registry import Registry
from .adapter import AdapterFactory
from .slack import slack


def platforms() -> Registry[AdapterFactory]:
    """A registry of its own, of what makes an adapter."""
    built_in: dict[str, AdapterFactory] = {"slack": slack}
    return Registry("chat platform", built_in, group="assay.chat")
