"""The chat platforms there are: the built-in ones, and those of plugins (`assay.chat`)."""

from __future__ import annotations

from ...graphs.registry import Registry
from .adapter import AdapterFactory
from .generic import json_adapter
from .slack import slack
from .telegram import telegram_adapter


def platforms() -> Registry[AdapterFactory]:
    """A registry of its own, of what makes an adapter."""
    built_in: dict[str, AdapterFactory] = {
        "json": json_adapter,
        "slack": slack,
        "telegram": telegram_adapter,
    }
    return Registry("chat platform", built_in, group="assay.chat")
