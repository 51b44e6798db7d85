"""Which confirmed cases a decision is shown."""

from __future__ import annotations

from assay.graphs.verdicts import CASES_LIMIT, VALUE_LIMIT, Case, Source, Verdict, confirmed


def said(
    path: str, option: str | None, value: str = "", *, passed: bool = True, by: str = "verify"
) -> Verdict:
    case = None if option is None else Case({"mail": value or path}, option)
    return Verdict(
        *(f"{path}/{by}", "w", "s", "m", "p", passed, Source(by), "x", path, ""), case=case
    )


def paths(verdicts: list[Verdict], each: int = 5, options: str = "ab") -> list[str]:
    return [of.removeprefix("x/") for _, of in confirmed(verdicts, options, each)]


def test_the_newest_of_each_option_are_shown_and_options_take_turns() -> None:
    verdicts = [said(str(n), "b" if n == 6 else "a") for n in range(8)]
    assert paths(verdicts) == ["0", "6", "1", "2", "3", "4"]
    assert paths(verdicts, each=1) == ["0", "6"]
    assert paths(verdicts, options="b") == ["6"]
    assert paths([said("0", None), said("1", "c")]) == paths([]) == []


def test_what_somebody_refused_is_not_shown() -> None:
    good, bad = said("1", "a", by="assert"), said("1", None, passed=False, by="feedback")
    for verdicts in ([good, bad], [bad, good]):
        assert paths(verdicts) == []


def test_a_person_who_picked_another_option_than_the_model_confirms_that_one() -> None:
    assert paths([said("1", "b", passed=False, by="approval")]) == ["1"]


def test_of_the_same_values_the_newest_decision_counts() -> None:
    verdicts = [said("new", "a", "same"), said("old", "b", "same"), said("older", "b", "other")]
    assert paths(verdicts) == ["new", "older"]
    assert paths(verdicts, options="b") == ["older"]


def test_all_cases_together_are_bounded() -> None:
    verdicts = [said(str(n), "ab"[n % 2], f"{n:04}" + "x" * VALUE_LIMIT) for n in range(50)]
    found = confirmed(verdicts, "ab", 10)
    sizes = [len(case) for case, _ in found]
    assert sum(sizes) <= CASES_LIMIT < sum(sizes) + sizes[0]
