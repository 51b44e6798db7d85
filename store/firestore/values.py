"""How values become bytes in a field and come back. Fields that hold them are not indexed."""

from __future__ import annotations

import zlib
from typing import Any

from ...graphs.errors import InvalidInput, StateCorrupted, StoreError
from ..records import decode, encode

MOST = 900_000
"""Bytes of one field; Firestore takes documents up to 1 MiB."""

_SMALL = 8_000  # bytes that are not worth the time to compress them


def pack(value: Any, what: str) -> bytes:
    """The value as JSON; raises `StoreError` that names `what` when it is none, or too large."""
    return squeeze(encode(value, what).encode(), what)


def squeeze(text: bytes, what: str) -> bytes:
    """JSON as it is kept; raises `StoreError` when it is too large."""
    if len(text) <= _SMALL:
        return text
    data = zlib.compress(text, 1)
    if len(data) > MOST:
        raise StoreError(
            f"{what} is too large for Firestore: {len(text):,} bytes, {len(data):,} when "
            f"compressed, of at most {MOST:,}; keep large values in files."
        )
    return data


def unpack(data: bytes, what: str) -> Any:
    """The value; raises `StateCorrupted` when it is damaged."""
    if data[:1] == b"\x78":  # zlib's first byte, with which no JSON begins
        try:
            data = zlib.decompress(data)
        except zlib.error as error:
            raise StateCorrupted(f"{what} is damaged in the store: {error}.") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise StateCorrupted(f"{what} is damaged in the store: {error}.") from error
    return decode(text, what)


def number(cursor: str | None, default: int) -> int:
    """The cursor of a listing in order of numbers; raises `InvalidInput`."""
    if cursor is None:
        return default
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20 and int(cursor) < 2**63):
        raise InvalidInput(f"{cursor!r} is no cursor of this listing; begin without one.")
    return int(cursor)
