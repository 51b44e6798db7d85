"""How the demo model chooses and explains: keywords, never understanding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .facts import Facts, Failure

LABEL = "[demo]"

_SETUP = ("environment", "environ", "setup", "config", "infra", "depend")

_SIGNS: dict[str, tuple[str, ...]] = {
    "AssertionError": ("assert", "logic", "value", "expect", "behav", "fail", "bug", "code"),
    "ImportError": ("import", *_SETUP, "missing", "module"),
    "ModuleNotFoundError": ("import", *_SETUP, "missing", "module"),
    "FixtureError": ("fixture", *_SETUP, "error"),
    "SyntaxError": ("syntax", "pars", "code", "error", "exception"),
    "IndentationError": ("syntax", "pars", "code", "error", "exception"),
    "TimeoutError": ("timeout", "time", "slow", "flaky", *_SETUP),
    "ConnectionError": ("network", "connect", *_SETUP, "flaky"),
    "ConnectionRefusedError": ("network", "connect", *_SETUP, "flaky"),
    "FileNotFoundError": ("file", "missing", *_SETUP, "io"),
    "PermissionError": ("permission", *_SETUP, "io"),
}
_ANY_ERROR = ("error", "exception", "crash", "runtime", "raise", "bug", "code", "logic")
_UNKNOWN = ("other", "unknown", "unclear")
_BAD = ("fail", "red", "reject", "broken", "block", "hold", "stop", "no")
_GOOD = ("pass", "green", "approv", "success", "ship", "deploy", "go", "ok", "yes")

_CAUSES = {
    "AssertionError": "the code gave something else than the test expects",
    "ImportError": "a module could not be imported, so look at the environment first",
    "ModuleNotFoundError": "a module is not installed or not on the path",
    "FixtureError": "the test asks for a fixture that nobody defines",
    "SyntaxError": "the file is not valid Python",
    "TypeError": "a value of the wrong type was used",
    "AttributeError": "a value does not have the member that the code asks for",
    "KeyError": "a key was looked up that is not there",
    "IndexError": "a position was asked for that is not there",
    "NameError": "a name is used that nobody defined",
    "ValueError": "a value of the right type was not acceptable",
    "ZeroDivisionError": "something was divided by zero",
    "FileNotFoundError": "a file was not where the code looked for it",
}


def choose(options: Sequence[Any], facts: Facts, failure: Failure | None) -> Any:
    """One of the options: by the failure's class, else by words shared with the prompt."""
    if failure is not None:
        own = re.sub(r"(Error|Exception)$", "", failure.kind).lower()
        signs = _SIGNS.get(failure.kind, ((own,) if own else ()) + _ANY_ERROR)
        chosen = _first(options, (*signs, *_UNKNOWN))
        return options[0] if chosen is None else chosen
    verdict = _first(options, _verdict_words(facts))
    if verdict is not None:
        return verdict
    scores = [_shared(option, facts) for option in options]
    return options[scores.index(max(scores))]


def _verdict_words(facts: Facts) -> tuple[str, ...]:
    """What a good or a bad test report is usually called."""
    if facts.failures:
        return _BAD
    return _GOOD if facts.passed else ()


def explain(facts: Facts, failure: Failure | None) -> str:
    """A sentence or two for people, marked as the demo's."""
    if failure is not None:
        cause = _CAUSES.get(failure.kind, "the test stopped with an error")
        return (
            f"{LABEL} {failure.test} fails with `{failure.error or 'an unknown error'}`: {cause}."
        )
    if facts.failures:
        count = len(facts.failures)
        tests = f"{count} test{'s fail' if count > 1 else ' fails'}"
        return f"{LABEL} {tests}: {'; '.join(f'{f.test} ({f.error})' for f in facts.failures)}"
    if facts.passed:
        return f"{LABEL} {facts.passed} tests pass and none fails."
    return f"{LABEL} A fixed answer to: {facts.subject}"


def _first(options: Sequence[Any], signs: Sequence[str]) -> Any:
    """The first option with a word that begins with the earliest sign, else None."""
    for sign in signs:
        for option in options:
            if any(word.startswith(sign) for word in _words(option)):
                return option
    return None


def _shared(option: Any, facts: Facts) -> int:
    """How often the words of an option, and of its description, occur in the prompt."""
    rest = " ".join(line for line in facts.text.splitlines() if not line.startswith("- "))
    wanted = set(_stems(f"{option} {facts.options.get(str(option), '')}"))
    return sum(1 for stem in _stems(rest) if stem in wanted)


def _words(option: Any) -> list[str]:
    return re.findall(r"[a-z]+", option.lower()) if isinstance(option, str) else []


def _stems(text: str) -> list[str]:
    """Words of four letters or more, cut so that `charged` meets `charges`."""
    return [word[:6] for word in re.findall(r"[^\W\d_]{4,}", text.lower())]
