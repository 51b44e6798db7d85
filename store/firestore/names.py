"""Where everything lies, and how texts that people give become names that Firestore takes."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import quote, unquote

from ...graphs.errors import InvalidInput

EXECUTIONS = "executions"
LEASES = "leases"
FENCES = "fences"
JOURNAL = "journal"
ENTRIES = "entries"  # below a document of JOURNAL
PARTS = "parts"  # beside ENTRIES: the data of what is too large for one document
INBOX = "inbox"
QUESTIONS = "questions"
SIGNALS = "signals"
SLOTS = "slots"
WORKERS = "workers"
WORKFLOWS = "workflows"
DEFINITIONS = "definitions"
CACHE = "cache"
ARTIFACTS = "artifacts"
TRIGGERS = "triggers"
FIRINGS = "firings"
LANES = "lanes"
PRINCIPALS = "principals"
KEYS = "keys"
AUDIT = "audit"
FIRSTS = "firsts"
VERDICTS = "verdicts"
TURNS = "turns"
FACTS = "facts"
MEMORIES = "memories"
BLOBS = "blobs"
CHUNKS = "chunks"  # below a document of BLOBS

LAST = "\U0010ffff"
"""Sorts behind every text with the same beginning."""

_LONGEST_NAME = 700
_INDEXED = 900  # bytes; Firestore sorts by the first 1500 of a field


def name(text: str) -> str:
    """A document's id for any text; no two texts have the same.

    Raises `InvalidInput` for what is not Unicode.
    """
    try:
        plain = quote(text, safe=" !$&'()*+,:;=@[]")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{text!a} is not valid Unicode; give proper text.") from error
    if len(plain) > _LONGEST_NAME:
        return f"{plain[:300]}%~{_digest(text)}"
    if plain in ("", ".", "..") or plain.startswith("__"):
        return f"%-{plain}"  # `quote` leaves no other `%-`
    return plain


def text(name: str) -> str | None:
    """The text that has this name; None for one so long that the name is a digest of it."""
    if "%~" in name:
        return None
    return unquote(name.removeprefix("%-"))


def indexed(text: str, most: int = _INDEXED) -> str:
    """The text as a field that listings are sorted by: itself, unless it is very long."""
    try:
        whole = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{text!a} is not valid Unicode; give proper text.") from error
    if len(whole) <= most:
        return text
    return whole[: most - 66].decode(errors="ignore") + "~" + _digest(text)


def spread(text: str, *rest: str) -> str:
    """A field for the range of what belongs to a text, in the order of `rest`."""
    return "/".join((_digest(text)[:32], *rest))


def digits(number: int) -> str:
    """The number as text that sorts as numbers do; it must not be negative."""
    return f"{number:020d}"


class Clock:
    """Numbers that grow: nanoseconds since 1970, never the same twice in one process."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, above: int = 0) -> int:
        self._last = max(time.time_ns(), self._last + 1, above + 1)
        return self._last


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
