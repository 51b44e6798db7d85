"""Cursors for whoever may not see everything: closed, since a store's own tell what is hidden."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import TYPE_CHECKING, Self

from ..graphs.errors import InvalidInput

if TYPE_CHECKING:
    from ..graphs.ports import Store

_KEPT = 10 * 366 * 86400.0
"""Seconds for which a store keeps its key."""

_NONCE = 12


class Seal:
    """Closes cursors, each for one principal alone, and opens them again."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    @classmethod
    async def of(cls, store: Store) -> Self:
        """With the key that every process before that store has."""
        key = await store.first("seal", secrets.token_hex(32), time.time() + _KEPT)
        return cls(bytes.fromhex(key))

    def closed(self, cursor: str, principal: str) -> str:
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, cursor.encode(), principal.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def opened(self, text: str, principal: str) -> str:
        """Raises `InvalidInput` for what was not closed here, for them."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            found = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], principal.encode())
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise InvalidInput(
                f"{text[:60]!r} is no cursor of this listing; begin without one."
            ) from error
        return found.decode()
