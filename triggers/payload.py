"""What came with a firing: kept as JSON, seen by the expressions of its trigger."""

from __future__ import annotations

from typing import Any

import orjson

from ..graphs.errors import InvalidInput
from ..graphs.firing import Firing, Trigger
from ..graphs.scope import Scope


def plain(payload: Any) -> Any:
    """What came as JSON; raises `InvalidInput`."""
    try:
        return orjson.loads(orjson.dumps(payload))
    except (TypeError, orjson.JSONDecodeError) as error:
        raise InvalidInput(f"what came cannot be kept as JSON: {error}") from error


def scope_of(firing: Firing, trigger: Trigger) -> Scope:
    """What a trigger's expressions see (`graphs.trigger.NAMES`)."""
    about = {
        "id": trigger.id,
        "type": trigger.type,
        "workflow": trigger.workflow,
        "at": firing.at,
    }
    return Scope(
        local={"payload": firing.payload, "attributes": firing.attributes, "trigger": about}
    )
