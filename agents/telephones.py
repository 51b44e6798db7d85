"""Telephone numbers in a text: international ones, and national ones as people write them.

A number without `+` is told from other figures by its form alone: by how it is grouped, a zero
in front, or a word before it. Plain runs of figures that begin with no zero are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from langchain.agents.middleware import PIIMatch

_SPACE = " \u00a0\u202f"
_GAP = rf"(?:[{_SPACE}]|\.|[{_SPACE}]?[-/\u2010\u2011\u2013][{_SPACE}]?)"
"""What stands between two groups of figures."""

_ALONE = rf"(?<![\w.,/+#-])(?<![0-9][{_SPACE}])"
_ENDED = rf"(?!\w|{_GAP}?[0-9])"
_EXTENSION = r"(?: ?(?:ext\.?|x) ?[0-9]{1,5})?"
_FIGURES = rf"(?:{_GAP}?[()0-9])"
_WORD = (
    r"(?:tele(?:phone|fono|fon)|tel[eé]fono|t[eé]l[eé]phone|t[eé]l|phone|mobile?|m[oó]vil|cell"
    r"(?:ulare)?|fax|handy|portable|whatsapp|sms|call|ring|dial)"
)
_LINK = r"(?: (?:number|nummer|no|nr|is|me|us|him|her|them|at|on|under|unter))*"

_INTERNATIONAL = re.compile(
    rf"(?:(?<![\w+])\+|{_ALONE}00(?=[1-9{_SPACE}]))({_FIGURES}{{8,26}}){_EXTENSION}"
)
_AFTER_WORD = re.compile(
    rf"(?i:\b{_WORD}{_LINK}[.:#{_SPACE}]{{1,3}})(\(?[0-9]{_FIGURES}{{5,18}}){_EXTENSION}{_ENDED}"
)
_TRUNK = re.compile(rf"{_ALONE}(\(?0[1-9]{_FIGURES}{{7,14}}){_EXTENSION}{_ENDED}")
_GROUPED = re.compile(
    rf"{_ALONE}((?:1{_GAP})?(?:\([2-9][0-9]{{2}}\){_GAP}?|[2-9][0-9]{{2}}{_GAP})"
    rf"[2-9][0-9]{{2}}{_GAP}[0-9]{{4}}"  # North America
    rf"|\([0-9]{{2,3}}\) ?[0-9]{{4,5}}[- ][0-9]{{4}}"  # Brazil and others
    rf"|1[3-9][0-9]([ -])[0-9]{{4}}\2[0-9]{{4}}"  # China
    rf"|[6-9][0-9]{{2}}([ .-])[0-9]{{2}}\3[0-9]{{2}}\3[0-9]{{2}})"  # Spain
    rf"{_EXTENSION}{_ENDED}"
)

_DATE = re.compile(rf"[0-9]{{1,2}}([-./{_SPACE}])[0-9]{{1,2}}\1(?:19|20)[0-9]{{2}}(?![0-9])")
_ISO_DATE = re.compile(r"(?:19|20)[0-9]{2}([-./])[0-9]{2}\1[0-9]{2}(?![0-9])")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]{1,2}")
_UNIT = re.compile(r" ?(?:[%€$£¥]|(?:EUR|USD|GBP|CHF|JPY|kg|km|MB|GB|ms)\b)")
_RECORD = re.compile(
    r"(?i)(?:isbn|issn|order|invoice|ticket|id|ref|sku|art|rechnung|bestellung|kunde)"
    r"[a-z-]{0,12}[.:#]? ?$"
)


def detect_phone(text: str) -> list[PIIMatch]:
    """Where telephone numbers stand."""
    found: list[PIIMatch] = []
    taken: list[tuple[int, int]] = []
    for start, end in (*_international(text), *_after_words(text), *_by_form(text)):
        start, end = _bare(text, start, end)
        if all(end <= first or last <= start for first, last in taken):
            taken.append((start, end))
            found.append(PIIMatch(type="phone", value=text[start:end], start=start, end=end))
    return sorted(found, key=lambda match: match["start"])


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Without brackets that are not the number's own."""
    said = text[start:end]
    if said.startswith("(") and said.find(")") in (-1, len(said) - 1):
        start += 1
    while text[start:end].endswith((")", "(")) and (
        text[start:end].count("(") != text[start:end].count(")")
    ):
        end -= 1
    return start, end


def _international(text: str) -> Iterator[tuple[int, int]]:
    for match in _INTERNATIONAL.finditer(text):
        said, end = match[1], match.end()
        # What follows after a gap may be something else: a plus says only where one begins.
        while len(_figures(said)) > 15 and (gap := _last_gap(said)):
            said = said[:gap]
            end = match.start(1) + gap
        if _DECIMAL.fullmatch(said) or _UNIT.match(text, end):
            continue
        if 8 <= len(_figures(said)) <= 15:
            yield match.start(), end


def _last_gap(said: str) -> int:
    return max((gap.start() for gap in re.finditer(_GAP, said)), default=0)


def _after_words(text: str) -> Iterator[tuple[int, int]]:
    for match in _AFTER_WORD.finditer(text):
        said = match[1]
        if 6 <= len(_figures(said)) <= 15 and not _something_else(text, said, match.end()):
            yield match.start(1), match.end()


def _by_form(text: str) -> Iterator[tuple[int, int]]:
    for match in _TRUNK.finditer(text):
        if _fits(match[1]) and not (
            _something_else(text, match[1], match.end())
            or _RECORD.search(text, max(0, match.start() - 24), match.start())
        ):
            yield match.start(), match.end()
    for match in _GROUPED.finditer(text):
        if not _something_else(text, match[1], match.end()):
            yield match.start(), match.end()


def _fits(said: str) -> bool:
    """Whether a number with a zero in front is grouped as one is dialled."""
    groups = re.findall(r"[0-9]+", said)
    count = sum(map(len, groups))
    if len(groups) == 1:
        return 10 <= count <= 11
    return 9 <= count <= 12 and len(groups) <= 6 and min(map(len, groups)) >= 2


def _something_else(text: str, said: str, end: int) -> bool:
    return bool(
        _DATE.match(said)
        or _ISO_DATE.match(said)
        or _ADDRESS.fullmatch(said)
        or _DECIMAL.fullmatch(said)
        or _UNIT.match(text, end)
    )


def _figures(said: str) -> str:
    return re.sub(r"\(0\)|[^0-9]", "", said)
