"""What the door of a server is told: who may come from where, how often, with how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from limits import RateLimitItem, parse

from ...graphs.errors import ConfigurationError
from ...graphs.units import parse_size

RATE = "6000/minute"
ADDRESS_RATE = "12000/minute"
HOOK_RATE = "6000/minute"
LARGEST = 1 << 20
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Front:
    """`origins` of other sites whose pages may ask; `rate` of one principal, `address_rate` of one
    address and `hook_rate` of one webhook (None: any); `largest` body in bytes, `patience` for it
    in seconds."""

    origins: tuple[str, ...] = ()
    rate: RateLimitItem | None = field(default_factory=lambda: parse(RATE))
    address_rate: RateLimitItem | None = field(default_factory=lambda: parse(ADDRESS_RATE))
    hook_rate: RateLimitItem | None = field(default_factory=lambda: parse(HOOK_RATE))
    largest: int = LARGEST
    patience: float = PATIENCE


def read_front(environ: Mapping[str, str]) -> Front:
    """What the settings say. Raises `ConfigurationError`."""
    return Front(
        _origins(environ.get("ASSAY_ORIGINS", "")),
        _rate(environ, "ASSAY_RATE", RATE),
        _rate(environ, "ASSAY_ADDRESS_RATE", ADDRESS_RATE),
        _rate(environ, "ASSAY_HOOK_RATE", HOOK_RATE),
        _size(environ.get("ASSAY_MAX_BODY")),
    )


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(each.strip().rstrip("/") for each in text.split(",") if each.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise ConfigurationError(
                f"ASSAY_ORIGINS has {origin!r}; give origins, as https://app.example, with commas"
            )
    return origins


def _rate(environ: Mapping[str, str], name: str, usual: str) -> RateLimitItem | None:
    text = environ.get(name) or usual
    if text == "off":
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} is {text!r}; give one, as {usual}, or off") from error


def _size(text: str | None) -> int:
    if not text:
        return LARGEST
    try:
        return parse_size(text)
    except ValueError as error:
        raise ConfigurationError(f"ASSAY_MAX_BODY: {error}") from error
