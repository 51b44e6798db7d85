"""From a URL to an open store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ..graphs.errors import ConfigurationError

if TYPE_CHECKING:
    from ..graphs.ports import Store

_FORMS = (
    "sqlite:///relative.db, sqlite:////absolute/path.db, sqlite://:memory: for one that "
    "is gone when it is closed, or firestore://project/database"
)
_FIRESTORE = re.compile(
    r"(?P<project>[a-z0-9][a-z0-9.:-]*)(/(?P<database>\(default\)|[a-z][a-z0-9-]*)?)?"
    r"(\?(?P<query>.*))?"
)


async def connect(url: str) -> Store:
    """Open the store that the URL names, making its file and folders when absent.

    Raises `ConfigurationError` for a URL that names no kind of store, and `StoreError` when
    the store cannot be opened.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigurationError(f"The store is no URL; give {_FORMS}.")
    if scheme == "firestore":
        return await _firestore(url)
    if scheme != "sqlite":
        raise ConfigurationError(f"There is no store {scheme!r}; give {_FORMS}.")
    from .sqlite.store import SqliteStore

    if rest in (":memory:", "/:memory:"):
        return await SqliteStore.open(None)
    if not rest.startswith("/") or rest == "/" or "\0" in rest:
        raise ConfigurationError(f"{url!r} does not name a file; give {_FORMS}.")
    return await SqliteStore.open(Path(rest[1:]))


def firestore_place(url: str) -> tuple[str, str, str]:
    """The project, the database and the root. Raises `ConfigurationError`."""
    return _firestore_parts(url)[:3]


async def _firestore(url: str) -> Store:
    project, database, root, ttl = _firestore_parts(url)
    from .firestore.store import FirestoreStore
    from .firestore.workers import TTL

    return await FirestoreStore.open(project, database, root=root, ttl=ttl or TTL)


def _firestore_parts(url: str) -> tuple[str, str, str, float | None]:
    """`prefix` is the name of a root beside others in one database; `ttl` is in seconds."""
    found = _FIRESTORE.fullmatch(url.partition("://")[2])
    if found is None:
        raise ConfigurationError(f"{url!r} does not name a project and a database; give {_FORMS}.")
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    root, ttl = options.pop("prefix", ""), options.pop("ttl", "")
    if options or "/" in root or not re.fullmatch(r"([0-9]+(\.[0-9]+)?)?", ttl):
        raise ConfigurationError(
            f"{url!r} has options that a store does not have; there are ?prefix=NAME, a root "
            "beside others, and ttl=SECONDS, after which a silent worker is dead."
        )
    database = found["database"] or "(default)"
    return found["project"], database, root, float(ttl) if ttl else None
