"""What can never fire a trigger, however often it comes: written down with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..graphs.execution import new_id
from ..graphs.firing import Firing, FiringStatus, firing_id
from ..graphs.units import format_moment

if TYPE_CHECKING:
    from ..graphs.firing import Trigger
    from .desk import Desk


LONGEST = 1000
"""Characters of each attribute: they may be what is too large."""


async def bury(
    desk: Desk,
    trigger: Trigger,
    reason: str,
    *,
    id: str,
    attributes: Mapping[str, str] | None = None,
    depth: int = 0,
) -> None:
    """A dead firing, by the `id` of what came; nothing if there is a firing of that id."""
    firing = Firing(
        firing_id(trigger.id, id),
        trigger.id,
        trigger.workflow,
        format_moment(desk.now()),
        new_id(),
        attributes={name: text[:LONGEST] for name, text in (attributes or {}).items()},
        status=FiringStatus.DEAD,
        depth=depth,
        reason=reason,
    )
    await desk.store.put_firing(firing)
