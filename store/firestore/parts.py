"""Changes of documents, cut into parts that fit one commit each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from .database import LARGEST, MOST_WRITES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .database import Batch, Database

Fields: TypeAlias = "dict[str, Any]"


class Name(NamedTuple):
    """Where a document lies."""

    collection: str
    id: str


class Change(NamedTuple):
    """A document to be written whole or, without fields, deleted."""

    name: Name
    fields: Fields | None


class Part:
    """Changes as they come, as many as fit one commit beside one small change more."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._size = 0

    def take(self, *changes: Change) -> list[Change]:
        """Add the changes; where they do not fit, to a new part. Returns the full one, or []."""
        size = sum(500 + _size(change.fields) for change in changes)
        full: list[Change] = []
        if self._size + size > LARGEST or len(self.changes) + len(changes) >= MOST_WRITES:
            full, self.changes, self._size = self.changes, [], 0
        self.changes += changes
        self._size += size
        return full


def cut(changes: Iterable[Change]) -> list[list[Change]]:
    """The changes in their order, in parts that fit a commit; at least one, maybe empty."""
    part = Part()
    full = [some for some in map(part.take, changes) if some]
    return [*full, part.changes]


def cut_deletions(groups: Iterable[Sequence[Name]]) -> list[list[Change]]:
    """The same for documents to be deleted; those of a group go together, if they can."""
    part = Part()
    full: list[list[Change]] = []
    for group in groups:
        changes = [Change(name, None) for name in group]
        parted = [changes] if len(changes) < MOST_WRITES else [[change] for change in changes]
        full += filter(None, (part.take(*some) for some in parted))
    return [*full, part.changes]


def add(batch: Batch, database: Database, changes: Iterable[Change]) -> Batch:
    for name, fields in changes:
        if fields is None:
            batch.delete(database.at(*name))
        else:
            batch.put(database.at(*name), fields)
    return batch


def _size(value: Any) -> int:
    """About how many bytes a field takes on the way, rather too many than too few."""
    if isinstance(value, dict):
        return 16 + sum(_size(key) + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return 16 + sum(map(_size, value))
    if isinstance(value, str):
        return 16 + (len(value) if value.isascii() else 4 * len(value))
    return 16 + (len(value) if isinstance(value, bytes) else 0)
