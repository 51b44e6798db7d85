"""What stores keep of triggers and their firings as JSON, and how they sort and page it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..graphs.errors import InvalidInput
from ..graphs.firing import PAYLOAD_LIMIT, Firing, FiringStatus, Lane, Trigger
from .records import checked, encode

OPEN = ", ".join(f"'{status.value}'" for status in FiringStatus if status.open)
"""The statuses of firings that somebody has yet to look at, for `status IN (...)`."""

_ABOUT = ("workflow", "execution_id", "attempts", "depth", "into", "reason", "by", "profile")


def trigger_texts(trigger: Trigger) -> tuple[str, str]:
    """Its document and its memory as JSON; raises `InvalidInput` or `StoreError`."""
    what = f"Trigger {checked(trigger.id, 'The id of the trigger')}"
    document, memory = encode(trigger.document, what), encode(trigger.memory, what)
    _check_size(what, document, memory)
    return document, memory


def firing_texts(firing: Firing) -> tuple[str, str]:
    """Its payload and its attributes as JSON; raises `InvalidInput` or `StoreError`."""
    what = f"Firing {checked(firing.id, 'The id of the firing')} of {firing.trigger}"
    payload, attributes = encode(firing.payload, what), encode(firing.attributes, what)
    _check_size(what, payload, attributes)
    return payload, attributes


def lane_text(lane: Lane) -> str:
    """Its document as JSON; raises `InvalidInput` or `StoreError`."""
    what = f"Lane {checked(lane.id, 'The id of the lane')} of {lane.trigger}"
    document = encode(lane.document, what)
    _check_size(what, document)
    return document


def about(firing: Firing) -> dict[str, Any]:
    """What is kept of a firing in one document, apart from what came and what is sorted by."""
    return {**{name: getattr(firing, name) for name in _ABOUT}, "merged": list(firing.merged)}


def firing_of(about: Mapping[str, Any], **rest: Any) -> Firing:
    """Raises `KeyError`, `TypeError` or `ValueError`."""
    given = {**about, **rest}
    given["status"], given["merged"] = FiringStatus(given["status"]), tuple(given["merged"])
    return Firing(**given)


def one_of(workflow: str | None, type: str | None, due: float | None) -> None:
    """Raises `InvalidInput` when triggers are asked for by more than one of them."""
    if sum(each is not None for each in (workflow, type, due)) > 1:
        raise InvalidInput("Triggers are listed by workflow, by type or by time; give one of them.")


def due_cursor(due: float, id: str) -> str:
    return f"{due!r} {id}"


def due_place(cursor: str) -> tuple[float, str]:
    """Where a page of what is due begins; raises `InvalidInput`."""
    due, _, id = cursor.partition(" ")
    try:
        return float(due), id
    except ValueError as error:
        raise InvalidInput(
            f"{cursor!r} is no cursor of this listing; begin without one."
        ) from error


def _check_size(what: str, *texts: str) -> None:
    size = sum(len(text.encode()) for text in texts)
    if size > PAYLOAD_LIMIT:
        raise InvalidInput(
            f"{what} is too large: {size:,} bytes of JSON, of at most {PAYLOAD_LIMIT:,}; "
            "send less, or a link to it."
        )
