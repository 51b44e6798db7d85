"""Coverage and test reports: what tools write is read, what attackers write is refused."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.expressions.reports import DEPTH, LISTED, read_coverage, read_junit

COVERAGE = b"""<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-03.dtd'>
<coverage version="7.6" lines-valid="8" lines-covered="6" line-rate="0.75"
          branches-valid="4" branches-covered="1" branch-rate="0.25" complexity="0">
  <packages><package name="." line-rate="0.75"><classes>
    <class name="a.py" filename="src/a.py" line-rate="0.6667">
      <methods><method name="m"><lines><line number="99" hits="0"/></lines></method></methods>
      <lines><line number="1" hits="1"/><line number="2" hits="0"/>
      <line number="3" hits="7"/></lines>
    </class>
    <class name="empty.py" filename="src/empty.py"><methods/><lines/></class>
  </classes></package></packages>
</coverage>"""


def test_a_cobertura_report_is_read() -> None:
    assert read_coverage(COVERAGE) == {
        "line_coverage": 75.0,
        "branch_coverage": 25.0,
        "lines_covered": 6,
        "lines_valid": 8,
        "files": [
            {
                "path": "src/a.py",
                "line_coverage": 200 / 3,
                "lines_covered": 2,
                "lines_valid": 3,
                "missing": [2],
            },
            {
                "path": "src/empty.py",
                "line_coverage": 100.0,
                "lines_covered": 0,
                "lines_valid": 0,
                "missing": [],
            },
        ],
    }


def test_rates_are_enough() -> None:
    found = read_coverage(b'<coverage line-rate="0.85" branch-rate="0.5"/>')
    assert (found["line_coverage"], found["branch_coverage"]) == (85.0, 50.0)


def test_lines_are_enough() -> None:
    found = read_coverage(
        b'<coverage><class filename="a"><lines><line number="1" hits="1"/>'
        b'<line number="2" hits="0"/></lines></class></coverage>'
    )
    assert (found["line_coverage"], found["lines_covered"], found["lines_valid"]) == (50.0, 1, 2)


def test_a_file_in_two_classes_is_one_file() -> None:
    line = b'<class filename="a"><lines><line number="%d" hits="%d"/></lines></class>'
    found = read_coverage(
        b"<coverage>" + line % (1, 0) + line % (1, 2) + line % (2, 0) + b"</coverage>"
    )
    assert [(f["path"], f["lines_covered"], f["missing"]) for f in found["files"]] == [
        ("a", 1, [2])
    ]


def test_no_branches_are_null_rather_than_zero() -> None:
    report = b'<coverage line-rate="1" branches-valid="0" branches-covered="0" branch-rate="0"/>'
    assert read_coverage(report)["branch_coverage"] is None


def test_a_report_of_nothing_proves_nothing() -> None:
    assert read_coverage(b"<coverage/>")["line_coverage"] == 0.0


def test_a_junit_report_is_counted_case_by_case() -> None:
    report = b"""<?xml version="1.0" encoding="utf-8"?>
    <testsuites tests="99"><testsuite name="s" failures="7">
      <testcase classname="t.A" name="ok" time="0.25"/>
      <testcase classname="t.A" name="bad" time="0.5">
        <failure message="no">trace</failure></testcase>
      <testcase name="broken"><error/></testcase>
      <testcase classname="t.A" name="later" time="oops"><skipped/></testcase>
    </testsuite><testsuite><testcase name="more" time="1,000.25"/></testsuite></testsuites>"""
    assert read_junit(report) == {
        "tests": 5,
        "passed": 2,
        "failures": 1,
        "errors": 1,
        "skipped": 1,
        "failed": ["t.A::bad", "broken"],
        "time": 1001.0,
    }


def test_pytest_writes_what_is_read(tmp_path: Path) -> None:
    """A real report, by the pytest that runs this test."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "@pytest.mark.skip\ndef test_later(): pass\n"
        "@pytest.fixture\ndef broken(): raise OSError\n"
        "def test_error(broken): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junit-xml=r.xml"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    found = read_junit((tmp_path / "r.xml").read_bytes())
    assert {name: found[name] for name in ("tests", "passed", "failures", "errors", "skipped")} == {
        "tests": 4,
        "passed": 1,
        "failures": 1,
        "errors": 1,
        "skipped": 1,
    }
    assert found["failed"] == ["test_it::test_bad", "test_it::test_error"]


@pytest.mark.parametrize(
    ("report", "part"),
    [
        (b"", "not well-formed"),
        (b"<coverage>", "not well-formed"),
        (b"\xff\xfe\x00", "not well-formed"),
        (b"<testsuite/>", "not a Cobertura report, its root is <testsuite>"),
        (b'<!DOCTYPE c [<!ENTITY a "b">]><coverage/>', "DTD of its own"),
        (b'<!DOCTYPE c SYSTEM "x" [<!ENTITY % p SYSTEM "file:///etc/passwd">]><coverage/>', "DTD"),
        (b"<!DOCTYPE c []><coverage/>", "DTD of its own"),
        (b"<coverage>" + b"<a>" * 200 + b"</a>" * 200 + b"</coverage>", f"deeper than {DEPTH}"),
        (b'<coverage line-rate="much"/>', "a rate is 'much'"),
        (b'<coverage line-rate="nan"/>', "a rate is 'nan'"),
        (b'<coverage lines-valid="-1" lines-covered="1"/>', "lines-valid is '-1'"),
        (b'<coverage lines-valid="%s"/>' % (b"9" * 5_000), "not a count"),
        (b'<coverage><class filename="a"><line number="1"/></class></coverage>', "hits is None"),
    ],
    ids=range(13),
)
def test_what_is_no_report_is_refused(report: bytes, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        read_coverage(report)


def test_nothing_is_fetched_and_no_entity_is_expanded() -> None:
    with pytest.raises(ValueError, match="entity of its own"):
        read_coverage(b'<!DOCTYPE coverage SYSTEM "file:///etc/passwd"><coverage>&a;</coverage>')


def test_lists_are_bounded() -> None:
    case = b'<testcase name="t"><failure/></testcase>'
    found = read_junit(b"<testsuite>" + case * (LISTED + 5) + b"</testsuite>")
    assert (found["failures"], len(found["failed"])) == (LISTED + 5, LISTED)
    files = b"".join(b'<class filename="f%d"/>' % i for i in range(LISTED + 5))
    assert len(read_coverage(b"<coverage>" + files + b"</coverage>")["files"]) == LISTED


@given(data=st.binary(max_size=200) | st.text("<>/coverage ='\"1&;!", max_size=60).map(str.encode))
def test_any_bytes_are_a_report_or_a_value_error(data: bytes) -> None:
    for read in (read_coverage, read_junit):
        with suppress(ValueError):
            read(data)
