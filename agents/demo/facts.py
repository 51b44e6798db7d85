"""What the demo model finds in a prompt: failing tests, counts, options, paths. Rules only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

READ_LIMIT = 400_000
"""Characters of the prompt that are looked at."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failing test, as the report of pytest or unittest names it.

    `error` is the line that says what went wrong, `line` where, when the report told.
    """

    test: str
    error: str
    line: int | None = None

    @property
    def file(self) -> str:
        return self.test.partition("::")[0]

    @property
    def kind(self) -> str:
        """The class of the error, `AssertionError` for a bare `assert`, "" when unknown."""
        if self.error.startswith("assert "):
            return "AssertionError"
        named = re.match(
            r"([\w.]*(?:Error|Exception|Warning|Timeout|Interrupt|Exit))\b", self.error
        )
        if named:
            return named.group(1).rpartition(".")[2]
        return "FixtureError" if self.error.startswith("fixture ") else ""


@dataclass(frozen=True, slots=True)
class Facts:
    """`options` are the lines `- name: description` of a prompt that offers a choice."""

    text: str
    failures: Sequence[Failure]
    passed: int | None
    paths: Sequence[str]
    options: Mapping[str, str]
    subject: str

    def number(self, name: str) -> float | None:
        """The number that stands beside a name: `total: 7`, `total = 7` or `7 total`."""
        words = re.escape(name.strip("_")).replace("_", "[ _-]")
        value = r"(-?\d{1,15}(?:\.\d{1,6})?)"
        beside = (
            rf"\b{words}\b\"?\s{{0,3}}(?:[:=]|is|are)\s{{0,3}}{value}|{value}\s{{1,3}}{words}\b"
        )
        found = re.search(beside, self.text, re.IGNORECASE)
        return None if found is None else float(found.group(1) or found.group(2))


def find_facts(text: str) -> Facts:
    """Read a prompt. The same text gives the same facts."""
    plain = _plain(text[:READ_LIMIT])
    passed = re.search(r"\b(\d{1,9}) passed\b", plain)
    options = dict(_OPTION.findall(plain))
    return Facts(
        text=plain,
        failures=_pytest(plain) or _unittest(plain),
        passed=int(passed.group(1)) if passed else None,
        paths=_paths(plain),
        options=options,
        subject=_subject(plain),
    )


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OPTION = re.compile(r"^- ([^\s:][^\n:]{0,80})(?:: ([^\n]*))?$", re.MULTILINE)
_TOKEN = re.compile(r"[^\s\"'`<>|,;:()\[\]{}=*]+")
_EXTENSION = re.compile(r"\w\.[A-Za-z]\w{0,5}$")
_SUMMARY = re.compile(r"^(?:FAILED|ERROR) ([^\n]+?)(?: - ([^\n]*))?$", re.MULTILINE)
_SECTION = re.compile(r"^_{2,} ([^\n]+?) _{2,}$", re.MULTILINE)
_ERROR_LINE = re.compile(r"^E {2,}(\S[^\n]*)$", re.MULTILINE)
_PLACE = re.compile(r"^[^\s:][^\n:]*:(\d{1,7}):", re.MULTILINE)
_UNITTEST = re.compile(r"^={20,}\n(?:FAIL|ERROR): (\S+) \(([\w.]+)\)[^\n]*\n", re.MULTILINE)
_RAISED = re.compile(r"^(\w[\w.]*(?:Error|Exception|Exit|Interrupt)\b[^\n]*)$", re.MULTILINE)


def _plain(text: str) -> str:
    """Without colours, and with the line breaks of texts that were quoted as JSON."""
    if "\\n" in text:
        text = text.replace("\\n", "\n").replace('\\"', '"')
    return _COLOUR.sub("", text.replace("\r\n", "\n"))


def _paths(text: str) -> list[str]:
    """Words that look like a path, each once; addresses of the web are none."""
    found: dict[str, None] = {}
    for word in _TOKEN.findall(text):
        path = word.rstrip(".!?")
        if path.startswith("//") or not path.strip("./-_"):
            continue
        if "/" in path or _EXTENSION.search(path):
            found[path] = None
    return list(found)


def _pytest(text: str) -> list[Failure]:
    sections = _sections(text)
    found: dict[str, Failure] = {}
    for name, summary in _SUMMARY.findall(text):
        test = name.strip()
        if "::" not in test and not test.endswith(".py"):
            continue
        body = sections.get(_title(test), "")
        told = _ERROR_LINE.search(body)
        places = _PLACE.findall(body)
        error = told.group(1).strip() if told else summary.strip()
        line = int(places[-1]) if places else None
        found.setdefault(test, Failure(test, error, line))
    return list(found.values())


def _sections(text: str) -> dict[str, str]:
    """The report of each failure, by the title over it."""
    sections: dict[str, str] = {}
    for title, body in _titled(_SECTION, text):
        name = re.sub(r"^ERROR (?:collecting|at \w+ of) ", "", title.group(1))
        sections.setdefault(name, body.partition("\n=====")[0])
    return sections


def _titled(title: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Every title, and the text from it to the next."""
    found = list(title.finditer(text))
    for index, match in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        yield match, text[match.end() : end]


def _title(test: str) -> str:
    """`tests/test_a.py::TestB::test_c[1]` stands over its report as `TestB.test_c[1]`."""
    name, bracket, parameters = test.partition("[")
    file, *parts = name.split("::")
    return ".".join(parts) + bracket + parameters if parts else file


def _unittest(text: str) -> list[Failure]:
    found = []
    for title, body in _titled(_UNITTEST, text):
        name, place = title.groups()
        test = place if place.endswith(f".{name}") else f"{place}.{name}"
        raised = _RAISED.findall(body)
        found.append(Failure(test, raised[-1].strip() if raised else ""))
    return found


def _subject(text: str) -> str:
    """The first line that says something, for answers that need some words."""
    for line in text.splitlines():
        words = line.strip().strip("#*<>- ")
        if len(words) > 3 and not words.startswith(("data", "/data", "Inputs (data")):
            return words[:160]
    return "what was given"
