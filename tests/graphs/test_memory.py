"""How facts are found again."""

from __future__ import annotations

from assay.graphs.memory import Fact, found

FACTS = [
    Fact("shoe size", "Ann wears 39.", ""),
    Fact("printer", "It stands on the third floor; its paper is in the cellar.", ""),
    Fact("printers' paper", "Only A4.", ""),
    Fact("naïve Größe", "ÜBER 40", ""),
]


def names(query: str, limit: int = 10) -> list[str]:
    return [fact.name for fact in found(FACTS, query, limit)]


def test_what_shares_most_words_comes_first_and_those_of_the_name_count_more() -> None:
    assert names("PAPER, printer?") == ["printers' paper", "printer"]
    assert names("ann") == ["shoe size"]
    assert names("größe über") == ["naïve Größe"]


def test_what_shares_no_word_is_not_found() -> None:
    assert names("elephant") == names("a4x") == []


def test_without_words_the_first_are_shown() -> None:
    assert names("", 2) == names("?!", 2) == ["shoe size", "printer"]


def test_no_more_are_found_than_wanted() -> None:
    assert names("paper", 1) == ["printers' paper"]
