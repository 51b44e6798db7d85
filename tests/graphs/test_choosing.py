"""Which of several models is asked first."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.choosing import MOST, Pick, beta_below, pick
from assay.graphs.verdicts import Source, Verdict

PRICES = {"dear": 10.0, "fair": 3.0, "cheap": 1.0}
MODELS = ("dear", "fair", "cheap")


def verdicts(**shares: tuple[int, int]) -> list[Verdict]:
    """So many good answers of so many, spread evenly over what is known of the model."""
    return [
        Verdict("", "w", "s", model, "p", passed, Source.VERIFY, "x", "s", "")
        for model, (good, seen) in shares.items()
        for passed in (n * good // seen != (n + 1) * good // seen for n in range(seen))
    ]


def first(*known: Verdict, floor: float = 0.8) -> str:
    """The model that is picked where none is tried."""
    return next(p for n in range(99) if not (p := _pick(known, floor, str(n))).trial).order[0]


def _pick(known: tuple[Verdict, ...], floor: float, seed: str) -> Pick:
    return pick(MODELS, PRICES, known, floor=floor, seed=seed)


def test_the_order_is_the_authors_while_nothing_is_known() -> None:
    assert list(_pick((), 0.8, "").order) == list(MODELS)


def test_a_model_that_nobody_has_judged_is_given_its_chance_cheapest_first() -> None:
    assert first(*verdicts(dear=(1, 1))) == "cheap"
    assert first(*verdicts(dear=(1, 1), cheap=(1, 10))) == "fair"


def test_the_cheapest_that_is_probably_good_enough_is_picked() -> None:
    known = verdicts(dear=(45, 50), fair=(43, 50), cheap=(30, 50))
    assert first(*known) == "fair"
    assert first(*known, floor=0.5) == "cheap"
    assert first(*known, floor=0.99) == "dear"


def test_when_none_is_good_enough_the_best_is_picked() -> None:
    assert first(*verdicts(dear=(5, 50), fair=(20, 50), cheap=(10, 50))) == "fair"


def test_recent_verdicts_weigh_more() -> None:
    good, bad = verdicts(cheap=(80, 80)), verdicts(cheap=(0, 30))
    assert first(*good, *bad) == "cheap"
    assert first(*bad, *good) != "cheap"


def test_the_others_follow_by_price_so_that_one_that_fails_is_made_up_for_cheaply() -> None:
    known = tuple(verdicts(dear=(50, 50), fair=(0, 50), cheap=(0, 50)))
    plain = next(p for n in range(99) if not (p := _pick(known, 0.8, str(n))).trial)
    assert list(plain.order) == ["dear", "cheap", "fair"]
    assert plain.why.startswith("dear is the cheapest that may be good enough")
    assert "fair: 0% good of 50 verdicts" in plain.why


def test_without_a_price_of_each_the_order_of_the_author_is_that_of_the_prices() -> None:
    known = verdicts(dear=(50, 50), fair=(50, 50), cheap=(50, 50))
    assert pick(MODELS, {**PRICES, "fair": None}, known).order[0] == "dear"


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(MODELS), st.tuples(st.integers(0, 60), st.integers(60, 66))),
    st.floats(0.05, 0.95),
    st.text(max_size=5),
)
def test_a_pick_names_every_model_once_and_is_the_same_for_the_same_seed(
    known: dict[str, tuple[int, int]], floor: float, seed: str
) -> None:
    picked = _pick(tuple(verdicts(**known)), floor, seed)
    assert sorted(picked.order) == sorted(MODELS)
    assert picked == _pick(tuple(verdicts(**known)), floor, seed)


@pytest.mark.parametrize(
    "known",
    [verdicts(dear=(9, 9), fair=(30, 60), cheap=(30, 60)), verdicts(dear=(9, 9), cheap=(9, 20))],
)
def test_no_more_than_a_tenth_is_tried_and_ever_less_the_surer_it_is(known: list[Verdict]) -> None:
    picks = [_pick(tuple(known), 0.8, str(n)) for n in range(4000)]
    tried = Counter(p.order[0] for p in picks if p.trial)
    assert 0 < tried.total() < (MOST + 0.015) * len(picks)
    assert "dear" not in tried
    surer = [_pick((*known, *verdicts(cheap=(1, 60))), 0.8, str(n)) for n in range(4000)]
    assert sum(p.trial and p.order[0] == "cheap" for p in surer) <= tried["cheap"]


def test_the_beta_distribution_is_that_of_the_books() -> None:
    assert beta_below(0.5, 1, 1) == pytest.approx(0.5)
    assert beta_below(0.8, 4, 1) == pytest.approx(0.8**4)
    # Of n uniform variables, the k-th smallest is Beta(k, n + 1 - k).
    expected = sum(math.comb(120, j) * 0.8**j * 0.2 ** (120 - j) for j in range(96, 121))
    assert beta_below(0.8, 96, 25) == pytest.approx(expected, rel=1e-9)
    assert [beta_below(x, 2, 3) for x in (0, 1)] == [0, 1]
