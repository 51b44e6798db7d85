"""Templates: holes are found whatever they hold, and filled without losing types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.expressions import (
    ExpressionProblem,
    Hole,
    Template,
    Value,
    text_of,
    unwrap_condition,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain } text }} { here", ("plain } text }} { here",)),
        ("{{ x }}", (Hole("x", 3),)),
        ("{{x}}{{y}}", (Hole("x", 2), Hole("y", 7))),
        ("a {{ x }} b", ("a ", Hole("x", 5), " b")),
        ("${{ x }}", ("$", Hole("x", 4))),
        ("{{ {'a': 1}['a'] }}", (Hole("{'a': 1}['a']", 3),)),
        ("{{ {'a': {'b': 1}}}}!", (Hole("{'a': {'b': 1}}", 3), "!")),
        ("{{ '}}' }}", (Hole("'}}'", 3),)),
        ("{{ '{{' }}", (Hole("'{{'", 3),)),
        (r"{{ '\'}}' }}", (Hole(r"'\'}}'", 3),)),
        (r"{{ r'\' }} it's", (Hole(r"r'\'", 3), " it's")),
        ("{{ '''it's }}''' }}", (Hole("'''it's }}'''", 3),)),
        ("{{ \"a'}}\" + '\"' }}", (Hole("\"a'}}\" + '\"'", 3),)),
        ("{{ '' }}", (Hole("''", 3),)),
        ("{{ a // it's }} b", (Hole("a // it's", 3), " b")),
        ("{{\n  x\n}}", (Hole("x", 5),)),
        ("é😀{{ x }}", ("é😀", Hole("x", 5))),
    ],
)
def test_holes_are_found(text: str, parts: tuple[str | Hole, ...]) -> None:
    assert Template.parse(text).parts == parts


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("a {{ x", 2, "not closed"),
        ("{{ x } }", 0, "not closed"),
        ("{{ {'a': 1 }}", 0, "not closed"),
        ("a {{ }}", 2, "empty"),
        ("{{}}", 0, "empty"),
        ("{{ it's }}", 5, "the text that starts with ' is not closed"),
        ("ok {{ x }} {{", 11, "not closed"),
    ],
)
def test_a_broken_hole_is_a_problem_at_its_place(text: str, offset: int, part: str) -> None:
    with pytest.raises(ExpressionProblem) as caught:
        Template.parse(text)
    assert caught.value.offset == offset
    assert part in caught.value.message


@pytest.mark.parametrize("value", [None, True, 90, 90.0, "text", [1], {"a": 1}])
def test_a_template_that_is_one_expression_keeps_its_type(value: Value) -> None:
    template = Template.parse("{{ x }}")
    assert template.is_single
    assert template.fill([value]) is value


@pytest.mark.parametrize("text", [" {{ x }}", "{{ x }}\n", "{{ x }}{{ y }}", "x", ""])
def test_any_other_character_makes_it_text(text: str) -> None:
    template = Template.parse(text)
    assert not template.is_single
    assert isinstance(template.fill([1] * len(template.holes)), str)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (90, "90"),
        (90.0, "90"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        ("text", "text"),
        ([1, "é", None], '[1,"é",null]'),
        ({"a": {"b": 1.5}}, '{"a":{"b":1.5}}'),
        ({"path": "out/report.xml", "sha256": "0f", "size": 3}, "out/report.xml"),
        ({"path": 1, "sha256": "0f"}, '{"path":1,"sha256":"0f"}'),
    ],
)
def test_values_become_text(value: Value, text: str) -> None:
    assert text_of(value) == text
    assert Template.parse("<{{ x }}>").fill([value]) == f"<{text}>"


@pytest.mark.parametrize(
    ("condition", "source"),
    [
        ("a > 1", "a > 1"),
        ("{{ env.X == 'true' }}", " ( env.X == 'true' ) "),
        ("x < {{ inputs.t }}", "x <  ( inputs.t ) "),
        ("{{ a }} && {{ b }}", " ( a )  &&  ( b ) "),
        ("{{ '{{' }} == x", " ( '{{' )  == x"),
        ("{{ a // c }} > 1 // it's", " ( a      )  > 1        "),
        ("{'a': {'b': 1}}.a.b == 1", "{'a': {'b': 1}}.a.b == 1"),
    ],
)
def test_a_hole_in_a_condition_means_parentheses(condition: str, source: str) -> None:
    found = unwrap_condition(condition)
    assert found == source
    assert len(found) == len(condition), "offsets would move"


@pytest.mark.parametrize(
    ("condition", "offset", "part"),
    [
        ("a == '{{ b }}'", 6, "inside a quoted text"),
        ("a == 'x {{ b }}'", 8, "inside a quoted text"),
        ("a < {{ b", 4, "not closed"),
        ("a < {{ }}", 4, "empty"),
    ],
)
def test_a_hole_that_cannot_stand_in_a_condition_is_a_problem(
    condition: str, offset: int, part: str
) -> None:
    with pytest.raises(ExpressionProblem) as caught:
        unwrap_condition(condition)
    assert caught.value.offset == offset
    assert part in caught.value.message


literals = st.text("ab }\n'\"é😀{", max_size=6).filter(lambda t: "{{" not in t and t[-1:] != "{")
sources = st.sampled_from(
    ["x", "{'a': {'b': 1}}", "'}}'", '"{{"', "r'\\'", "'''}}'''", "a['}}'].b", "f(x, [1])"]
)


@given(pieces=st.lists(st.tuples(literals, sources), max_size=5), end=literals)
def test_a_template_reads_back_what_it_was_written_from(
    pieces: list[tuple[str, str]], end: str
) -> None:
    text = "".join(f"{before}{{{{ {source} }}}}" for before, source in pieces) + end
    template = Template.parse(text)
    assert [hole.source for hole in template.holes] == [source for _, source in pieces]
    assert all(text.startswith(hole.source, hole.offset) for hole in template.holes)
    assert [part for part in template.parts if isinstance(part, str)] == [
        part for part in (*(before for before, _ in pieces), end) if part
    ]


@given(text=st.text("{}'\" \\ra/é\n", max_size=40))
def test_any_text_is_a_template_or_a_problem(text: str) -> None:
    for read in (Template.parse, unwrap_condition):
        offset = 0
        try:
            read(text)
        except ExpressionProblem as problem:
            offset = problem.offset
        assert 0 <= offset <= len(text)


def test_a_long_text_of_many_holes_is_read_in_linear_time() -> None:
    assert len(Template.parse("{{ x }} ' " * 100_000).holes) == 100_000
