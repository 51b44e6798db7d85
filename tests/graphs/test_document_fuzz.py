"""Whatever the text: `InvalidSpec` or plain values, each standing where its position says."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.document import MAX_BYTES, Document, Json, read, read_value
from assay.graphs.errors import InvalidSpec, Position
from assay.graphs.yaml_core import core_value

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]

texts = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from("ab :#-'\"\\|>&*!{}[],\n\t{}éü😀\u2028\x85\r~%@`?"),
    max_size=30,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["on", "010", "0o10", "1e3", "12:30", "<<", "=", "null", ".nan", "{{ x }}"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=25,
)
yaml_characters = "ab01 \n\n  ::--??,,[]{}&*!|>'\"\\#%@`~<=.eux\t\r\u2028\x85é😀"
yaml_pieces = r"""
    a:_ b:_ -_ \n \n__ \n____ &x_ *x !!str_ !t_ |\n >-\n ' " { } [ ] ,_ ?_ :_ ---\n ...\n <<:_
    %TAG_!_t\n text 0x1F .nan 99999999999999999999 \\u12 #_c {{_x_}} \t \ufeff \0
"""
json_characters = 'ab01 \n,,::[]{}""\\/.-+eEu\t\réntrufalsNI'
json_pieces = r"""
    { } [ ] , : "a" "b" 1 -0 1.5e3 true null _ NaN -Infinity "\\ud83d" "\\n" 01 ' // \n 1e999
    99999999999999999999
"""


def written_with(characters: str, pieces: str) -> st.SearchStrategy[str]:
    """Texts of these characters or pieces, where `_` stands for a space."""
    whole = [piece.replace("_", " ").encode().decode("unicode_escape") for piece in pieces.split()]
    return st.text(st.sampled_from(characters), max_size=60) | st.lists(
        st.sampled_from(whole), max_size=30
    ).map("".join)


@settings(max_examples=300, deadline=None)
@given(values)
def test_json_positions_point_at_the_very_values(value: Any) -> None:
    for text in (json.dumps(value, indent=1), json.dumps(value, ensure_ascii=False)):
        document = read(text, "f", format="json")
        assert document.value == value
        for path, member in walk(value):
            assert decoded_at(text, document.position(path)) == member
            if path and isinstance(path[-1], str):
                assert decoded_at(text, document.position(path, key=True)) == path[-1]


@settings(max_examples=300, deadline=None)
@given(values, st.booleans(), st.sampled_from([20, 1000]), st.sampled_from([None, "\r\n"]))
def test_yaml_positions_agree_with_those_that_pyyaml_composes(
    value: Any, allow_unicode: bool, width: int, line_break: str | None
) -> None:
    for flow in (True, False, None):
        text = yaml.dump(
            value,
            Dumper=Written,
            default_flow_style=flow,
            allow_unicode=allow_unicode,
            width=width,
            line_break=line_break,
        )
        document = read(text, "f", format="yaml")
        assert document.value == value
        agree_with_composed(document)


@settings(max_examples=300, deadline=None)
@given(values, st.data())
def test_a_place_inside_a_text_is_its_character_or_the_texts_beginning(
    value: Any, data: st.DataObject
) -> None:
    text = yaml.dump(value, Dumper=Written, allow_unicode=True, width=20)
    document = read(text, "f", format="yaml")
    for path, member in walk(value):
        if isinstance(member, str) and member:
            offset = data.draw(st.integers(0, len(member) - 1))
            position = document.position(path, offset=offset)
            if position != document.position(path) and member[offset] != "\n":
                escaped_or_folded = "\\\n" if member[offset] == " " else "\\"
                assert text[index(text, position)] in member[offset] + escaped_or_folded


lines = st.text(st.sampled_from("ab {}:#'\"é😀"), max_size=8).map(lambda line: line.rstrip(" "))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(lines, max_size=5),
    lines.filter(lambda line: line.strip() != "" and not line.startswith((" ", "#"))),
    st.integers(1, 4),
    st.sampled_from(["|", "|-", "|+", "| # why", "&x |", "!!str |-"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_literal_blocks_are_followed_to_every_character(
    others: list[str], first: str, indent: int, header: str, line_end: str
) -> None:
    block = [first, *others]
    source = [f"a: {header}", *(" " * indent + line if line else "" for line in block), "b: 1", ""]
    text = line_end.join(source)
    document = read(text, "f", format="yaml")
    value = document.value["a"]  # type: ignore[call-overload,index]
    assert isinstance(value, str)
    for offset, character in enumerate(value):
        if character != "\n":
            line = value.count("\n", 0, offset)
            column = offset - (value.rfind("\n", 0, offset) + 1)
            position = document.position(("a",), offset=offset)
            assert position == Position(line + 2, indent + column + 1)
            assert text[index(text, position)] == character


@pytest.mark.parametrize("before", ["", "&x ", "!!str ", "!!str &x "])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_plain_and_quoted_texts_are_followed_exactly(before: str, quote: str) -> None:
    text = f"k:\n  - {before}{quote}say {{{{ a }}}}{quote}  # why\n"
    document = read(text, "f", format="yaml")
    assert document.value == {"k": ["say {{ a }}"]}
    for offset in range(len("say {{ a }}")):
        position = document.position(("k", 0), offset=offset)
        assert index(text, position) == text.index("say") + offset


@pytest.mark.parametrize(
    ("source", "offset"),
    [
        (">\n    one\n    two", 1),
        (">\n    > one", 1),
        ("one\n    two", 5),
        ("one\n\n    two", 4),
        ("'one\n\n    two'", 4),
        ("'it''s a'", 3),
        ('"\\ta b"', 2),
        ('"a\\\\b"', 2),
        ("|\n    one\x85    two", 6),
        ("|\n    one", 9),
        ("&x\n    |\n    one", 1),
        ("one", 9),
    ],
)
def test_where_the_place_is_hidden_the_texts_beginning_is_reported(
    source: str, offset: int
) -> None:
    document = read(f"k:\n  - {source}\n", "f", format="yaml")
    assert document.position(("k", 0), offset=offset) == Position(2, 5)


def test_a_place_inside_an_alias_is_the_alias() -> None:
    document = read("a: &x '*xy'\nb: *x\n", "f", format="yaml")
    assert document.position(("b",), offset=1) == Position(2, 4)


def test_the_end_of_a_literal_block_is_the_line_below_it() -> None:
    document = read("a: |\n  b\n\n  c\nlonger: 1\n", "f", format="yaml")
    assert document.position(("a",), offset=len("b\n\nc\n")) == Position(5, 1)
    assert document.position(("a",), offset=len("b\n")) == Position(3, 1)
    assert document.position(("a",), offset=len("b\n\n")) == Position(4, 3)


@given(values, st.lists(st.text(max_size=3) | st.integers(-3, 3), max_size=4))
def test_a_path_that_leads_nowhere_stands_at_its_nearest_ancestor(value: Any, tail: Any) -> None:
    document = read(json.dumps(value, indent=1), "f", format="json")
    known = {path for path, _ in walk(value)}
    for path in known:
        nearest = (*path, *tail)
        while nearest not in known:
            nearest = nearest[:-1]
        assert document.position((*path, *tail)) == document.position(nearest)


@settings(max_examples=1000, deadline=None)
@given(written_with(yaml_characters, yaml_pieces))
def test_any_yaml_text_is_refused_or_read_as_pyyaml_composes_it(text: str) -> None:
    document = read_or_refuse(text, "yaml")
    if document and "*" not in text:
        agree_with_composed(document)


@settings(max_examples=1000, deadline=None)
@given(written_with(json_characters, json_pieces))
def test_any_json_text_is_refused_or_read_as_json_reads_it(text: str) -> None:
    document = read_or_refuse(text, "json")
    try:
        expected = json.loads(
            text, object_pairs_hook=unique, parse_constant=refuse, parse_int=in_64_bits
        )
        json.dumps(expected, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        assert document is None
    else:
        assert document is not None
        assert document.value == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60), st.sampled_from(["yaml", "json"]))
def test_any_bytes_or_text_are_read_or_refused(
    text: str | bytes, format: Literal["yaml", "json"]
) -> None:
    read_or_refuse(text, format)


@given(values)
def test_a_python_value_reads_as_its_json(value: Any) -> None:
    assert read_value(value, "f").value == json.loads(json.dumps(value))


@pytest.mark.parametrize("format", ["yaml", "json"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{" * MAX_BYTES,
        "- " * (MAX_BYTES // 2),
        "? " * (MAX_BYTES // 2),
        '{"a":' * (MAX_BYTES // 5),
        "[" + "1," * (MAX_BYTES // 2 - 1) + "]",
        "[" + "{}," * (MAX_BYTES // 3 - 2) + "{}]",
        "[" + "[],\n" * (MAX_BYTES // 4 - 2) + "]",
        "a: 1\n" * (MAX_BYTES // 5),
        "\n" * MAX_BYTES,
        "9" * MAX_BYTES,
        "0" * MAX_BYTES,
        "1e" + "9" * (MAX_BYTES - 2),
        '"' + '\\"' * (MAX_BYTES // 2 - 1) + '"',
        "".join(f"%TAG !{i:x}! t\n" for i in range(69_000)) + "---\na\n",
        "a\n...\n" + "".join(f"%TAG !{i:x}! t\n" for i in range(69_000)) + "---\na\n",
        "[" + ",".join(f"&a{i} x" for i in range(80_000)) + "]",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_mebibyte_takes_long(text: str, format: Literal["yaml", "json"]) -> None:
    """Measured at 0.3 s for the worst; the bound only has to tell that from quadratic."""
    started = time.process_time()
    assert len(text) <= MAX_BYTES
    with suppress(InvalidSpec):
        read(text, "f", format=format)
    assert time.process_time() - started < 3


def read_or_refuse(text: str | bytes, format: Literal["yaml", "json"]) -> Document | None:
    try:
        document = read(text, "f", format=format)
    except InvalidSpec:
        return None
    json.dumps(document.value, allow_nan=False, ensure_ascii=False).encode()
    for path, _ in walk(document.value):
        assert index(document.text, document.position(path, offset=1)) <= len(document.text)
    return document


def agree_with_composed(document: Document) -> None:
    """Every value and key begins where PyYAML's own composer places its node."""

    def descend(node: yaml.Node, path: Path, value: Any) -> None:
        place = index(document.text, document.position(path))
        assert place == min(node.start_mark.index, len(document.text))
        if isinstance(node, yaml.MappingNode):
            assert len(node.value) == len(value)
            for key, member in node.value:
                place = index(document.text, document.position((*path, key.value), key=True))
                assert place == key.start_mark.index
                descend(member, (*path, key.value), value[key.value])
        elif isinstance(node, yaml.SequenceNode):
            assert len(node.value) == len(value)
            for number, member in enumerate(node.value):
                descend(member, (*path, number), value[number])
        elif isinstance(value, str):
            assert value == node.value

    root = yaml.compose(document.text, yaml.CBaseLoader)
    assert root is not None
    descend(root, (), document.value)


def walk(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from walk(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from walk(member, (*path, number))


def index(text: str, position: Position) -> int:
    """The offset of a position, counted in the plainest way."""
    starts = [0]
    for at, character in enumerate(text):
        if character == "\n" or (character == "\r" and text[at + 1 : at + 2] != "\n"):
            starts.append(at + 1)
    return starts[position.line - 1] + position.column - 1


def decoded_at(text: str, position: Position) -> Any:
    return json.JSONDecoder().raw_decode(text, index(text, position))[0]


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def refuse(constant: str) -> float:
    raise ValueError(constant)


def in_64_bits(digits: str) -> int:
    if -(2**63) <= int(digits) < 2**63:
        return int(digits)
    raise ValueError(digits)


class Written(yaml.SafeDumper):
    """Writes every style of scalar; quotes what the core types would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _written_text(dumper: Written, text: str) -> yaml.ScalarNode:
    styles = (None, "'", '"', "|", ">")
    fragile = core_value(text) != text or text == "<<" or set(text) & set("\x85\u2028\u2029")
    style = '"' if fragile else styles[len(text) % len(styles)]
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _written_float(dumper: Written, number: float) -> yaml.ScalarNode:
    assert math.isfinite(number)
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(number))


Written.add_representer(str, _written_text)
Written.add_representer(float, _written_float)
