"""State as bytes: serialized, cut into chunks, and verified when they come back."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ...graphs.errors import StoreError
from .rows import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langgraph.checkpoint.serde.base import SerializerProtocol

CHUNK = 900_000
"""Bytes a chunk holds at most: a document of Firestore holds 1 MiB in all."""
SMALL = 1024
"""Bytes up to which a value lies in its row: less than a chunk of its own would cost."""

_DIGEST = 32


class Encoding:
    """Makes the values of one change, and gathers the chunks that they are made of.

    The same bytes are the same chunk: a value that a node wrote and a channel then holds, or
    the beginning of a list that grew.
    """

    def __init__(self, serde: SerializerProtocol, thread: str) -> None:
        self._dumps = serde.dumps_typed
        self._thread = thread
        self.chunks: dict[bytes, bytes] = {}

    def value(self, obj: Any, channel: str, *, small: int = SMALL) -> Value:
        """The object as a row keeps it; beyond `small` bytes it lies in chunks.

        No channel stands for the checkpoint itself, with its metadata. Raises `StoreError` when
        it cannot be serialized.
        """
        try:
            type, data = self._dumps(obj)
        except Exception as error:
            what = f"Channel {channel!r}" if channel else "The metadata"
            raise StoreError(
                f"{what} of thread {self._thread!r} cannot be stored: {error}. Keep plain data, "
                "messages, dataclasses or pydantic models in the state."
            ) from error
        if len(data) <= small:
            data = bytes(data)  # a bytearray is the caller's to change
            return Value(type, sha256(data).digest(), data)
        digests = []
        for start in range(0, len(data), CHUNK):
            chunk = bytes(data[start : start + CHUNK])
            digests.append(sha256(chunk).digest())
            self.chunks[digests[-1]] = chunk
        return Value(type, b"".join(digests), None)


def apart(value: Value) -> Iterator[bytes]:
    """The digests of the chunks that do not lie in the row."""
    if value.data is None:
        for start in range(0, len(value.digests), _DIGEST):
            yield value.digests[start : start + _DIGEST]


def decode(serde: SerializerProtocol, value: Value, chunks: Mapping[bytes, bytes]) -> Any:
    """The object. Raises `Damaged` when the bytes are not those that were kept."""
    if value.data is not None:
        if sha256(value.data).digest() != value.digests:
            raise Damaged("its bytes are not what their digest says")
        return serde.loads_typed((value.type, value.data))
    return serde.loads_typed((value.type, b"".join(_verified(value, chunks))))


class Damaged(Exception):
    """Bytes are missing or have changed. Becomes a `StateCorrupted` that says where."""


def _verified(value: Value, chunks: Mapping[bytes, bytes]) -> Iterator[bytes]:
    digests = list(apart(value))
    for number, digest in enumerate(digests, 1):
        chunk = chunks.get(digest)
        if chunk is None:
            raise Damaged(f"chunk {number} of {len(digests)} is missing")
        if sha256(chunk).digest() != digest:
            raise Damaged(f"chunk {number} of {len(digests)} is not what its digest says")
        yield chunk
