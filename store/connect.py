"""From a URL to an open store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..graphs.errors import ConfigurationError

if TYPE_CHECKING:
    from ..graphs.ports import Store

_FORMS = (
    "sqlite:///relative.db, sqlite:////absolute/path.db, or sqlite://:memory: for one that "
    "is gone when it is closed"
)


async def connect(url: str) -> Store:
    """Open the store that the URL names, making its file and folders when absent.

    Raises `ConfigurationError` for a URL that names no kind of store, and `StoreError` when
    the store cannot be opened.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigurationError(f"The store is no URL; give {_FORMS}.")
    if scheme != "sqlite":
        raise ConfigurationError(f"There is no store {scheme!r}; give {_FORMS}.")
    from .sqlite.store import SqliteStore

    if rest in (":memory:", "/:memory:"):
        return await SqliteStore.open(None)
    if not rest.startswith("/") or rest == "/" or "\0" in rest:
        raise ConfigurationError(f"{url!r} does not name a file; give {_FORMS}.")
    return await SqliteStore.open(Path(rest[1:]))
