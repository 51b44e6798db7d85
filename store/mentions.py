"""Which blobs a text may name: whatever reads like a SHA-256 is taken for one.

Rather too many than too few: who exports or sweeps by it loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def mentioned(text: bytes) -> Iterator[str]:
    """Every SHA-256 in lower-case hex that stands in the text, in order."""
    for found in _DIGEST.finditer(text):
        yield found[0].decode()
