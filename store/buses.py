"""From a URL to the event bus that it names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..graphs.errors import ConfigurationError
from .bus import LocalBus
from .topics import LocalTopics

if TYPE_CHECKING:
    from ..graphs.topics import Topics
    from .pubsub.bus import PubSubBus
    from .pubsub.setup import Part

LOCAL = "local"
_PUBSUB = re.compile(r"pubsub://(?P<project>[a-z0-9][a-z0-9.:-]*)/?")
_FORMS = "local, for the listeners in this process, or pubsub://PROJECT"


@asynccontextmanager
async def connect_bus(url: str) -> AsyncIterator[LocalBus | PubSubBus]:
    """The bus that the URL names; closed afterwards.

    Raises `ConfigurationError` for a URL that names no bus, or without what it needs here,
    `StoreError` when the bus is not set up, `StoreUnavailable` when it cannot be reached.
    """
    if url in (LOCAL, f"{LOCAL}://"):
        yield LocalBus()
        return
    project = _project(url)
    try:
        from .pubsub.bus import PubSubBus
    except ImportError as error:
        raise _without_google(error) from error
    bus = await PubSubBus.open(project)
    try:
        yield bus
    finally:
        await bus.close()


def _project(url: str) -> str:
    """The project that the URL of a Pub/Sub bus names, else `ConfigurationError`."""
    found = _PUBSUB.fullmatch(url)
    if found is None:
        raise ConfigurationError(f"There is no bus {url!r}; give {_FORMS}.")
    return found["project"]


def connect_topics(url: str) -> Topics:
    """The topics of the project whose bus the URL names, or those of this process; nothing is
    connected yet. Raises `ConfigurationError`."""
    if url in (LOCAL, f"{LOCAL}://"):
        return LocalTopics()
    project = _project(url)
    try:
        from .pubsub.topics import PubSubTopics
    except ImportError as error:
        raise _without_google(error) from error
    return PubSubTopics(project)


async def setup_bus(url: str, *, check: bool = False) -> list[Part]:
    """Make what the bus needs, or with `check` only look; raises what `connect_bus` does."""
    if url in (LOCAL, f"{LOCAL}://"):
        return []
    project = _project(url)
    try:
        from .pubsub.setup import setup
    except ImportError as error:
        raise _without_google(error) from error
    return await setup(project, check=check)


def _without_google(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"Pub/Sub needs {error.name}, which is not installed; install it with: "
        "pip install 'assay[google]'"
    )
