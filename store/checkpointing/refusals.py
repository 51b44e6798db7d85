"""What no back end does, in words: changes that would lose or mix up somebody's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rows import BlobKey, Head


def cannot_go_on(head: Head, lost: Iterable[BlobKey]) -> StoreError:
    """A checkpoint relies on blobs that are gone: it could never be read again."""
    channels = ", ".join(sorted(repr(channel) for channel, _ in lost))
    return StoreError(
        f"Checkpoint {head.id} of thread {head.thread!r} cannot be kept: the store does not "
        f"hold the value of {channels} that it goes on with. What it goes "
        "on from was pruned or deleted meanwhile; start again from the latest checkpoint."
    )


def cannot_copy(source: str, target: str) -> StoreError:
    """A copy would mix with what the target holds."""
    return StoreError(
        f"Thread {source!r} cannot be copied to {target!r}, which holds checkpoints already; "
        "delete that one first, or give another id."
    )
