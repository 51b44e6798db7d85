"""Says in plain sentences what libyaml, or PyYAML's own parser, found wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

# Each pattern fits the wording of both parsers; the first match wins.
# {char} is the character shown, {line} the line on which the unfinished whole began.
_SHOWN_WHERE_IT_BEGAN = {
    r"scanning an? (alias|anchor)": "a text that begins with '{char}' must be in quotes",
    r"quoted scalar: found unexpected": "the quote that opens here is never closed; close it",
    r"could not find expected ':'": (
        "this line is no 'key: value'; add the ':', or indent it under the key it belongs to"
    ),
    r"(scanning|parsing) a tag|tag handle": (
        "this tag is not supported; remove it, or put the text in quotes"
    ),
}
_SHOWN_WHERE_IT_FAILED = {
    r"unknown escape": (
        "unknown escape in double quotes; write '\\\\' for a backslash, or use single quotes"
    ),
    r"hexa?decimal|escape code": "this escape names no character; write the character itself",
    r"mapping values are not allowed": (
        "a ':' cannot stand here; put a text that contains ': ' in quotes,"
        " or correct the indentation"
    ),
    r"sequence entries are not allowed": (
        "a '- ' cannot stand here; begin the list on the line below its key"
    ),
    r"mapping keys are not allowed": "a '? ' cannot stand here; put the text in quotes",
    r"parsing a block mapping": (
        "expected 'key: value' here; indent it like the other keys of the mapping"
        " that begins on line {line}, or put the text in quotes"
    ),
    r"parsing a block (collection|sequence)": (
        "expected '- ' here; indent it like the other items of the list that begins on line {line}"
    ),
    r"parsing a flow sequence": (
        "expected ',' or ']' here; the '[' that opens on line {line} is not closed yet"
    ),
    r"parsing a flow mapping": (
        "expected ',' or '}}' here; the '{{' that opens on line {line} is not closed yet"
    ),
    r"scanning a block scalar": (
        "after '|' or '>' the line must end; begin the text on the next line, indented"
    ),
    r"node content": "expected a value here; put a text that begins with a special sign in quotes",
    r"document start": (
        "the document has ended before this text; remove it, or put the whole in quotes"
    ),
    r"directive|YAML document": "this '%' directive is not supported; remove the line",
}
_TEMPLATE = re.compile(r"(?:^|[:\-,\[]\s)\s*\{\{")


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """The offset in `text` at which `error` is best shown, and what is wrong there."""
    failed = error.problem_mark.index if error.problem_mark else len(text)
    began = error.context_mark.index if error.context_mark else failed
    if _TEMPLATE.search(_line(text, failed)):
        return failed, "a text that begins with '{{' must be in quotes, the whole of it"
    found = f"{error.context}: {error.problem}"
    if "cannot start any token" in found:
        return failed, _bad_start(text[failed : failed + 1])
    for at, sentences in ((began, _SHOWN_WHERE_IT_BEGAN), (failed, _SHOWN_WHERE_IT_FAILED)):
        for pattern, sentence in sentences.items():
            if re.search(pattern, found):
                line = text.count("\n", 0, began) + 1
                return at, sentence.format(char=text[at : at + 1], line=line)
    return failed, f"this is not valid YAML: {error.problem}"


def _bad_start(char: str) -> str:
    if char == "\t":
        return "a tab cannot indent; use spaces"
    return f"a text cannot begin with '{char}'; put it in quotes"


def _line(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : end if end >= 0 else len(text)]
