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


def trigger_service(manager: Manager, *, private: bool = False) -> TriggerService:
    """What fires the triggers of a store while it is `running`; `private`: notifications may go
    to addresses that are not public."""
    from ..triggers.desk import Desk
    from ..triggers.notifications.notifier import tell
    from ..triggers.service import TriggerService

    desk = Desk(manager, trigger_kinds())
    service = TriggerService(desk)
    tell(service, private=private)
    return service
