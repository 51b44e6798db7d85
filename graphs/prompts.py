"""Prompts in files of their own: read when the definition is, and part of it from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .document import Document
from .errors import InvalidSpec, Problem
from .fields import Where

MAX_BYTES = 256 * 1024

_KINDS = ("agent", "claude_code", "decide")
_FIELDS = ("prompt", "system")


def with_prompts(document: Document, folder: Path) -> Document:
    """With the text of each file in place of `prompt: {file: …}` and `system: {file: …}`.

    Files are below the folder. Raises `InvalidSpec` with every one that cannot be had.
    """
    reader = _Reader(document, folder)
    value = reader.read(document.value, ())
    if reader.problems:
        raise InvalidSpec(reader.problems)
    return replace(document, value=value) if reader.found else document


def names_a_file(value: object) -> bool:
    """Whether a value is written as the file of a prompt is."""
    return isinstance(value, Mapping) and [*value] == ["file"] and isinstance(value["file"], str)


class _Reader:
    def __init__(self, document: Document, folder: Path) -> None:
        self.problems: list[Problem] = []
        self.found = False
        self._document = document
        self._folder = folder.resolve()
        self._done: dict[int, Any] = {}

    def read(self, value: Any, where: Where) -> Any:
        """A copy with the texts in it; what an alias repeats, once."""
        if not isinstance(value, dict | list):
            return value
        if id(value) not in self._done:
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            copied = {key: self._entry(value, key, each, where) for key, each in entries}
            self._done[id(value)] = copied if isinstance(value, dict) else [*copied.values()]
        return self._done[id(value)]

    def _entry(self, owner: Any, key: Any, value: Any, where: Where) -> Any:
        here = (*where, key)
        step = isinstance(owner, dict) and owner.get("type") in _KINDS
        if step and key in _FIELDS and names_a_file(value):
            return self._text(value["file"], here)
        return self.read(value, here)

    def _text(self, name: str, where: Where) -> str:
        self.found = True
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder):
                raise ValueError("it leads out of the folder of the definition")
            if not path.is_file():
                raise ValueError(f"there is no file {path.relative_to(self._folder)} beside it")
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError, RuntimeError) as error:
            why = f"the prompt {name!r} cannot be read: {error}"
            self.problems.append(
                Problem(self._document.name, self._document.position(where), why, where)
            )
            return ""
