"""What a model's server was asked and what it answered, as a file of JSON without keys."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...graphs.errors import ConfigurationError

_FORM = 1
_SHOWN = 40
"""Lines of a difference that an error shows."""


@dataclass(frozen=True, slots=True)
class Take:
    """One request and its answer. `body` of the answer is its text as it was sent: JSON, or a
    stream of events."""

    path: str
    asked: Any
    status: int
    kind: str
    body: str

    def to_dict(self) -> dict[str, Any]:
        answer = {"status": self.status, "content_type": self.kind, "body": self.body}
        return {"path": self.path, "asked": self.asked, "answer": answer}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Take:
        answer = data["answer"]
        kind, body = answer["content_type"], answer["body"]
        return cls(data["path"], data["asked"], answer["status"], kind, body)


def read(file: Path) -> list[Take]:
    """Raises `ConfigurationError` for a file that is no cassette."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["assay_cassette"] != _FORM:
            raise ConfigurationError(
                f"{file} is a cassette of form {data['assay_cassette']}, and this version reads "
                f"{_FORM}; record it again"
            )
        return [Take.from_dict(take) for take in data["takes"]]
    except FileNotFoundError:
        raise ConfigurationError(f"there is no cassette {file}; record it first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{file} is no cassette of Assay: {error!r}") from error


def write(file: Path, takes: Sequence[Take], hidden: Sequence[str]) -> None:
    """Write all takes; the `hidden` texts, such as keys, appear nowhere in the file."""
    told = [_without(take.to_dict(), hidden) for take in takes]
    data = {"assay_cassette": _FORM, "takes": told}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _without(value: Any, hidden: Sequence[str]) -> Any:
    match value:
        case str():
            for text in hidden:
                value = value.replace(text, "[hidden]")
            return value
        case dict():
            return {_without(k, hidden): _without(v, hidden) for k, v in value.items()}
        case list():
            return [_without(entry, hidden) for entry in value]
    return value


def difference(path: str, asked: Any, takes: Sequence[Take]) -> str:
    """What tells a request from the recorded one that is nearest to it."""
    if not takes:
        return "the cassette has no request left"
    mine = _lines(path, asked)
    index, theirs = max(
        enumerate(_lines(take.path, take.asked) for take in takes),
        key=lambda one: difflib.SequenceMatcher(None, one[1], mine).quick_ratio(),
    )
    found = difflib.unified_diff(theirs, mine, "recorded", "asked now", n=1, lineterm="")
    lines = list(found)
    more = [f"… {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    shown = "\n".join([*lines[:_SHOWN], *more])
    if not lines:
        shown = "nothing differs, but it was recorded less often than it is asked"
    return f"nearest is recorded request {index + 1}:\n{shown}"


def _lines(path: str, asked: Any) -> list[str]:
    pretty = json.dumps(asked, indent=1, sort_keys=True, ensure_ascii=False)
    # Long texts are compared line by line, as they are read.
    return [path, *pretty.replace("\\n", "\n").splitlines()]
