"""CEL's messages in our words: one short sentence each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

QUOTED = 120  # characters of an expression that a message shows


def quote(source: str) -> str:
    """An expression as a message shows it: on one line, not too long."""
    text = " ".join(source.split())
    return f"`{text if len(text) <= QUOTED else text[: QUOTED - 1] + '…'}`"


def compile_problems(
    message: str, source: str, functions: Collection[str]
) -> Iterator[tuple[int, str]]:
    """What CEL's compiler said about `source`, as (offset, message)."""
    starts = [0, *(i + 1 for i, character in enumerate(source) if character == "\n")]
    told = False
    for match in _ERROR.finditer(message):
        if told and "*error*" in match["text"]:
            continue  # an echo of another problem
        told = True
        line, column = int(match["line"]), int(match["column"])
        placed = 1 <= line <= len(starts) and column >= 1
        offset = min(starts[line - 1] + column - 1, len(source)) if placed else 0
        sentence = _compile_sentence(match["text"], source, offset, functions)
        yield name_start(source, offset), sentence
        if "Syntax error" in match["text"] or not placed:
            return  # what follows is an echo, too
    if not told:
        yield 0, _compile_sentence(message, source, 0, functions)


def name_start(source: str, offset: int) -> int:
    """Where the name of a call starts, of which CEL gives the place of the bracket."""
    if source.startswith("(", offset):
        while offset and (source[offset - 1].isalnum() or source[offset - 1] == "_"):
            offset -= 1
    return offset


def run_sentence(error: str) -> str:
    """What CEL said when an evaluation failed. Texts of our own functions pass unchanged."""
    text = re.sub(r"^[A-Z_]+: ", "", re.sub(r" \[[A-Z_]+\]$", "", error))
    if match := re.fullmatch(r"No matching overloads found : (.*)", text, re.DOTALL):
        return _no_overload_at_run_time(match[1])
    for pattern, sentence in _RUN:
        if match := re.fullmatch(pattern, text, re.DOTALL):
            return match.expand(sentence)
    return text


def type_word(cel_type: str) -> str:
    """CEL's name of a type in the words of the workflow language."""
    name = cel_type.strip().lower()
    head = re.split(r"[(<]", name, maxsplit=1)[0]
    return "dynamic value" if head.startswith("t%") else _TYPES.get(head, head)


_ERROR = re.compile(
    r"ERROR: <input>:(?P<line>-?\d+):(?P<column>-?\d+): (?P<text>.*?)"
    r"(?=\n \||\nERROR: <input>|\n?\s*\[[A-Z_]+\]\Z|\Z)",
    re.DOTALL,
)
_TYPES = {
    "int64": "int",
    "uint64": "int",
    "uint": "int",
    "double": "number",
    "null_type": "null",
    "dyn": "dynamic value",
    "google.protobuf.timestamp": "timestamp",
    "google.protobuf.duration": "duration",
    "optional_type": "optional value",
    "type": "type",
}
_DEEP = "the expression is nested too deep or has more than 32 operators in a row; split it"
_RUN = (
    (r'Key not found in map : "?(.*?)"?', r"there is no `\1`; test first, or use `.?`"),
    (r"Applying SELECT to non-message type", "a field is taken from a value that has no fields"),
    (r"Index error: index=(-?\d+) size=(\d+)", r"index \1 is outside a list of \2"),
    (r"Index error: expected integer type, got .*", "a list is indexed with whole numbers"),
    (r"Invalid map key type: .*", "a map's keys must be text"),
    (r"Invalid container type: '(\w+?)(?:_type)?'", r"a field is taken from \1"),
    (r"(?:divide|modulus) by zero", "division by zero"),
    (r'No value with name "(.*)" found in Activation', r"`\1` is absent; test first"),
    (r"optional.none\(\) dereference", "value() of what is absent; use orValue(...)"),
    (
        r"Iteration budget exceeded",
        "its loops take more than 10,000 turns; filter the list in a step before",
    ),
    (
        r"Unexpected value type for '(.*)': (\w+)\. \(Expected (\w+).*",
        r"`\1` is not \3 as"
        r" declared, but \2",
    ),
)


def _compile_sentence(text: str, source: str, offset: int, functions: Collection[str]) -> str:
    if "recursion" in text:
        return _DEEP
    if text.startswith("Syntax error"):
        return _syntax_sentence(text, source, offset)
    if match := re.match(r"found no matching overload for '(.+?)' applied to '(.*)'", text):
        return _no_overload(match[1], match[2])
    if match := re.match(r"undeclared reference to '(.*?)'", text):
        return _undeclared(match[1], source, offset, functions)
    if match := re.match(r"reserved identifier: (\w+)", text):
        return f"`{match[1]}` is a reserved word; write steps['{match[1]}'] for a step"
    if text.startswith("has() argument"):
        return "has(...) asks for a field, as in has(step.output.field)"
    if match := re.match(r"expression of type '(.*?)' cannot be the operand of a select", text):
        return f"{type_word(match[1])} has no fields"
    if match := re.match(r"expression of type '(.*?)' cannot be the range", text):
        return f"all, exists, map and filter go over a list or map, not {type_word(match[1])}"
    if match := re.match(r"Invalid \w+ literal: (.*)", text):
        return f"this text cannot be read: {match[1]}"
    if text.startswith("invalid int literal"):
        return "a whole number has at most 64 bits"
    first_line = text.split("\n", 1)[0]
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", first_line)


def _syntax_sentence(text: str, source: str, offset: int) -> str:
    if "<EOF>'" in text or offset >= len(source):
        return "the expression ends too early; something is missing at its end"
    if "token recognition error" in text and source[offset] in "'\"":
        if "\\" in source[offset:]:
            return "a text is not closed or has an unknown escape; write \\\\ for a backslash"
        return "a text is not closed; add the quote at its end"
    word = re.match(r"\w+|[=&|<>!]{1,2}|\S", source[offset:])
    token = word[0] if word else source[offset]
    hints = {
        "=": "; write == to compare",
        "&": "; write && for and",
        "|": "; write || for or",
        "and": "; write &&",
        "or": "; write ||",
        "not": "; write !",
        "is": "; write ==",
    }
    return f"`{token}` is not expected here{hints.get(token, '')}"


def _undeclared(name: str, source: str, offset: int, functions: Collection[str]) -> str:
    if not source.startswith("(", offset):
        return f"`{name}` is not known here"
    near = get_close_matches(name, functions, n=1)
    if name in functions:
        return f"`{name}` is not called like this; write {name}(...) with its values inside"
    return f"there is no function `{name}`" + (f"; did you mean `{near[0]}`?" if near else "")


_COMPARING = frozenset(("_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"))
_CALCULATING = frozenset(("_+_", "_-_", "_*_", "_/_", "_%_", "@/@"))


def _no_overload(function: str, types: str) -> str:
    kinds = _split_types(types)
    if function == "_?_:_":
        return (
            f"`? :` takes true or false before the `?`, not {type_word(kinds[0])}"
            if kinds[0] not in ("bool", "dyn")
            else f"both sides of `:` must be alike, not {type_word(kinds[1])} and "
            f"{type_word(kinds[2])}; wrap both in dyn(...)"
        )
    symbol = function.strip("_").replace("@in", "in").replace("@/@", "/")
    words = " and ".join(type_word(kind) for kind in kinds)
    if function in _COMPARING and len(kinds) == 2:
        first, second = map(type_word, kinds)
        return f"operator `{symbol}` cannot compare {first} with {second}; convert one side"
    if function in _CALCULATING and len(kinds) == 2:
        wanted = {"string"} & set(kinds)
        hint = "; wrap the other in string(...)" if wanted and symbol == "+" else ""
        return f"operator `{symbol}` cannot combine {words}{hint}"
    if function in ("_&&_", "_||_", "!_"):
        return f"operator `{symbol}` needs true or false, not {words}"
    if function == "-_":
        return f"operator `-` cannot negate {words}"
    if function == "@in":
        return f"`in` cannot look for {type_word(kinds[0])} in {type_word(kinds[-1])}"
    if function in ("_[_]", "_[?_]", "_?._"):
        return f"{type_word(kinds[0])} cannot be indexed with {type_word(kinds[-1])}"
    return f"`{function}` does not take ({', '.join(type_word(kind) for kind in kinds)})"


def _no_overload_at_run_time(call: str) -> str:
    if call in ("<jump_condition>", "_&&_", "_||_", "!_"):
        return "a condition within it is not true or false"
    if call == "<iter_range>":
        return "what it loops over is not a list or map"
    if call == "@in":
        return "`in` needs a list or map on its right"
    if match := re.fullmatch(r"(?:\((.*)\)\.)?([^()]+)\((.*)\)", call, re.DOTALL):
        types = ", ".join(part for part in (match[1], match[3]) if part)
        return _no_overload(match[2], types)
    return f"{call} cannot be applied to these values"


def _split_types(types: str) -> list[str]:
    """`(int, list(map(string, dyn)))` as its parts at the outermost level."""
    inner = types.strip()
    if inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1]
    parts, depth = [""], 0
    for character in inner:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
