"""What patterns of chat triggers capture, and which of them are refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.errors import InvalidInput
from assay.triggers.chat.patterns import parse_pattern, words_of
from assay.triggers.chat.trigger import ChatTrigger, converted

from ...running import load, refused

STEPS = "steps: [{id: a, type: skill, skill: echo, inputs: {message: hi}}]"


@pytest.mark.parametrize(
    ("pattern", "said", "captured"),
    [
        ("cover {file}", "cover src/a.py", {"file": "src/a.py"}),
        ("cover {file}", "  COVER   src/A.py ", {"file": "src/A.py"}),
        ("cover {file}", 'cover "my file.py"', {"file": "my file.py"}),
        ("cover {file}", "cover “my file.py”", {"file": "my file.py"}),
        ("cover {file}", "cover `a b`", {"file": "a b"}),
        ("cover {file}", "cover a b", None),
        ("cover {file}", "cover", None),
        ("cover {file}", "uncover a", None),
        ("cover {file}", '"cover" a', None),
        ("cover { file }", "cover a", {"file": "a"}),
        ("cover {file} to {pct}%", "cover a.py to 90%", {"file": "a.py", "pct": "90"}),
        ("cover {file} to {pct}%", "cover a.py to %", None),
        ("ask {what...}", "ask why is  it so?", {"what": "why is  it so?"}),
        ("ask {what...}", 'ask "why is it"', {"what": "why is it"}),
        ("ask {what...}", 'ask "why" is it', {"what": '"why" is it'}),
        ("ask {what...}", "ask two\nlines", {"what": "two\nlines"}),
        ("ask {what...}", "ask", None),
        ("{what...}", "don't stop", {"what": "don't stop"}),
        ("fix #{number}", "FIX #12", {"number": "12"}),
        ("deploy", "deploy", {}),
        ("straße {x}", "STRASSE 1", {"x": "1"}),
    ],
)
def test_a_pattern_captures(pattern: str, said: str, captured: Mapping[str, str] | None) -> None:
    assert parse_pattern(pattern).match(said) == captured


def test_a_long_text_costs_a_pattern_no_more_than_its_own_words() -> None:
    """Else one letter would hold up everybody: that quote is closed nowhere."""
    text = "ask " + "„a " * 200_000
    patterns = [parse_pattern(f"ask{n} {{what...}}") for n in range(100)]

    assert [pattern.match(text) for pattern in patterns] == [None] * 100
    assert parse_pattern("ask {what...}").match(text) == {"what": text[4:].strip()}
    assert parse_pattern("ask {one} {two}").match(text) is None


def test_the_pattern_with_more_fixed_text_is_heavier() -> None:
    assert parse_pattern("cover all of {x}").weight > parse_pattern("cover {x} {y}").weight


@given(st.text(max_size=60))
def test_every_text_is_words_in_order_that_lie_in_it(text: str) -> None:
    place, words = 0, list(words_of(text))
    for word in words:
        assert word.start >= place
        assert word.text in text[word.start :]
        place = word.start + len(word.text)
    something = len(words) > 1 or any(word.text for word in words)
    assert (parse_pattern("{all...}").match(text) is not None) == something


@given(st.text(alphabet="ab {}.\"'", max_size=30), st.text(alphabet="ab \"'", max_size=40))
def test_what_can_be_parsed_can_be_matched(pattern: str, said: str) -> None:
    try:
        parsed = parse_pattern(pattern)
    except ValueError:
        return
    captured = parsed.match(said)
    assert captured is None or set(captured) == set(parsed.names)


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ('¶"status {file}"', "would never match: 'status' is a command"),
        ('¶"do {file} {file}"', "captures 'file' twice"),
        ('¶"do {file...} now"', "stands at the end"),
        ('¶"do {file}{mode}"', "put a space between"),
        ('¶"do {}"', "is not a capture"),
        ('¶"do x{file...}"', "stands alone"),
        ('¶"  "', "a pattern has 1 to 500 characters"),
        ('["cover {file}", ¶"do {flie} {file}"]', "did you mean 'file'?"),
        ('¶"cover all"', "does not capture the required input 'file'"),
    ],
)
def test_a_pattern_that_cannot_do_is_refused_at_its_place(match: str, says: str) -> None:
    refused(
        f"""
        name: w
        inputs: {{file: {{type: string, required: true}}}}
        triggers: [{{type: chat, match: {match}}}]
        {STEPS}
        """,
        says,
    )


def test_with_says_where_everything_goes() -> None:
    program = load(
        f"""
        name: w
        inputs: {{file: {{type: string, required: true}}}}
        triggers:
          - {{type: chat, match: "cover {{x}}", with: {{file: "{{{{ payload.x }}}}"}}}}
        {STEPS}
        """
    )
    (bound,) = program.triggers
    assert isinstance(bound.spec, ChatTrigger)
    assert (bound.spec.overlap, bound.spec.heard_on("slack")) == ("queue", True)
    assert bound.key is not None


def test_captures_become_what_the_inputs_are_declared_as() -> None:
    workflow = load(
        f"""
        name: w
        inputs: {{n: {{type: integer}}, on: {{type: boolean}}, list: {{type: array}}}}
        {STEPS}
        """
    ).workflow
    values = converted(workflow, {"n": "3", "on": "true", "list": "[1, 2]", "other": "7"})
    assert values == {"n": 3, "on": True, "list": [1, 2], "other": "7"}
    with pytest.raises(InvalidInput, match="'n' must be a whole number, and 'many' is not"):
        converted(workflow, {"n": "many"})
