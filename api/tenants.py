"""Tenants: each has a store, keys and executions of its own, and knows of no other's."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..graphs.errors import ConfigurationError
from ..graphs.listing import every
from ..graphs.secrets import of_tenant
from .app import open_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from types import TracebackType

    from ..graphs.ports import Store
    from .app import App
    from .settings import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Tenants:
    """The apps that one server has open: the one without a name, and one for each tenant."""

    def __init__(self, settings: Settings, workspace: Path, names: Sequence[str] = ()) -> None:
        """Raises `ConfigurationError` for a name that no key could carry."""
        for name in names:
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{name!r} cannot name a tenant; use small letters, digits and `-`"
                )
        self.names = ("", *names)
        self._settings = settings
        self._workspace = workspace
        self._apps: dict[str, App] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Opens every app: what its executions wait for goes on without anybody asking."""
        try:
            for name in self.names:
                self._apps[name] = await self._stack.enter_async_context(self._open(name))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def before_closing(self, end: Callable[[], Awaitable[None]]) -> None:
        """Have it called when these are closed, before any of the apps is."""
        self._stack.push_async_callback(end)

    def app(self, name: str = "") -> App:
        """The app of a tenant there is."""
        return self._apps[name]

    @property
    def apps(self) -> Sequence[App]:
        return tuple(self._apps.values())

    def store(self, name: str) -> Store | None:
        """The store of a tenant; None when there is no such tenant."""
        app = self._apps.get(name)
        return None if app is None else app.manager.store

    async def any_key(self) -> bool:
        """Whether anybody has ever been given a key that is still there."""
        for app in self.apps:
            async for each in every(app.manager.store.principals):
                if each.key_hash:
                    return True
        return False

    def _open(self, name: str) -> AbstractAsyncContextManager[App]:
        settings = self._settings
        home = settings.home / "tenants" / name if name else settings.home
        return open_app(
            store_of(settings.store, name),
            home=home,
            workspace=self._workspace,
            environ=of_tenant(settings.environ, name),
        )


def store_of(url: str, tenant: str) -> str:
    """The URL of a tenant's store, beside the one of the server."""
    if not tenant:
        return url
    parts = urlsplit(url)
    if parts.scheme == "firestore":
        query = f"{parts.query}&" if parts.query else ""
        if "prefix=" in query:
            raise ConfigurationError(f"{url}: tenants have prefixes of their own; take it away")
        return urlunsplit(parts._replace(query=query + urlencode({"prefix": tenant})))
    folder, _, file = url.rpartition("/")
    return f"{folder}/tenants/{tenant}/{file}"
