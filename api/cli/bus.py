"""`assay bus setup`: makes what the bus needs, or says what is missing."""

from __future__ import annotations

from dataclasses import asdict

from ...graphs.errors import ConfigurationError
from ...store.buses import LOCAL, setup_bus
from ..settings import read_settings
from .exits import FAILED, OK
from .output import Output


async def setup(url: str | None, *, check: bool, json: bool) -> int:
    """1 when something is missing, which only `check` leaves so.

    Raises `ConfigurationError` when there is nothing to set up, or `StoreError`.
    """
    url = url or read_settings().environ.get("ASSAY_BUS") or LOCAL
    parts = await setup_bus(url, check=check)
    if not parts:
        raise ConfigurationError(
            f"The bus is {url!r}, which needs nothing; name another one: "
            "assay bus setup pubsub://PROJECT (or set ASSAY_BUS)"
        )
    out = Output()
    if json:
        out.json([asdict(part) for part in parts])
    for part in () if json else parts:
        out.line(f"{part.state:<8} {part.kind} {part.name}")
    return FAILED if any(part.state == "missing" for part in parts) else OK
