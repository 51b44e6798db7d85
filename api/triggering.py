"""The triggers of one store: which kinds there are, and what runs to fire them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graphs.manager import Manager
    from ..graphs.registry import Registry
    from ..graphs.topics import Topics
    from ..graphs.trigger import TriggerKind
    from ..triggers.service import TriggerService


@cache
def trigger_kinds() -> Registry[TriggerKind]:
    """Every kind of trigger there is."""
    from ..triggers.kinds import kinds

    return kinds()


def trigger_service(
    manager: Manager, topics: Topics | None = None, *, private: bool = False
) -> TriggerService:
    """What fires the triggers of a store while it is `running`; `private`: notifications may go
    to addresses that are not public. Without topics, triggers that wait for one hear none."""
    from ..triggers.clock import tick
    from ..triggers.desk import Desk
    from ..triggers.events import Events
    from ..triggers.file import Files
    from ..triggers.notifications.notifier import tell
    from ..triggers.service import TriggerService

    kinds = trigger_kinds().copy()
    desk = Desk(manager, kinds)
    kinds.register("event", Events(topics, desk))
    files = Files(manager.launches.workspace, manager.store)
    kinds.register("file", files)
    desk.making.append(files.making)
    service = TriggerService(desk)
    tick(service)
    tell(service, private=private)
    return service
