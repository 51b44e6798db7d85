"""Opens the place that the settings name: a server when ASSAY_URL does, else the store here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ...graphs.errors import ConfigurationError
from ..settings import read_settings
from .lookup import open_store

if TYPE_CHECKING:
    from ..client.client import Client
    from .site import Records, Site


def server() -> str | None:
    """The address of the server that is meant; None: this machine's own store is."""
    return read_settings().environ.get("ASSAY_URL") or None


def here_only(command: str) -> None:
    """Raises `ConfigurationError` for what works on a store alone while a server is meant."""
    url = server()
    if url is not None:
        raise ConfigurationError(
            f"`assay {command}` works on this machine, and ASSAY_URL (or --url) names the server "
            f"{url}; run it where the store is, with ASSAY_URL= before it"
        )


@asynccontextmanager
async def open_records() -> AsyncIterator[Records]:
    """What is read only. Raises `StoreError`, `ServerUnreachable`."""
    url = server()
    if url is not None:
        async with _remote(url) as site:
            yield site
        return
    from .local import LocalRecords

    async with open_store() as store:
        yield LocalRecords(store)


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """What is read and steered. Raises `StoreError`, `ServerUnreachable`."""
    url = server()
    if url is not None:
        async with _remote(url) as site:
            yield site
        return
    from ..app import open_app
    from .local import LocalSite

    async with open_app() as app:
        yield LocalSite(app)


def client(url: str) -> Client:
    """Whoever the settings' key is for, to be entered. Raises `ConfigurationError`."""
    from ..client.client import Client

    return Client(url, key=read_settings().environ.get("ASSAY_KEY"))


@asynccontextmanager
async def _remote(url: str) -> AsyncIterator[Site]:
    from .remote import RemoteSite

    async with client(url) as asking:
        yield RemoteSite(asking)
