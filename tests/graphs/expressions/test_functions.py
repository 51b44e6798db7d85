"""Functions that expressions may call: what the built-in ones give, and how others join."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import ConfigurationError, ExpressionError
from assay.graphs.expressions import (
    ExpressionProblem,
    Function,
    Functions,
    Type,
    Value,
    current_scope,
)
from assay.graphs.expressions.builtin import canonical
from assay.graphs.expressions.cel import CelEngine

SCOPE = CelEngine().environment({"x": Type.DYN, "y": Type.DYN, "number": Type.NUMBER})


def value_of(source: str, **state: Value) -> Value:
    return SCOPE.compile(source).evaluate(lambda path: state[path[0]])


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("len('é😀')", 2),
        ("len([1, 2])", 2),
        ("len({'a': 1})", 1),
        ("lower('ÀB')", "àb"),
        ("upper('ab')", "AB"),
        ("trim('  a\\n')", "a"),
        ("replace('a-b-c', '-', '+')", "a+b+c"),
        ("split('a,b,,c', ',')", ["a", "b", "", "c"]),
        ("join(['a', 1, 2.0, null, true], '-')", "a-1-2--true"),
        ("join([], '-')", ""),
        ("round(2.6)", 3),
        ("round(7)", 7),
        ("round(12.857, 2)", 12.86),
        ("round(1234, -2)", 1200.0),
        ("abs(-3)", 3),
        ("abs(-2.5)", 2.5),
        ("min(3, 1.5, 2)", 1.5),
        ("max([1, 7, 3])", 7),
        ("default(null, 'a')", "a"),
        ("default(0, 'a')", 0),
        ("json('{\"a\": [1, 2.5, null]}').a[1]", 2.5),
        ("size(json('[1, 2]'))", 2),
    ],
)
def test_a_built_in_function_gives(source: str, value: Value) -> None:
    found = value_of(source)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("len(x)", "`len` does not take (int)"),
        ("min([])", "at least one number"),
        ("max(1, 'a')", "nothing but numbers"),
        ("max(true, 1)", "nothing but numbers"),
        ("split('a', '')", "needs a separator"),
        ("replace('a', '', 'b')", "not an empty one"),
        ("json('{')", "not JSON"),
        ("json('\"\\\\u0000\"')", "NUL"),
        ("round(1e308 * 10.0)", "finite"),
    ],
)
def test_a_function_fails_in_words(source: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value_of(source, x=1)
    assert part in caught.value.message


def test_wrong_arguments_are_found_before_running() -> None:
    with pytest.raises(ExpressionProblem, match="`split` takes 2 values, not 1"):
        SCOPE.compile("split('a')")
    with pytest.raises(ExpressionProblem, match="`round` takes 1 value or 2 values, not 3"):
        SCOPE.compile("round(1, 2, 3)")
    with pytest.raises(ExpressionProblem, match=r"`lower` does not take \(int\)"):
        SCOPE.compile("lower(1)")


def test_a_hash_is_sha_256_of_canonical_json() -> None:
    assert value_of("hash('src/a.py')") == sha256('"src/a.py"')
    assert value_of("hash(x, 90, null)", x={"b": 1, "a": [True]}) == sha256(
        '[{"a":[true],"b":1},90,null]'
    )


def test_a_hash_of_several_values_is_that_of_their_list() -> None:
    assert value_of("hash(x, 'b', 3, 4, 5)", x="a") == value_of("hash(['a', 'b', 3, 4, 5])")
    assert value_of("hash(hash(x), (x))", x=1) == value_of("hash([hash(1), 1])")
    assert value_of("hash('a')") != value_of("hash(['a'])")


def test_a_hash_is_the_same_however_a_number_arrives() -> None:
    """An input declared as number enters CEL as a float; as a literal it is whole."""
    assert value_of("hash(number)", number=90) == value_of("hash(90)") == value_of("hash(90.0)")
    assert canonical({"a": [1.0, 1e300, 2.5]}) == b'{"a":[1,1e+300,2.5]}'


class Workspace:
    """A folder as functions see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str | Mapping[str, Value]] = []

    def read(self, file: str | Mapping[str, Value]) -> bytes:
        self.asked.append(file)
        path = file if isinstance(file, str) else str(file["path"])
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            raise ExpressionError(f"there is no file {path!r}") from None

    def exists(self, path: str) -> bool:
        return (self.folder / path).exists()

    def now(self) -> str:
        return "2026-01-02T03:04:05Z"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    token = current_scope.set(workspace)
    yield workspace
    current_scope.reset(token)


def test_file_functions_see_the_workspace(workspace: Workspace) -> None:
    (workspace.folder / "a.txt").write_text("hello")
    assert value_of("hash_file('a.txt')") == sha256("hello")
    assert value_of("hash_file(x)", x="a.txt") == sha256("hello")
    assert value_of("file_exists('a.txt') && !file_exists('b.txt')") is True
    with pytest.raises(ExpressionError, match=r"there is no file 'b.txt'"):
        value_of("hash_file('b.txt')")


def test_file_functions_take_an_artifact_too(workspace: Workspace) -> None:
    (workspace.folder / "c.xml").write_text('<coverage line-rate="0.85"/>')
    artifact: dict[str, Value] = {"path": "c.xml", "sha256": "0f", "size": 30}
    assert value_of("parse_coverage(x).line_coverage < 90", x=artifact) is True
    assert value_of("file_exists(x)", x=artifact) is True
    assert workspace.asked == [artifact]


def test_a_map_that_is_no_artifact_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ExpressionError, match="not an artifact"):
        value_of("hash_file(x)", x={"path": "c.xml"})


def test_a_report_that_cannot_be_read_is_named(workspace: Workspace) -> None:
    (workspace.folder / "c.xml").write_text("<html/>")
    with pytest.raises(ExpressionError, match=r"cannot read 'c.xml': it is not a JUnit report"):
        value_of("parse_junit('c.xml').failures == 0")


def test_the_time_is_that_of_the_scope(workspace: Workspace) -> None:
    assert value_of("now()") == "2026-01-02T03:04:05Z"
    assert value_of("timestamp(now()) + duration('1h')") == "2026-01-02T04:04:05Z"


@pytest.mark.parametrize("source", ["now()", "hash_file('a')", "file_exists('a')"])
def test_outside_of_a_step_there_is_no_world(source: str) -> None:
    with pytest.raises(ExpressionError, match="no step is running"):
        value_of(source)


def test_a_registered_function_joins_the_built_in_ones() -> None:
    def twice(x: int) -> int:
        return 2 * x

    def explode(*_: Any) -> Value:
        raise RuntimeError("boom")

    engine = CelEngine(
        [
            Function("twice", (Type.INT,), Type.INT, twice),
            Function("explode", (Type.DYN,), Type.DYN, explode, variadic=True),
        ]
    )
    scope = engine.environment({})
    assert scope.compile("twice(21) + 1").evaluate(lambda _: None) == 43
    assert scope.compile("1 == 1 || explode(1)").evaluate(lambda _: None) is True
    with pytest.raises(ExpressionError, match="explode failed: boom"):
        scope.compile("explode(1, 'a')").evaluate(lambda _: None)
    with pytest.raises(ExpressionProblem, match="no function `hash`"):
        scope.compile("hash(1)")
    assert not engine.declarable("twice")
    assert engine.declarable("hash")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Function("f", (Type.INT,), Type.INT, abs), Function("f", (Type.INT,), Type.INT, abs)),
        (Function("f", (Type.DYN,), Type.INT, abs), Function("f", (Type.INT,), Type.INT, abs)),
    ],
)
def test_two_functions_of_one_name_must_differ_in_what_they_take(
    first: Function, second: Function
) -> None:
    with pytest.raises(ConfigurationError, match="`f`"):
        Functions([first, second])


def test_a_function_needs_a_name_that_can_be_written() -> None:
    with pytest.raises(ConfigurationError, match="'my-function'"):
        Functions([Function("my-function", (), Type.INT, int)])


@pytest.mark.parametrize("name", ["size", "int", "while", "has", "optional"])
def test_a_function_cannot_take_the_place_of_the_languages_own(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}`"):
        CelEngine([Function(name, (), Type.INT, int)])
