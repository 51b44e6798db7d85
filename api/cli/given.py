"""Inputs as a command line gives them: `-i name=value`, `-i name=@file`, and files of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...graphs.errors import InvalidInput
from ...graphs.inputs import input_from_text
from ...graphs.workflow import Workflow


def inputs_from(
    workflow: Workflow | None, pairs: Sequence[str], file: str | None
) -> dict[str, Any]:
    """The inputs of the file, and over them those given one by one, typed as declared.

    Of a workflow that is not known here they are texts.

    Raises `InvalidInput`, or `InvalidSpec` for a file that is no YAML or JSON.
    """
    given = {} if file is None else _from_file(file)
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise InvalidInput(f"-i {pair!r} names no value; write -i name=value")
        declared = None if workflow is None else workflow.inputs.get(name)
        text = _value(name, text)
        given[name] = text if declared is None else input_from_text(declared, text)
    return given


def _value(name: str, text: str) -> str:
    """The text, or that of the file after `@`; `@@` begins a text that begins with `@`."""
    if text.startswith("@@") or not text.startswith("@"):
        return text.removeprefix("@")
    try:
        return read_bytes(text[1:]).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"input {name!r}: the file {text[1:]} is not UTF-8 text") from error


def _from_file(file: str) -> dict[str, Any]:
    from ...graphs.document import read

    value = read(read_bytes(file), file, format="json" if file.endswith(".json") else "yaml").value
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{file} holds no inputs; write a mapping of names to values")
    return dict(value)


def read_bytes(file: str) -> bytes:
    """The bytes of a file; `-` is standard input. Raises `InvalidInput`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}; check the path") from error
