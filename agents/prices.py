"""What models cost: a table that comes with Assay, and one of the user's before it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..graphs.errors import ConfigurationError
from ..graphs.ledger import Price

FREE = Price(0.0, 0.0)

_OURS = Path(__file__).with_name("prices.toml")

_EDITION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
"""How names of models say which edition they are."""


class Prices:
    """By the name of a model, with or without its provider and its edition."""

    def __init__(self, own: str | Path | None = None) -> None:
        """`own` is a file as `prices.toml` is one. Raises `ConfigurationError`."""
        self._prices = dict(_read(_OURS))
        if own is not None:
            self._prices |= _read(Path(own))

    def of(self, model: str) -> Price | None:
        """None when nobody knows it."""
        name = model.partition(":")[2] or model
        for wanted in (model, name, _EDITION.sub("", name)):
            if wanted in self._prices:
                return self._prices[wanted]
        return None


@cache
def _read(path: Path) -> Mapping[str, Price]:
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"ASSAY_PRICES: {path} cannot be read: {error}") from error
    models = table.get("models")
    if not isinstance(models, dict):
        raise ConfigurationError(
            f'ASSAY_PRICES: {path} has no table [models]; write "NAME" = '
            "{ input = 1.25, output = 10.0 } in it, in US dollars for a million tokens"
        )
    return {name: _price(path, name, row) for name, row in models.items()}


def _price(path: Path, name: str, row: Any) -> Price:
    known = {"input", "output", "cached"}
    fits = (
        isinstance(row, dict)
        and {"input", "output"} <= row.keys() <= known
        and all(isinstance(v, int | float) and 0 <= v < 1e6 for v in row.values())
    )
    if not fits:
        raise ConfigurationError(
            f"ASSAY_PRICES: {path}: the price of {name!r} is {row!r}; write "
            "{ input = 1.25, output = 10.0 }, and `cached` if it has one"
        )
    return Price(float(row["input"]), float(row["output"]), row.get("cached"))
