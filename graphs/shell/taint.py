"""Warn where a variable that holds a value reaches a place in which bash evaluates text."""

from __future__ import annotations

import re

from .rules import ARITHMETIC_TESTS, integers
from .script import Hole, Script, listed

_REFERENCE = re.compile(r"\$\{?[!#]?([A-Za-z_]\w*|[0-9@*])", re.ASCII)
_NAME = re.compile(r"\$\{?[!#]?([0-9@*])|([A-Za-z_]\w*)", re.ASCII)
_CALCULATED = (
    "{} holds a value and reaches arithmetic, where bash runs text such as a[$(…)]:"
    " make sure that it is a number"
)
_RUN = "${} holds a value and is run as a command or as program text: pass it as an argument"
_SUBSTITUTION = re.compile(r"\$\([^()]*\)")
_READING = listed("read mapfile readarray")
_POSITIONAL = "0123456789@*"


def warn(script: Script) -> None:
    """Add a warning to `script` for each hole whose value a variable may carry to evaluation."""
    names = _holding(script)
    for text in _evaluated(script):
        for position, name in _NAME.findall(_SUBSTITUTION.sub("", text)):
            if (position or name) in names:
                hole, shown = names[position or name], f"${position}" if position else name
                script.warnings.setdefault(hole.at, _CALCULATED.format(shown))
    for text in script.run:
        for name in _REFERENCE.findall(_SUBSTITUTION.sub("", text)):
            if name in names:
                script.warnings.setdefault(names[name].at, _RUN.format(name))


def _holding(script: Script) -> dict[str, Hole]:
    """Return each variable that holds a value, with the hole of the value."""
    names: dict[str, Hole] = {}
    for assignment in script.assignments:
        for hole in assignment.holes:
            names.setdefault(assignment.name, hole)
    contents = [hole for hole in script.holes if not hole.file]
    for command in script.commands:
        words = command.words
        if not words:
            continue
        held = [hole for word in words[1:] for hole in word.contents]
        if held and (words[0].text == "set" or words[0].text in script.functions):
            names.update(dict.fromkeys(_POSITIONAL, held[0]))
        if words[0].text in _READING and contents:
            for word in words[1:]:
                names.setdefault(word.text, contents[0])
        if words[0].text == "printf" and held and words[1].text == "-v" and len(words) > 2:
            names.setdefault(words[2].text, held[0])
    _follow(script, names)
    return names


def _follow(script: Script, names: dict[str, Hole]) -> None:
    """Add what is assigned from a variable that holds a value, at any distance."""
    assigned: dict[str, list[str]] = {}
    for assignment in script.assignments:
        for name in _REFERENCE.findall(assignment.raw):
            assigned.setdefault(name, []).append(assignment.name)
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        for follower in assigned.get(name, ()):
            if follower not in names:
                names[follower] = names[name]
                waiting.append(follower)


def _evaluated(script: Script) -> list[str]:
    """Return the texts that bash calculates: arithmetic, subscripts, words of `let`."""
    texts = list(script.evaluated)
    evaluating = integers(script)
    texts += [each.raw for each in script.assignments if each.name in evaluating]
    for command in script.commands:
        words = [word.raw for word in command.words]
        if words[:1] == ["[["] and ARITHMETIC_TESTS.intersection(words):
            texts += words[1:-1]
        elif words[:1] == ["let"]:
            texts += words[1:]
    return texts
