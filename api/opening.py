"""A server as its settings describe it: whose stores it opens, and whom it believes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..graphs.errors import ConfigurationError
from .identity import Identity
from .tenants import store_of

if TYPE_CHECKING:
    from pathlib import Path

    from .settings import Settings
    from .tenants import Tenants


def read_tenants(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names of tenants in ASSAY_TENANTS."""
    given = environ.get("ASSAY_TENANTS", "").split(",")
    return tuple(dict.fromkeys(name.strip() for name in given if name.strip()))


def place_of(settings: Settings, tenant: str) -> tuple[str, Path]:
    """The store and the folder of a tenant. Raises `ConfigurationError` when nobody knows it."""
    if not tenant:
        return settings.store, settings.home
    if tenant not in (names := read_tenants(settings.environ)):
        there = ", ".join(names) or "none"
        raise ConfigurationError(f"there is no tenant {tenant!r}; ASSAY_TENANTS names: {there}")
    return store_of(settings.store, tenant), settings.home / "tenants" / tenant


def identity(environ: Mapping[str, str], tenants: Tenants) -> Identity:
    """By keys, and by the tokens of ASSAY_ISSUER. Raises `ConfigurationError`."""
    issuer, audience = environ.get("ASSAY_ISSUER"), environ.get("ASSAY_AUDIENCE")
    if not issuer:
        return Identity(tenants)
    if not audience:
        raise ConfigurationError("ASSAY_ISSUER is set without ASSAY_AUDIENCE; give both")
    from .tokens import Issuer, OidcTokens

    claims = {
        f"{name}_claim": environ[f"ASSAY_{name.upper()}_CLAIM"]
        for name in ("role", "scopes", "tenant", "name", "profile")
        if environ.get(f"ASSAY_{name.upper()}_CLAIM")
    }
    return Identity(tenants, OidcTokens(Issuer(issuer, audience, **claims), tenants))
