"""Reading YAML, JSON and Python values: what they mean, what is refused, and where it stands."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal

import pytest
import yaml

from assay.graphs import yaml_core
from assay.graphs.document import MAX_BYTES, Document, read, read_value
from assay.graphs.errors import InvalidSpec, Position

if TYPE_CHECKING:
    from collections.abc import Callable

Format = Literal["yaml", "json"]


@pytest.fixture(params=["CBaseLoader", "BaseLoader"], ids=["libyaml", "pure"])
def _each_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_core, "_Loader", getattr(yaml, request.param))


either_parser = pytest.mark.usefixtures("_each_parser")


def from_yaml(text: str | bytes) -> Document:
    return read(text, "file.yaml", format="yaml")


def problems(action: Callable[[], object]) -> list[str]:
    """The problems as a reader sees them."""
    with pytest.raises(InvalidSpec) as caught:
        action()
    return [str(problem) for problem in caught.value.problems]


def yaml_problems(text: str | bytes) -> list[str]:
    return problems(lambda: from_yaml(text))


def json_problems(text: str | bytes) -> list[str]:
    return problems(lambda: read(text, "file.json", format="json"))


@either_parser
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("12:30:00", "12:30:00"),
        ("2024-01-31", "2024-01-31"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0" * 5000, 0),
        ("0o10", 8),
        ("0x1F", 31),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E-2", -0.015),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("''", ""),
        ("'90'", "90"),
        ('"true"', "true"),
        ('"\\x41\\u00e9\\U0001F600"', "Aé😀"),
        ("!!str 90", "90"),
        ("!!float 3", 3.0),
        ('!!int "0x10"', 16),
        ("!!seq [1]", [1]),
        ("!!map {a: 1}", {"a": 1}),
    ],
)
def test_yaml_scalars_have_the_core_types_of_yaml_1_2(source: str, value: object) -> None:
    read_back = from_yaml(f"key: {source}\n").value
    assert read_back == {"key": value}
    assert type(read_back["key"]) is type(value)


@either_parser
def test_plain_keys_are_their_own_text() -> None:
    document = from_yaml("{90: a, true: b, ~: c, 1.50: d, on: e, 99999999999999999999: f}")
    assert document.value == {
        "90": "a",
        "true": "b",
        "~": "c",
        "1.50": "d",
        "on": "e",
        "99999999999999999999": "f",
    }


@either_parser
def test_an_alias_repeats_its_anchor_and_stands_at_its_own_place() -> None:
    document = from_yaml("a: &x {k: [1, 2]}\nb: *x\nc: &y text\n*y : *y\n")
    assert document.value == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}, "c": "text", "text": "text"}
    assert document.position(("b",)) == Position(2, 4)
    assert document.position(("b", "k", 1)) == Position(1, 15)
    assert document.position(("text",), key=True) == Position(4, 1)
    assert document.position(("text",), offset=2) == Position(4, 6)


@either_parser
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "3:1: the key 'a' stands here a second time (first on line 1)"),
        ("a: .nan", "1:4: '.nan' is not a finite number"),
        ("a: -.INF", "1:4: '-.INF' is not a finite number"),
        ("a: 1e999", "1:4: '1e999' is not a finite number"),
        ("a: 9223372036854775808", "1:4: the integer '9223372036854775808' does not fit 64 bits"),
        ("a: " + "9" * 5000, "1:4: the integer '9999"),
        ("a: !!float " + "9" * 5000, "1:4: '9999"),
        (
            "a: !!python/object/apply:os.system [x]",
            "1:4: the tag '!!python/object/apply:os.system'",
        ),
        ("a: !env HOME", "1:4: the tag '!env' is not supported"),
        ("a: ! 12", "1:4: the tag '!' is not supported"),
        ("a: !!binary aGk=", "1:4: the tag '!!binary' is not supported"),
        ("a: !!map x", "1:4: the tag '!!map' is not supported"),
        ("a: !!int x", "1:4: 'x' is no '!!int'"),
        ("a: !!bool yes", "1:4: 'yes' is no '!!bool'"),
        ("a: !e!x 1", "1:4: this tag is not supported"),
        ("a: {<<: {b: 1}}", "1:5: the merge key '<<' is not part of YAML 1.2"),
        ("? [a]\n: 1", "1:3: a key must be text"),
        ("a: 1\n? \n: 2", "a key is missing before ':'"),
        ("&k a: 1", "1:1: an anchor on a key is not supported"),
        ("a: &l [1]\n*l : 2", "2:1: a key must be text, and '*l' is not"),
        ("a: *nowhere", "1:4: the alias '*nowhere' has no anchor before it"),
        ("a: &x [1, *x]", "1:11: the alias '*x' stands inside what it repeats"),
        ("&x {a: {b: *x}}", "1:12: the alias '*x' stands inside what it repeats"),
        (
            "a: {{ inputs.x }}",
            "1:5: a key must be text, this is a list or mapping; put a text that",
        ),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here"),
        ("%TAG !e! tag:x,\n---\na: 1", "1:1: %TAG directives are not supported"),
        ("", "1:1: the document is empty"),
        ("  \n\n", "1:1: the document is empty"),
        ("# only a comment\n", "1:1: the document is empty"),
        ("---\n", "the document is empty"),
        ("a: b\x07", "1:5: the character U+0007 may not stand in YAML"),
        ("é: é\ud800", "1:5: the character U+D800 may not stand in YAML"),
    ],
)
def test_yaml_that_json_could_not_say_is_refused_where_it_stands(text: str, expected: str) -> None:
    assert any(expected in problem for problem in yaml_problems(text)), yaml_problems(text)


@either_parser
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\tb: 1", "2:1: a tab cannot indent; use spaces"),
        ("a: @x", "1:4: a text cannot begin with '@'; put it in quotes"),
        ("a: %x", "1:4: a text cannot begin with '%'"),
        ("a: b: c", "1:5: a ':' cannot stand here"),
        ("a: 1\n b: 2", "2:3: a ':' cannot stand here"),
        ("a: - b", "1:4: a '- ' cannot stand here"),
        ("schedule: * * * * *", "1:11: a text that begins with '*' must be in quotes"),
        ("a: & b", "1:4: a text that begins with '&' must be in quotes"),
        ('x: 1\na: "b\nc: d\n', "2:4: the quote that opens here is never closed"),
        ("a: 'b\n---\n", "1:4: the quote that opens here is never closed"),
        ("a: [1,\n 2", "expected ',' or ']' here; the '[' that opens on line 1"),
        ("a: {b: 1", "1:9: expected ',' or '}' here; the '{' that opens on line 1"),
        ("a:\n  - 1\n - 2", "3:2: expected 'key: value' here"),
        ("- a\nb: 1", "2:1: expected '- ' here"),
        ("a: b\nfoo\nc: d", "2:1: this line is no 'key: value'"),
        ('a: "\\q"', "unknown escape in double quotes"),
        ('a: "\\u12"', "this escape names no character"),
        ("a: | x", "1:6: after '|' or '>' the line must end"),
        ("a: ]", "1:4: expected a value here"),
        ("{a: 1}}", "1:7: the document has ended before this text"),
        ("%YAML 2.0\n---\na", "1:1: this '%' directive is not supported"),
        ("a: !<x", "1:4: this tag is not supported"),
        ("b: 1\na: {{ x }} and more", "a text that begins with '{{' must be in quotes"),
        ("a: ? b", "1:4: a '? ' cannot stand here"),
    ],
)
def test_a_syntax_error_is_a_plain_sentence_at_its_place(text: str, expected: str) -> None:
    assert expected in yaml_problems(text)[-1]


def test_half_a_surrogate_pair_is_refused_by_both_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'a: "\\ud83d\\ude00"'
    assert yaml_problems(text) == [
        "file.yaml:1:7: this escape names no character; write the character itself"
    ]
    monkeypatch.setattr(yaml_core, "_Loader", yaml.BaseLoader)
    assert "half a surrogate pair" in yaml_problems(text)[0]
    assert "not valid YAML" in yaml_problems('a: "\\UFFFFFFFF"')[0]


def test_all_problems_are_reported_together_in_order_and_with_their_paths() -> None:
    text = "steps:\n  - {a: 1, a: 2}\n  - x: [1, .inf]\n    y: !t z\n  - <<: *q\nb: @\n"
    with pytest.raises(InvalidSpec) as caught:
        from_yaml(text)
    found = caught.value.problems
    assert [problem.position.line for problem in found] == [2, 3, 4, 5, 5, 6]
    assert [problem.path for problem in found[:4]] == [
        ("steps", 0, "a"),
        ("steps", 1, "x", 1),
        ("steps", 1, "y"),
        ("steps", 2),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the document is empty"),
        ("{", "1:2: expected a key in double quotes, but the text ends here"),
        ("[1,]", "1:3: JSON allows no ',' before ']'"),
        ('{"a": 1,\n}', "1:8: JSON allows no ',' before '}'"),
        ("{a: 1}", "1:2: expected a key in double quotes, found 'a'"),
        ("{'a': 1}", "1:2: expected a key in double quotes, found \"'a'\"; JSON wants double"),
        ('{"a" 1}', "1:6: expected ':' after the key 'a', found '1'"),
        ('{"a":}', "1:6: expected a value, found '}'"),
        ("[1 2]", "1:4: expected ',' or ']', found '2'"),
        ("[1}", "1:3: expected ',' or ']', found '}'"),
        ("// note\n{}", "1:1: expected a value, found '//'; JSON has no comments"),
        ("[1] x", "1:5: expected the end of the text, found 'x'"),
        ("[nope]", "1:2: expected a value, found 'nope'"),
        ("01", "1:2: expected the end of the text"),
        ('["a\nb"]', "1:4: a line break or control character must be escaped"),
        ('["\\x"]', "1:3: a backslash begins an escape"),
        ('["\\u12"]', "hexadecimal digits"),
        ('["abc', "1:2: the quote that opens here is never closed"),
        ('{"a": NaN}', "1:7: 'NaN' is not a finite number"),
        ("[-Infinity]", "1:2: '-Infinity' is not a finite number"),
        ("[1e999]", "1:2: '1e999' is not a finite number"),
        ("[9223372036854775808]", "1:2: the integer '9223372036854775808' does not fit 64 bits"),
        ("[" + "9" * 5000 + "]", "1:2: the integer '999"),
        ('{"a":1,\n "\\u0061":2}', "2:2: the key 'a' stands here a second time (first on line 1)"),
        ('["\\ud800"]', "1:2: '\\ud800' holds half a surrogate pair"),
    ],
)
def test_json_is_refused_where_it_is_wrong(text: str, expected: str) -> None:
    assert expected in json_problems(text)[0]


def test_after_a_hundred_problems_reading_stops() -> None:
    assert len(yaml_problems(f"[{'.nan, ' * 1000}]")) == 100


def test_json_with_escaped_pairs_keeps_its_values_and_positions() -> None:
    text = '{\r\n  "\\ud83d\\ude00": ["\\ud83d\\ude00", "😀", 7],\r\n  "b": {"c": "d\\ne"}}'
    document = read(text, "file.json", format="json")
    assert document.value == {"😀": ["😀", "😀", 7], "b": {"c": "d\ne"}}
    assert document.position(("😀",), key=True) == Position(2, 3)
    assert document.position(("😀", 0)) == Position(2, 20)
    assert document.position(("😀", 1)) == Position(2, 36)
    assert document.position(("😀", 2)) == Position(2, 41)
    assert document.position(("b", "c"), key=True) == Position(3, 9)
    assert document.position(("b", "c"), offset=1) == Position(3, 16)
    assert document.position(("b", "c"), offset=2) == Position(3, 14)


def test_both_formats_read_a_byte_order_mark_and_every_line_end() -> None:
    for line_end in ("\n", "\r\n", "\r"):
        text = f"\ufeffa: 1{line_end}b: 2{line_end}"
        assert from_yaml(text.encode()).position(("b",)) == Position(2, 4)
        assert from_yaml(text).value == {"a": 1, "b": 2}
    assert read('\ufeff{"a":\r1}', "x", format="json").position(("a",)) == Position(2, 1)


@pytest.mark.parametrize("format", ["yaml", "json"])
def test_bytes_that_are_not_utf_8_are_named_with_their_offset(format: Format) -> None:
    (problem,) = problems(lambda: read("a: é\nb: ".encode() + b"\xff", "f", format=format))
    assert problem == "f:2:4: the byte 0xff at offset 9 is not UTF-8; save the document as UTF-8"
    (problem,) = problems(lambda: read("a: 1".encode("utf-16"), "f", format=format))
    assert "offset 0 is not UTF-8" in problem


@pytest.mark.parametrize("format", ["yaml", "json"])
def test_a_document_may_have_a_mebibyte_and_not_a_byte_more(format: Format) -> None:
    fits = '"' + "é" * (MAX_BYTES // 2 - 1) + '"'
    assert read(fits, "f", format=format).value == fits[1:-1]
    assert (
        "1,048,577 bytes, the limit is 1,048,576"
        in problems(lambda: read(fits + " ", "f", format=format))[0]
    )


@pytest.mark.parametrize("format", ["yaml", "json"])
def test_a_document_may_be_64_deep_and_no_deeper(format: Format) -> None:
    deep = read("[" * 64 + "]" * 64, "f", format=format).value
    for _ in range(63):
        assert isinstance(deep, list)
        (deep,) = deep
    assert deep == []
    (problem,) = problems(lambda: read("[" * 65 + "]" * 65, "f", format=format))
    assert problem == "f:1:65: nested more than 64 deep; flatten the document"


def test_aliases_count_towards_depth_and_size() -> None:
    def chain(length: int) -> str:
        links = (f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, length))
        return "a0: &a0 [[[1]]]\n" + "".join(links)

    assert from_yaml(chain(61)).value
    assert "nested more than 64 deep through '*a60'" in yaml_problems(chain(62))[0]
    doubling = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
    )
    assert "more than 100,000 values" in yaml_problems(doubling)[0]
    long_text = f"a: &a {'x' * 500_000}\nb: [{'*a, ' * 1000}]\n"
    assert "more than 100,000 values" in yaml_problems(long_text)[0]
    long_key = f"a: &a {'x' * 500_000}\nb: [{'{*a : 1}, ' * 1000}]\n"
    assert "more than 100,000 values" in yaml_problems(long_key)[0]


def test_python_values_are_copied_into_plain_ones() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    source = {"a": (1, [True, None]), 90: Colour.RED, True: Level.HIGH, None: 0.5, Colour.RED: "é"}
    document = read_value(source, "<python>")
    assert document.value == {
        "a": [1, [True, None]],
        "90": "red",
        "true": 3,
        "null": 0.5,
        "red": "é",
    }
    assert type(document.value["90"]) is str
    assert type(document.value["true"]) is int
    assert document.position(("a", 1, 0), key=True, offset=4) == Position(1, 1)
    shared = [1]
    assert read_value([shared, shared], "f").value == [[1], [1]]


def test_python_values_that_json_could_not_hold_are_named_by_path() -> None:
    value = {
        "steps": [{"env": {"a b": {1}}}, float("nan"), 2**64, 10**9000, "\ud800", b"x"],
        3: 1,
        "3": 2,
        1.5: 0,
    }
    assert problems(lambda: read_value(value, "f")) == [
        "f:1:1: steps[0].env['a b']: a value of type set does not fit;"
        " use text, numbers, booleans, None, lists and mappings",
        "f:1:1: steps[1]: 'nan' is not a finite number; write it as text",
        "f:1:1: steps[2]: the integer '18446744073709551616' does not fit 64 bits;"
        " write it as text",
        "f:1:1: steps[3]: the integer 'a vast one' does not fit 64 bits; write it as text",
        "f:1:1: steps[4]: '\\ud800' holds half a surrogate pair; write the character",
        "f:1:1: steps[5]: a value of type bytes does not fit;"
        " use text, numbers, booleans, None, lists and mappings",
        "f:1:1: ['3']: the key '3' stands here a second time; remove or rename one",
        "f:1:1: a key of type float does not fit; use text",
    ]


def test_python_values_with_cycles_or_too_deep_are_refused() -> None:
    cycle: dict[str, object] = {}
    cycle["a"] = [cycle]
    assert problems(lambda: read_value(cycle, "f")) == [
        "f:1:1: a[0]: this value contains itself; build it without the cycle"
    ]
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert "nested more than 64 deep" in problems(lambda: read_value(deep, "f"))[0]
    assert "more than 100,000 values" in problems(lambda: read_value([[0] * 400] * 400, "f"))[0]
