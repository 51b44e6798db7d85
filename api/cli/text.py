"""Text as it may be shown: nothing in it can steer a terminal, and it is as long as it may be."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ...graphs.execution import Cost
from ...graphs.units import format_duration

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # titles, links, and other strings
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
# The last ranges turn the direction of writing round, or are no characters.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without escape sequences and control characters, lines and tabs kept."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """The text cleaned, on one line."""
    return " ".join(clean(text).split())


def first_line(text: str) -> str:
    """The first line that says something, cleaned."""
    return next((one_line(line) for line in clean(text).splitlines() if line.strip()), "")


def cut(text: str, width: int) -> str:
    """At most `width` characters, the last of them `…` where some are missing."""
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"[:width]


def shown(value: Any) -> str:
    """A JSON value for people: text as it is, anything else as JSON."""
    return clean(value) if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from one RFC 3339 time to another (None: now); None without a start."""
    if not start:
        return None
    last = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max((last - datetime.fromisoformat(start)).total_seconds(), 0.0)


def duration(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds)


def local_time(at: str, *, date: bool = False) -> str:
    """An RFC 3339 time where the reader is: `14:03:59`, with the date before it if wanted."""
    form = "%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S"
    return datetime.fromisoformat(at).astimezone().strftime(form)


def until(moment: float) -> str:
    """A time to come (seconds since 1970) where the reader is: with its date unless it is today."""
    at = datetime.fromtimestamp(moment, UTC).astimezone()
    today = at.date() == datetime.now(UTC).astimezone().date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")


def left(moment: float) -> str:
    """How long it is until then: `4m 59s`; `no time` when it is past."""
    seconds = moment - time.time()
    # Whole seconds: it is shown again and again, and counts down.
    return "no time" if seconds <= 0 else duration(round(seconds) if seconds > 1 else seconds)


def spent(cost: Cost) -> str:
    """`3 calls, 1,204 + 88 tokens, $0.0123`; empty when no model was called."""
    if not (cost.calls or cost.input_tokens or cost.output_tokens):
        return ""
    parts = [plural(cost.calls, "call")] if cost.calls else []
    parts.append(f"{cost.input_tokens:,} + {cost.output_tokens:,} tokens")
    if cost.usd is not None:
        parts.append(f"${cost.usd:.4f}")
    return ", ".join(parts)


def plural(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def columns(table: Sequence[tuple[str, ...]]) -> list[str]:
    """The cells of each row under those of the others."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
