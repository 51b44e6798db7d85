"""One short text for a whole JSON value."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from ..graphs.errors import InvalidInput


def digest_of(value: Any) -> str:
    """The same for equal JSON. Raises `InvalidInput` for what JSON cannot hold."""
    try:
        canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise InvalidInput(f"JSON cannot hold it: {error}") from error
    return hashlib.sha256(canonical).hexdigest()
