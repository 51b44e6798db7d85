"""The providers of one process, by name."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from .errors import ProviderConflict, ProviderNotFound
from .registry import nearest

if TYPE_CHECKING:
    from .ports import Provider

GROUP = "assay.providers"
"""Entry points of it are called without arguments, and give a provider."""

_log = logging.getLogger("assay.providers")


class Providers:
    """Registered by any thread, read by any number without waiting: a registration replaces
    the whole mapping, so that a reader has the one before or the one after."""

    def __init__(self, logger: logging.Logger = _log) -> None:
        self._providers: Mapping[str, Provider] = MappingProxyType({})
        self._writing = threading.Lock()
        self._discovering = threading.Lock()
        self._discovered = False
        self._log = logger

    def register(self, provider: Provider) -> None:
        """Raises `ProviderConflict` when there is one of that name."""
        name = provider.name()
        with self._writing:
            if name in self._providers:
                raise ProviderConflict(
                    f"a provider {name!r} is registered already; give yours another name"
                )
            self._providers = MappingProxyType({**self._providers, name: provider})
        self._log.info("provider %s is registered", name)

    def get(self, name: str) -> Provider:
        """Raises `ProviderNotFound`, with the nearest there is."""
        found = self._providers.get(name) or self._all().get(name)
        if found is None:
            raise ProviderNotFound(f"no provider is named {name!r}{nearest(name, self._providers)}")
        return found

    def has(self, name: str) -> bool:
        return name in self._providers or name in self._all()

    def list(self) -> Sequence[str]:
        """The names, sorted."""
        return sorted(self._all())

    def _all(self) -> Mapping[str, Provider]:
        """With those that are installed; one that was registered by hand is never replaced."""
        with self._discovering:
            if not self._discovered:
                for point in entry_points(group=GROUP):
                    make: Callable[[], Provider] = point.load()
                    provider = make()
                    if provider.name() not in self._providers:
                        self.register(provider)
                self._discovered = True
        return self._providers
