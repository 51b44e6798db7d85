"""Durable LangGraph checkpointers, for any graph, with or without Assay.

async with SqliteSaver.open("state.db") as saver:  # or FirestoreSaver.open(project="mine")
    graph = builder.compile(checkpointer=saver)
    await graph.ainvoke(inputs, {"configurable": {"thread_id": "1"}})
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .graphs.errors import ConfigurationError, StateCorrupted, StoreError
from .store.checkpointing.saver import Saver, serializer
from .store.sqlite.checkpoints import SqliteCheckpoints
from .store.sqlite.database import Database
from .store.sqlite.reader import Reader
from .store.sqlite.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol

__all__ = ["FirestoreSaver", "KeyRing", "SqliteSaver", "StateCorrupted", "StoreError"]


class SqliteSaver(Saver):
    """Keeps the state of LangGraph graphs in an SQLite file. Made by `open`.

    - **Small.** A channel's value is stored once for each version of it, not once for each
      step; of larger ones, equal bytes are stored once in a thread. A state may be of any size.
    - **Durable.** A checkpoint is on the disk (WAL, `synchronous=FULL`) when LangGraph goes on.
      The writes of a step and the checkpoint after it are one transaction, and graphs that run
      at the same time share transactions: a thousand of them do not wait for a thousand fsyncs.
    - **Safe.** Every byte is verified by SHA-256 when it is read; damage raises
      `StateCorrupted`, which names thread, checkpoint and channel. Stored bytes cannot name
      code to be run: only plain data, messages, LangGraph's own types and those in `allow`.
    - **Complete.** All eight capabilities of LangGraph's conformance kit, and `DeltaChannel`s.
      `aprune(threads)` never breaks a graph that waits for an answer.

    Use it from the event loop that opened it; from other threads the synchronous methods work
    too. Several processes may open one file, which may also be an Assay store.
    """

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | os.PathLike[str] | None,
        *,
        allow: Iterable[type | tuple[str, str]] = (),
        cipher: CipherProtocol | None = None,
        serde: SerializerProtocol | None = None,
        may_prune: Callable[[str], Awaitable[bool]] | None = None,
    ) -> AsyncIterator[Self]:
        """A saver over that file, made when absent; None or ":memory:" keeps all in memory.

        `allow` names the dataclasses, pydantic models and enums of your state, as types or as
        pairs of module and name; what is not allowed comes back as plain data. `cipher`, such as
        a `KeyRing`, encrypts the state and metadata (not ids, namespaces and names of channels,
        nodes and runs). `serde` replaces both. `may_prune` is asked before a thread is pruned.

        Raises `StoreError` when the file cannot be used, `ConfigurationError` for options that
        exclude each other.
        """
        serde = _serializer(serde, allow, cipher)
        file = None if path is None or path == ":memory:" else Path(path)
        database = Database(file)
        writer = Writer(database, await asyncio.to_thread(database.create))
        # A database in memory belongs to its one connection.
        reader = None if file is None else Reader(database)
        saver = cls(
            SqliteCheckpoints(writer, reader),
            serde=serde,
            may_prune=may_prune,
        )
        try:
            yield saver
        finally:
            await saver.settle()
            if reader is not None:
                await reader.close()
            await writer.close()


class FirestoreSaver(Saver):
    """Keeps the state of LangGraph graphs in Google's Firestore. Made by `open`.

    Small, safe and complete as `SqliteSaver` is, and for many machines at once:

    - **One commit** for the writes of a step and the checkpoint after it, all or none. In a
      thread that runs on, nothing is read before it.
    - **Nobody overwrites anybody.** A commit counts only if nobody else wrote to the thread
      since; then it is checked and made again. Readers see one moment, and lock nothing.
    - **States of any size**, in documents of less than 1 MiB. No composite index is needed;
      the indexes that large fields should not have are in `deploy/firestore.indexes.json`.

    Use it from the event loop that opened it; from other threads the synchronous methods work
    too. Needs `pip install 'assay[google]'`. Google's emulator is used where the environment
    names it (`FIRESTORE_EMULATOR_HOST`).
    """

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        project: str,
        database: str = "(default)",
        root: str = "",
        allow: Iterable[type | tuple[str, str]] = (),
        cipher: CipherProtocol | None = None,
        serde: SerializerProtocol | None = None,
        may_prune: Callable[[str], Awaitable[bool]] | None = None,
    ) -> AsyncIterator[Self]:
        """A saver over that database; under a document named `root`, where one is given.

        `allow`, `cipher`, `serde` and `may_prune` are those of `SqliteSaver.open`.

        Raises `ConfigurationError` when Google's client is not installed or options exclude
        each other, `StoreError` without credentials. Whether the database can be used is seen
        when it is used first.
        """
        from .store.firestore.checkpoints import FirestoreCheckpoints
        from .store.firestore.database import Database as Firestore
        from .store.firestore.names import name

        serde = _serializer(serde, allow, cipher)
        opened = Firestore(project, database, name(root) if root else "")
        saver = cls(FirestoreCheckpoints(opened), serde=serde, may_prune=may_prune)
        try:
            yield saver
        finally:
            await saver.settle()
            await opened.close()


def _serializer(
    serde: SerializerProtocol | None,
    allow: Iterable[type | tuple[str, str]],
    cipher: CipherProtocol | None,
) -> SerializerProtocol:
    allow = tuple(allow)
    if serde is None:
        return serializer(allow, cipher)
    if allow or cipher is not None:
        raise ConfigurationError("Give either serde, or allow and cipher, which make one.")
    return serde


class KeyRing:
    """AES-GCM with keys that can be changed: new state takes the current key, old keeps its own.

    `KeyRing({"2027": new, "2026": old}, current="2027")` reads both and writes with the first.
    Keys are 16, 24 or 32 random bytes; use one for at most four billion values. Needs the
    package `cryptography`.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """Raises `ConfigurationError` for a key of another size, or a `current` without one."""
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise ConfigurationError(
                "Encryption needs the package cryptography: pip install cryptography."
            ) from None
        if current not in keys:
            raise ConfigurationError(f"There is no key {current!r}; the ring has {list(keys)}.")
        try:
            self._keys = {name: AESGCM(key) for name, key in keys.items()}
        except ValueError as error:
            raise ConfigurationError(f"A key cannot be used: {error}") from None
        self._current = current
        self._mismatch = InvalidTag

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        nonce, name = os.urandom(12), f"aes-gcm:{self._current}"
        return name, nonce + self._keys[self._current].encrypt(nonce, plaintext, name.encode())

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        """Raises `ConfigurationError` when the ring lacks the key, `ValueError` when the key does
        not fit."""
        key = self._keys.get(ciphername.removeprefix("aes-gcm:"))
        if key is None:
            raise ConfigurationError(
                f"State is encrypted with {ciphername!r}, for which the ring has no key; add it."
            )
        try:
            return key.decrypt(ciphertext[:12], ciphertext[12:], ciphername.encode())
        except self._mismatch as error:
            raise ValueError(
                f"the ring's key {ciphername.removeprefix('aes-gcm:')!r} is not the one that it "
                "was encrypted with, or its bytes have been changed"
            ) from error
