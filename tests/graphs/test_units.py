"""Durations and sizes, as written and as shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("5m", 300),
        ("2h", 7200),
        ("7d", 604_800),
        ("1h30m", 5400),
        ("1d2h3m4s5ms", 93_784.005),
        ("3m 05s", 185),
        ("1.5h", 5400),
        ("0.1s", 0.1),
        ("0s", 0),
        ("3650d", 315_360_000),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10", "a duration needs a unit; write 10s"),
        (10, "a duration needs a unit; write 10s"),
        (0.5, "a duration needs a unit; write 0.5s"),
        (True, "a duration is a text; write for example 500ms, 10s, 5m, 1h30m or 7d"),
        (None, "a duration is a text; write"),
        ("", "'' is not a duration; write for example"),
        ("-5s", "'-5s' is not a duration"),
        ("10 seconds", "'10 seconds' is not a duration"),
        ("5M", "'5M' is not a duration"),
        ("5 m", "'5 m' is not a duration"),
        ("10s ", "'10s ' is not a duration"),
        ("\u0661s", "is not a duration"),
        ("5m1h", "each unit once, largest first"),
        ("1h1h", "each unit once, largest first"),
        ("3651d", "'3651d' is too long; at most 3650d"),
        ("3650d1ms", "is too long"),
        ("9" * 10_000 + "s", "is not a duration"),
    ],
)
def test_other_durations_are_refused_with_what_to_write(text: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"duration|too long") as caught:
        parse_duration(text)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.004, "4ms"),
        (0.0996, "0.1s"),
        (0.4, "0.4s"),
        (9, "9s"),
        (9.96, "10s"),
        (12, "12s"),
        (59.7, "1m"),
        (185, "3m 05s"),
        (3599.6, "1h"),
        (7800, "2h 10m"),
        (86_399, "1d"),
        (273_600, "3d 04h"),
        (-12, "-12s"),
    ],
)
def test_a_duration_is_shown_with_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=315_000_000))
def test_a_shown_duration_reads_back_as_nearly_the_same(seconds: float) -> None:
    shown = format_duration(seconds)
    back = parse_duration(shown)
    digit = 0.001 if seconds < 0.0995 else 0.1
    assert math.isclose(back, seconds, rel_tol=0.05, abs_tol=0.51 * digit)
    assert format_duration(back) == shown


@given(st.text(max_size=40) | st.text("0123456789.dhms ", max_size=20))
def test_any_text_is_a_duration_in_range_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds <= 3650 * 86_400


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100B", 100),
        ("64kB", 64_000),
        ("2MB", 2_000_000),
        ("1KiB", 1024),
        ("512MiB", 536_870_912),
        ("1GiB", 1_073_741_824),
        ("1.5 GiB", 1_610_612_736),
        ("0.1KiB", 102),
        ("0B", 0),
    ],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("512", "a size needs a unit; write 512MiB"),
        (512, "a size needs a unit; write 512MiB"),
        ("512M", "write 512MiB (x 1024) or 512MB (x 1000)"),
        ("64KB", "write 64KiB (x 1024) or 64kB (x 1000)"),
        ("1gib", "write 1GiB (x 1024) or 1GB (x 1000)"),
        ("8b", "write 8B"),
        ("1 elephant", "unknown unit 'elephant'"),
        ("-1B", "'-1B' is not a size; write for example 512MiB"),
        ("B", "'B' is not a size"),
        ("9999999999TiB", "is too large"),
        (None, "a size is a text"),
    ],
)
def test_other_sizes_are_refused_with_what_to_write(text: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"size|too large") as caught:
        parse_size(text)
    assert sentence in str(caught.value)


def test_a_size_is_shown_in_the_unit_that_keeps_it_short() -> None:
    shown = [format_size(size) for size in (0, 1023, 1024, 64_000, 2**20 - 1, 2**29, 2**45, -2048)]
    assert shown == ["0B", "1023B", "1KiB", "62.5KiB", "1MiB", "512MiB", "32TiB", "-2KiB"]


@given(st.integers(0, 2**53))
def test_a_shown_size_reads_back_as_nearly_the_same(size: int) -> None:
    shown = format_size(size)
    back = parse_size(shown)
    assert math.isclose(back, size, rel_tol=0.05)
    assert format_size(back) == shown


@given(st.text(max_size=40))
def test_any_text_is_a_size_in_range_or_a_value_error(text: str) -> None:
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert 0 <= size < 2**63
