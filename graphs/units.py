"""Durations, sizes and times as definitions write them: `1h30m`, `512MiB`, RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

MAX_DURATION_DAYS = 3650
MAX_SIZE = 2**63 - 1

_SECONDS = {
    "d": Decimal(86_400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})(ms|[dhms])")
_DURATION = re.compile(rf"{_PART.pattern}(?: ?{_NUMBER}(?:ms|[dhms]))*")
_SIZE = re.compile(rf"({_NUMBER}) ?([A-Za-z]+)")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MAX_LENGTH = 64
_DURATION_HINT = "write for example 500ms, 10s, 5m, 1h30m or 7d"
_SIZE_HINT = "write for example 512MiB, 1GiB, 64kB or 100B"


def parse_duration(text: object) -> float:
    """Seconds of `500ms`, `10s`, `5m`, `2h`, `7d`, or of several, largest first: `1h30m`.

    Raises `ValueError` whose sentence says what to write.
    """
    written = _written(text, "a duration", "s", _DURATION_HINT)
    if not _DURATION.fullmatch(written):
        raise ValueError(f"{_shown(written)} is not a duration; {_DURATION_HINT}")
    parts = [(Decimal(number), unit) for number, unit in _PART.findall(written)]
    order = list(_SECONDS)
    places = [order.index(unit) for _, unit in parts]
    if places != sorted(set(places)):
        raise ValueError(
            f"{_shown(written)} is not a duration: each unit once, largest first; {_DURATION_HINT}"
        )
    seconds = sum((number * _SECONDS[unit] for number, unit in parts), Decimal(0))
    if seconds > MAX_DURATION_DAYS * _SECONDS["d"]:
        raise ValueError(f"{_shown(written)} is too long; at most {MAX_DURATION_DAYS}d")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """A short form for people, two units at most: `40ms`, `0.4s`, `12s`, `3m 05s`, `2h 10m`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if (milliseconds := round(seconds * 1000)) < 100:
        return f"{milliseconds}ms" if milliseconds else "0s"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    if (whole := round(seconds)) < 60:
        return f"{whole}s"
    if whole < 3600:
        return _pair(whole, 60, "m", "s")
    if (minutes := round(seconds / 60)) < 24 * 60:
        return _pair(minutes, 60, "h", "m")
    return _pair(round(seconds / 3600), 24, "d", "h")


def parse_size(text: object) -> int:
    """Bytes of `100B`, `64kB` (64,000) or `512MiB` (512 x 1,048,576); fractions are cut off.

    Raises `ValueError` whose sentence says what to write.
    """
    written = _written(text, "a size", "MiB", _SIZE_HINT)
    match = _SIZE.fullmatch(written)
    if not match:
        raise ValueError(f"{_shown(written)} is not a size; {_SIZE_HINT}")
    number, unit = match.groups()
    if unit not in _BYTES:
        raise ValueError(f"{_shown(written)} is not a size: {_unit_hint(number, unit)}")
    size = int(Decimal(number) * _BYTES[unit])
    if size > MAX_SIZE:
        raise ValueError(f"{_shown(written)} is too large; at most {MAX_SIZE} bytes")
    return size


def format_size(size: int) -> str:
    """A short form for people, in binary units: `100B`, `62.5KiB`, `1GiB`."""
    if size < 0:
        return "-" + format_size(-size)
    if size < 1024:
        return f"{size}B"
    for unit in ("KiB", "MiB", "GiB"):
        if round(size / _BYTES[unit], 1) < 1024:
            break
    else:
        unit = "TiB"
    return f"{size / _BYTES[unit]:.1f}".removesuffix(".0") + unit


def parse_time(text: object) -> float:
    """Seconds since 1970 of a time in RFC 3339: `2030-01-31T09:00:00+01:00`.

    Raises `ValueError` whose sentence says what to write.
    """
    if isinstance(text, str) and len(text) <= _MAX_LENGTH and _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            pass  # the thirtieth of February, the year 0
    raise ValueError(
        f"{_shown(str(text))} is not a time; write for example 2030-01-31T09:00:00Z, "
        "or with another offset +01:00 instead of Z"
    )


def format_time(moment: float) -> str:
    """RFC 3339 in UTC, whole seconds: `2030-01-31T09:00:00Z`."""
    at = datetime.fromtimestamp(moment // 1, UTC)
    return at.isoformat().replace("+00:00", "Z")


def format_moment(moment: float) -> str:
    """The same with microseconds, always six digits of them, so that text sorts as times do."""
    at = datetime.fromtimestamp(moment, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _pair(total: int, radix: int, large: str, small: str) -> str:
    whole, rest = divmod(total, radix)
    return f"{whole}{large} {rest:02d}{small}" if rest else f"{whole}{large}"


def _written(text: object, what: str, unit: str, hint: str) -> str:
    if isinstance(text, str):
        if re.fullmatch(_NUMBER, text) and len(text) < _MAX_LENGTH:
            raise ValueError(f"{what} needs a unit; write {text}{unit}")
        if len(text) <= _MAX_LENGTH:
            return text
        raise ValueError(f"{_shown(text)} is not {what}; {hint}")
    if isinstance(text, (int, float)) and not isinstance(text, bool) and 0 <= text < 10**9:
        raise ValueError(f"{what} needs a unit; write {text:g}{unit}")
    raise ValueError(f"{what} is a text; {hint}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…")


def _unit_hint(number: str, unit: str) -> str:
    letter = unit[0].upper()
    if letter in "KMGT" and unit.upper() in (letter, letter + "B", letter + "IB"):
        decimal = "kB" if letter == "K" else f"{letter}B"
        return f"write {number}{letter}iB (x 1024) or {number}{decimal} (x 1000)"
    if unit == "b":
        return f"write {number}B"
    return f"unknown unit {unit!r}; {_SIZE_HINT}"
