"""The triggers of one store: which kinds there are, and what runs to fire them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graphs.manager import Manager
    from ..graphs.registry import Registry
    from ..graphs.trigger import TriggerKind
    from ..triggers.service import TriggerService


@cache
def trigger_kinds() -> Registry[TriggerKind]:
    """Every kind of trigger there is."""
    from ..triggers.kinds import kinds

    return kinds()


def trigger_service(manager: Manager) -> TriggerService:
    """What fires the triggers of a store while it is `running`."""
    from ..triggers.desk import Desk
    from ..triggers.service import TriggerService

    return TriggerService(Desk(manager, trigger_kinds()))
