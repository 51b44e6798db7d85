"""Nothing that a workflow says can steer the terminal that shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.api.cli.text import clean, cut, first_line, one_line, plural, spent
from assay.graphs.execution import Cost


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("back\b\b\b\bspace", "backspace"),
        ("a\x9b31mb", "a31mb"),
        ("right \u202eto left", "right to left"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("cut off \x1b[3", "cut off 3"),
        ("lone \ud800 half", "lone  half"),
        ("[red]not markup[/red]", "[red]not markup[/red]"),
    ],
)
def test_text_is_cleaned(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b\x9b[]m0;\x07\\"), max_size=60))
def test_what_is_shown_holds_no_escape_and_can_be_written(text: str) -> None:
    shown = clean(text)
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in shown)
    shown.encode()
    assert "\n" not in one_line(text)


@given(st.text(max_size=30), st.integers(0, 40))
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, width: int) -> None:
    result = cut(text, width)
    assert len(result) <= width
    assert result == text or not width or result.endswith("…")


def test_the_first_line_is_one_that_says_something() -> None:
    assert first_line("\n \n  at last\nmore") == "at last"
    assert first_line("") == ""


def test_what_was_spent_is_told_in_tokens_and_dollars() -> None:
    assert spent(Cost(1204, 88, 3, 0.0123)) == "3 calls, 1,204 + 88 tokens, $0.0123"
    assert spent(Cost(5, 1, 1)) == "1 call, 5 + 1 tokens"
    assert spent(Cost()) == ""


def test_one_is_singular() -> None:
    assert (plural(1, "step"), plural(0, "step")) == ("1 step", "0 steps")
