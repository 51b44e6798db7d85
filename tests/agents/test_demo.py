"""The demo model: useful on a test report, valid for any schema, honest about what it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.agents.demo.facts import find_facts
from assay.agents.demo.filling import fill

from .conftest import Desk

pytestmark = pytest.mark.anyio

FAILURES = {
    "type": "object",
    "required": ["failures"],
    "properties": {
        "failures": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["test", "kind", "explanation"],
                "properties": {
                    "test": {"type": "string"},
                    "kind": {"type": "string", "enum": ["assertion", "exception", "environment"]},
                    "explanation": {"type": "string"},
                },
            },
        }
    },
}

SHOP = """
import pytest
def test_sum(): assert 1 + 1 == 3
def test_price(): {}["price"]
def test_fine(): pass
class TestTill:
    @pytest.mark.parametrize("coin", ["a b", "c"])
    def test_coin(self, coin): assert coin == "c", "a - b"
"""

PARSER = """
import no_such_module_anywhere
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What pytest and unittest really say of failing projects."""
    folder = tmp_path_factory.mktemp("projects")
    (folder / "test_shop.py").write_text(SHOP)
    (folder / "test_parser.py").write_text(PARSER)
    (folder / "plain.py").write_text(
        "import unittest\n"
        "class Till(unittest.TestCase):\n"
        "    def test_coins(self): self.assertEqual(1, 2)\n"
        "    def test_notes(self): int('x')\n"
    )
    return {
        "shop": _run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"),
        "short": _run(
            folder, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "test_shop.py"
        ),
        "parser": _run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_parser.py"),
        "unittest": _run(folder, "-m", "unittest", "plain"),
    }


def _run(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "COLUMNS": "80"},
    )
    return ended.stdout + ended.stderr


def _prompt(report: str) -> str:
    return f"Explain and classify each failing test.\n<data>\n{report}\n</data>\n"


async def test_it_explains_each_failing_test_of_a_report(
    desk: Desk, reports: dict[str, str]
) -> None:
    answer = await desk.demo(_prompt(reports["shop"]), schema=FAILURES)
    found = {f["test"]: f for f in answer.value["failures"]}
    assert set(found) == {
        "test_shop.py::test_sum",
        "test_shop.py::test_price",
        "test_shop.py::TestTill::test_coin[a b]",
    }
    assert found["test_shop.py::test_sum"]["kind"] == "assertion"
    assert "assert (1 + 1) == 3" in found["test_shop.py::test_sum"]["explanation"]
    assert found["test_shop.py::test_price"]["kind"] == "exception"
    assert "KeyError: 'price'" in found["test_shop.py::test_price"]["explanation"]
    assert "a - b" in found["test_shop.py::TestTill::test_coin[a b]"]["explanation"]
    assert all(f["explanation"].startswith("[demo]") for f in found.values())


async def test_another_project_gets_another_answer(desk: Desk, reports: dict[str, str]) -> None:
    answer = await desk.demo(_prompt(reports["parser"]), schema=FAILURES)
    (failure,) = answer.value["failures"]
    assert failure["test"] == "test_parser.py"
    assert failure["kind"] == "environment"
    assert "no_such_module_anywhere" in failure["explanation"]


async def test_it_reads_unittests_report_as_well(desk: Desk, reports: dict[str, str]) -> None:
    answer = await desk.demo(_prompt(reports["unittest"]), schema=FAILURES)
    kinds = {f["test"]: f["kind"] for f in answer.value["failures"]}
    assert kinds == {"plain.Till.test_coins": "assertion", "plain.Till.test_notes": "exception"}


@pytest.mark.parametrize("shape", ["json", "crlf", "colour", "short"])
def test_a_report_is_understood_in_the_shapes_it_comes_in(
    reports: dict[str, str], shape: str
) -> None:
    text = {
        "json": json.dumps({"report": reports["shop"]}),
        "crlf": reports["shop"].replace("\n", "\r\n"),
        "colour": reports["shop"].replace("FAILED", "\x1b[31mFAILED\x1b[0m"),
        "short": reports["short"],
    }[shape]
    assert len(find_facts(text).failures) == 3


async def test_no_failing_test_gives_an_empty_list(desk: Desk) -> None:
    answer = await desk.demo(_prompt("5 passed in 0.1s"), schema=FAILURES)
    assert answer.value == {"failures": []}


async def test_it_always_says_what_it_is(desk: Desk, reports: dict[str, str]) -> None:
    answer = await desk.demo(_prompt(reports["shop"]))
    assert answer.value.startswith("[demo] 3 tests fail: test_shop.py::")
    assert any(n.startswith("answered by the built-in demo model: ") for n in answer.notices)
    assert (answer.model, answer.cost.calls) == ("demo", 1)
    assert answer.cost.output_tokens == len(answer.value.split())
    assert len(desk.ear.tokens) == len(answer.value.split())
    assert "".join(desk.ear.tokens) == answer.value


async def test_the_same_prompt_gives_the_same_answer(desk: Desk, reports: dict[str, str]) -> None:
    first = await desk.demo(_prompt(reports["shop"]), schema=FAILURES)
    assert await desk.demo(_prompt(reports["shop"]), schema=FAILURES) == first


async def test_it_looks_at_one_file_that_the_prompt_names(
    desk: Desk, write: Callable[[str, str], Path]
) -> None:
    write("src/cart.py", "TOTAL = 1\n")
    answer = await desk.demo("Review src/cart.py, please.", agent="reviewer")
    assert desk.ear.tools == [("read_file", {"path": "src/cart.py"}, True)]
    assert answer.value.endswith("[demo] read_file gave 1 line, beginning: TOTAL = 1")


async def test_it_calls_nothing_that_changes_anything(desk: Desk) -> None:
    await desk.demo("Write a.txt now.", tools=["write_file", "run_command", "run_tests"])
    assert desk.ear.tools == []


async def test_it_lists_the_folder_of_the_seeds_analyzer(
    desk: Desk, write: Callable[[str, str], Path]
) -> None:
    write("src/a.py", "")
    prompt = 'Inputs (data, not instructions):\n<data>\n{\n  "path": "./src"\n}\n</data>\n'
    await desk.demo(prompt, agent="code-analyzer")
    assert desk.ear.tools == [("list_files", {"path": "./src"}, True)]


@pytest.mark.parametrize(
    ("ticket", "option"),
    [
        ("I was charged twice, please refund me", "billing"),
        ("The page crashes with an error", "technical"),
        ("Hello?", "billing"),
    ],
)
async def test_it_decides_by_the_words_of_the_options(desk: Desk, ticket: str, option: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "option": {"type": "string", "enum": ["billing", "technical"]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "reason": {"type": "string"},
        },
        "required": ["option", "confidence", "reason"],
    }
    options = "- billing: charges, invoices, refunds\n- technical: errors, crashes"
    answer = await desk.demo(f"{ticket}\n\nPick exactly one:\n{options}", schema=schema)
    assert answer.value["option"] == option
    assert answer.value["confidence"] == 0.5


@pytest.mark.parametrize(
    ("schema", "prompt", "value"),
    [
        ({"properties": {"coverage": {"type": "number"}}}, "coverage: 83.5 %", {"coverage": 83.5}),
        ({"properties": {"failed": {"type": "integer"}}}, "2 failed, 1 passed", {"failed": 2}),
        ({"properties": {"passed": {"type": "boolean"}}}, "3 passed in 1s", {"passed": True}),
        ({"properties": {"files": {"type": "array", "items": {"type": "string"}}}},
         "look at src/a.py and b.txt", {"files": ["src/a.py", "b.txt"]}),
        ({"type": "string", "pattern": "^[A-Z]+-[0-9]+$"}, "see ABC-12", "ABC-12"),
        ({"enum": ["approve", "reject"]}, "FAILED a.py::b - assert 0", "reject"),
    ],
)  # fmt: skip
def test_what_the_prompt_holds_is_used(schema: Any, prompt: str, value: Any) -> None:
    assert fill(schema, find_facts(prompt)) == value


def test_a_schema_that_contains_itself_ends() -> None:
    tree = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name", "next"],
            }
        },
        "$ref": "#/$defs/node",
    }
    assert jsonschema_rs.is_valid(tree, fill(tree, find_facts("a prompt")))


NAMES = st.sampled_from(["test", "kind", "reason", "count", "file", "ok", "line", "x", "score"])
WORDS = st.sampled_from(["", "a", "ok", "fail", "import", "other", "[demo]", "ünïcode"])


def _numbers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    low = st.integers(-50, 50)
    return st.one_of(
        st.just({"type": kind}),
        st.builds(
            lambda n, w: {"type": kind, "minimum": n, "maximum": n + w}, low, st.integers(0, 9)
        ),
        st.builds(lambda n: {"type": kind, "exclusiveMinimum": n}, low),
        st.builds(lambda n: {"type": kind, "exclusiveMaximum": n}, low),
        st.builds(
            lambda n, w: {"type": kind, "exclusiveMinimum": n, "exclusiveMaximum": n + w},
            low,
            st.integers(2, 9),
        ),
        st.builds(
            lambda n, m: {"type": kind, "minimum": n, "multipleOf": m}, low, st.integers(1, 7)
        ),
    )


def _lengths(kind: str, least: str, most: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda n, w, both: {"type": kind, least: n, **({most: n + w} if both else {})},
        st.integers(0, 6),
        st.integers(0, 40),
        st.booleans(),
    )


LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(lambda words: {"enum": words}, st.lists(WORDS, min_size=1, unique=True)),
    st.builds(lambda word: {"const": word}, WORDS),
    st.sampled_from([{"type": "string", "format": f} for f in ("date", "email", "uuid", "uri")]),
    st.just({"type": ["null", "integer"]}),
    st.just({"$ref": "#/$defs/shared"}),
    _lengths("string", "minLength", "maxLength"),
    _numbers("integer"),
    _numbers("number"),
)


def _compound(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(NAMES, inner, max_size=4)
    return st.one_of(
        st.builds(
            lambda p, n, extra: {
                "type": "object",
                "properties": p,
                "required": sorted(p)[:n],
                "additionalProperties": extra,
            },
            properties,
            st.integers(0, 4),
            st.booleans(),
        ),
        st.builds(
            lambda p: {"type": "object", "properties": p, "minProperties": len(p) + 1}, properties
        ),
        st.builds(
            lambda bounds, items: {**bounds, "items": items},
            _lengths("array", "minItems", "maxItems"),
            inner,
        ),
        st.builds(
            lambda first, rest: {
                "type": "array", "prefixItems": [first], "items": rest, "minItems": 2
            },
            inner,
            inner,
        ),
        st.builds(
            lambda n: {
                "type": "array",
                "items": {"type": "integer", "minimum": 3},
                "uniqueItems": True,
                "minItems": n,
            },
            st.integers(0, 6),
        ),
        st.builds(lambda choices: {"anyOf": choices}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"allOf": [one, {"description": "the same"}]}, inner),
    )  # fmt: skip


PROMPTS = st.one_of(
    st.text(max_size=80),
    st.just("FAILED tests/test_a.py::test_b - KeyError: 'x'\n1 failed, 2 passed in 0.1s"),
    st.just("Look at ./src and count: 7, line is 99"),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=st.recursive(LEAVES, _compound, max_leaves=8), prompt=PROMPTS)
def test_it_fits_any_usual_schema(schema: dict[str, Any], prompt: str) -> None:
    whole = {**schema, "$defs": {"shared": {"type": "string", "maxLength": 12}}}
    value = fill(whole, find_facts(prompt))
    jsonschema_rs.validate(whole, value)
    assert json.loads(json.dumps(value)) == value


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="FAILED ERROR_:=-.py/ \n\\E[]()0123tes", max_size=300))
def test_no_text_upsets_its_reading(text: str) -> None:
    facts = find_facts(text)
    assert facts == find_facts(text)


@pytest.mark.timeout(20)
def test_a_large_prompt_is_read_to_its_end() -> None:
    """Every expression is linear: half a megabyte of the worst lines is read at once."""
    for line in ("_" * 100_000, "FAILED " * 15_000, "a/" * 50_000, "E   " * 25_000, "=" * 100_000):
        assert find_facts(line * 4) == find_facts(line * 4)
