"""Test reports read from XML: Cobertura coverage and JUnit results.

The files come from the commands under test: no DTD or entity is ever followed, nothing is
fetched, and only counts and short lists are kept. All readers raise `ValueError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

DEPTH = 100  # of nested elements
LISTED = 1_000  # files, or failed tests, that a result names
MISSING = 100  # uncovered lines that a file names
NAME = 500  # characters of a name


def read_coverage(data: bytes) -> dict[str, Any]:
    """The shape of a Cobertura report; percentages are 0 to 100.

    `{line_coverage, branch_coverage (null when no branches were measured), lines_covered,
    lines_valid, files: [{path, line_coverage, lines_covered, lines_valid, missing: [line]}]}`
    """
    report = _Coverage()
    _parse(data, report)
    return report.result()


def read_junit(data: bytes) -> dict[str, Any]:
    """`{tests, passed, failures, errors, skipped, failed: [name], time}`, counted case by case;
    `failed` names failures and errors, `time` is the sum in seconds."""
    report = _JUnit()
    _parse(data, report)
    return report.result()


class _Report:
    """Receives a report's elements: `depth` is 1 for the root."""

    root: tuple[str, ...]
    kind: str

    def start(self, name: str, attributes: dict[str, str], depth: int) -> None:
        if depth == 1 and name not in self.root:
            raise ValueError(f"it is not a {self.kind} report, its root is <{name[:NAME]}>")

    def end(self, name: str) -> None:
        """An element ended."""


def _parse(data: bytes, report: _Report) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"its elements are nested deeper than {DEPTH}")
        report.start(name, attributes, depth)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        report.end(name)

    def doctype(*declared: object) -> None:
        # Old reports name Cobertura's public DTD, which says nothing that is needed here.
        *_, has_internal_subset = declared
        if has_internal_subset:
            raise ValueError("it declares a DTD of its own, which is not read")

    def entity(*_: object) -> None:
        raise ValueError("it uses an entity of its own, which is not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = entity
    parser.SkippedEntityHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is not well-formed XML: {error}") from None


@dataclass(slots=True)
class _File:
    lines: dict[int, bool] = field(default_factory=dict)

    def result(self, path: str) -> dict[str, Any]:
        covered = sum(self.lines.values())
        missing = sorted(line for line, hit in self.lines.items() if not hit)
        return {
            "path": path,
            "line_coverage": _percent(covered, len(self.lines)),
            "lines_covered": covered,
            "lines_valid": len(self.lines),
            "missing": missing[:MISSING],
        }


class _Coverage(_Report):
    root = ("coverage",)
    kind = "Cobertura"

    def __init__(self) -> None:
        self.totals: dict[str, str] = {}
        self.files: dict[str, _File] = {}
        self.file: _File | None = None
        self.in_method = False

    def start(self, name: str, attributes: dict[str, str], depth: int) -> None:
        super().start(name, attributes, depth)
        if depth == 1:
            self.totals = attributes
        elif name == "class":
            path = attributes.get("filename", attributes.get("name", ""))
            self.file = self.files.setdefault(path[:NAME], _File())
        elif name == "methods":
            self.in_method = True  # repeats the lines of its class
        elif name == "line" and self.file is not None and not self.in_method:
            number = _count(attributes.get("number"), "line number")
            hit = _count(attributes.get("hits"), "hits") > 0
            self.file.lines[number] = hit or self.file.lines.get(number, False)

    def end(self, name: str) -> None:
        if name == "class":
            self.file = None
        elif name == "methods":
            self.in_method = False

    def result(self) -> dict[str, Any]:
        valid, covered = self._counts("lines-valid"), self._counts("lines-covered")
        if valid is None or covered is None:
            valid = sum(len(file.lines) for file in self.files.values())
            covered = sum(sum(file.lines.values()) for file in self.files.values())
        line_rate = self.totals.get("line-rate", "0")  # an empty report proves nothing
        branches = self._counts("branches-valid")
        branch_rate = self.totals.get("branch-rate")
        measured = branch_rate is not None if branches is None else branches > 0
        branch_coverage = None
        if measured:
            hit = self._counts("branches-covered")
            branch_coverage = (
                _percent(hit, branches) if branches and hit is not None else _rate(branch_rate)
            )
        return {
            "line_coverage": _percent(covered, valid) if valid else _rate(line_rate),
            "branch_coverage": branch_coverage,
            "lines_covered": covered,
            "lines_valid": valid,
            "files": [file.result(path) for path, file in list(self.files.items())[:LISTED]],
        }

    def _counts(self, name: str) -> int | None:
        return _count(self.totals[name], name) if name in self.totals else None


class _JUnit(_Report):
    root = ("testsuites", "testsuite")
    kind = "JUnit"

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("passed", "failures", "errors", "skipped"), 0)
        self.failed: list[str] = []
        self.time = 0.0
        self.case: str | None = None
        self.outcome = "passed"

    def start(self, name: str, attributes: dict[str, str], depth: int) -> None:
        super().start(name, attributes, depth)
        if name == "testcase":
            owner, title = attributes.get("classname", ""), attributes.get("name", "")
            self.case = (f"{owner}::{title}" if owner else title)[:NAME]
            self.outcome = "passed"
            self.time += _seconds(attributes.get("time"))
        elif self.case is not None:
            outcome = {"failure": "failures", "error": "errors", "skipped": "skipped"}.get(name)
            if outcome and self.outcome != "errors":
                self.outcome = outcome

    def end(self, name: str) -> None:
        if name == "testcase" and self.case is not None:
            self.counts[self.outcome] += 1
            if self.outcome in ("failures", "errors") and len(self.failed) < LISTED:
                self.failed.append(self.case)
            self.case = None

    def result(self) -> dict[str, Any]:
        return {
            "tests": sum(self.counts.values()),
            **self.counts,
            "failed": self.failed,
            "time": round(self.time, 6),
        }


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def _rate(text: str | None) -> float:
    try:
        rate = float(text or "")
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate is {text!r}, not a number from 0 to 1")
    return 100 * rate


def _count(text: str | None, what: str) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        raise ValueError(f"{what} is {text!r}, not a count")
    return int(text)


def _seconds(text: str | None) -> float:
    try:
        seconds = float((text or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0
