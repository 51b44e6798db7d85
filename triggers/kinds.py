"""The kinds of triggers there are: the built-in ones, and those of plugins."""

from __future__ import annotations

from ..graphs.registry import Registry
from ..graphs.trigger import TriggerKind
from .chat.trigger import Chat
from .cron import Cron
from .events import Events
from .file import File
from .manual import Manual
from .notifications.trigger import Notification
from .webhooks.trigger import Webhook


def kinds() -> Registry[TriggerKind]:
    """A registry of its own."""
    built_in: dict[str, TriggerKind] = {
        "chat": Chat(),
        "cron": Cron(),
        "event": Events(),
        "file": File(),
        "manual": Manual(),
        "notification": Notification(),
        "webhook": Webhook(),
    }
    return Registry("kind of trigger", built_in, group="assay.triggers")
