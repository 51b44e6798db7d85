"""Hand values to a placed command: through the environment, or large ones through files."""

from __future__ import annotations

import os
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Terminal
from .placement import VARIABLE, Placement

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_VALUE = 64 * 1024
"""Bytes of a value that the environment carries."""

LARGEST_ENVIRONMENT = 512 * 1024
"""Bytes of all values that the environment carries."""

_LARGEST_ARGUMENT = 128 * 1024 - 1


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command ready for a process.

    `env` is to be laid over the process's environment, last. `files` (mode 0600) must exist
    until the process ends; who owns their folder removes them.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    files: tuple[Path, ...] = ()


def invocation(
    placement: Placement, values: Sequence[str], *, step_id: str, directory: Path
) -> Invocation:
    """Make a placed command ready to run; `values[n]` is the text for hole n.

    Values over 64 KiB, and the largest ones of more than 512 KiB in total, are written to files in
    `directory`. Raises `Terminal` for a value that no shell variable can hold, and `ValueError`
    for a placement that was refused.
    """
    if placement.refused:
        raise ValueError("a command with misplaced values must not be run")
    contents = {number: _encoded(number, values[number]) for number in placement.holes}
    large = _large(contents)
    files = {number: _write(contents[number], number, directory) for number in large}
    prelude = "".join(_reading(number, path) for number, path in files.items())
    script = prelude + placement.script
    if len(os.fsencode(script)) > _LARGEST_ARGUMENT:
        raise Terminal("the command with its large values is too long: put a part into a file")
    return Invocation(
        argv=("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, step_id),
        env={f"{VARIABLE}{n}": values[n] for n in placement.holes if n not in files},
        files=tuple(files.values()),
    )


def _encoded(number: int, value: str) -> bytes:
    if "\0" in value:
        raise Terminal(f"value {number} of the command has a NUL byte, which no variable can hold")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise Terminal(
            f"value {number} of the command has half a surrogate pair at {error.start},"
            " which is no text"
        ) from None


def _large(contents: dict[int, bytes]) -> list[int]:
    """Return the numbers of the values that the environment cannot carry, largest first."""
    large = []
    total = sum(map(len, contents.values()))
    for number in sorted(contents, key=lambda number: -len(contents[number])):
        if len(contents[number]) <= LARGEST_VALUE and total <= LARGEST_ENVIRONMENT:
            break
        large.append(number)
        total -= len(contents[number])
    return large


def _write(content: bytes, number: int, directory: Path) -> Path:
    descriptor, path = tempfile.mkstemp(prefix=f"value-{number}-", dir=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return Path(path).absolute()


def _reading(number: int, path: Path) -> str:
    """Return shell text that reads a file whole; it ends no line, so bash counts lines as before.

    `unset` drops the mark of an exported variable that came with the environment. `read` says 1
    at the end of the file; only a file that cannot be read leaves the variable empty, and ends
    the command.
    """
    name = f"{VARIABLE}{number}"
    quoted = shlex.quote(str(path))
    return f"unset -v {name}; IFS= read -r -d '' {name} < {quoted} || [ -n \"${{{name}}}\" ]; "
