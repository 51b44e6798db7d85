"""How an execution ended, for people: outputs, artifacts, notices, the error and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...graphs.execution import Execution, Status
from ...graphs.units import format_size
from .text import clean, cut, duration, one_line, plural, seconds_between, shown, spent

Tone = Literal["plain", "head", "dim", "good", "bad", "notice", "prose"]

_LONG = 20
"""Lines of a text output that are shown; the output called `report` is shown whole."""


MARGIN = "    "
"""Before each line of a text output."""


class Line(NamedTuple):
    """`tone` says how it may be coloured; without colours it reads the same.

    Prose may be broken between words, as long as its margin is kept.
    """

    text: str
    tone: Tone = "plain"


Place = Callable[[str], Path | None]
"""The file that holds an artifact, by its SHA-256."""


def summary(
    execution: Execution, place: Place, hints: Iterable[Line] = (), *, width: int = 100
) -> Iterator[Line]:
    """The lines, in order; one-line values are cut to the width, longer texts are not.

    `hints` say what can be done now.
    """
    yield _verdict(execution)
    yield from _outputs(execution.outputs, width)
    yield from _artifacts(execution.artifacts, place)
    for notice in execution.notices:
        yield Line(f"notice: {one_line(notice)}", "notice")
    yield from _error(execution)
    yield from hints
    yield Line(f"execution {execution.id}", "dim")


def _verdict(execution: Execution) -> Line:
    lasted = duration(seconds_between(execution.started_at, execution.completed_at))
    ended = execution.status.terminal and lasted
    parts = [execution.status.value + (f" in {lasted}" if ended else "")]
    if execution.steps:
        parts.append(plural(len(execution.steps), "step"))
    cached = sum(result.cached for result in execution.steps.values())
    if cached:
        parts.append(f"{cached} cached")
    if cost := spent(execution.cost):
        parts.append(cost)
    tone: Tone = "good" if execution.status is Status.COMPLETED else "bad"
    return Line("; ".join(parts), "plain" if not execution.status.terminal else tone)


def _outputs(outputs: Mapping[str, Any], width: int) -> Iterator[Line]:
    if not outputs:
        return
    yield Line("outputs", "head")
    # What is long comes last: nothing short is then hard to find.
    short = {k: v for k, v in outputs.items() if not _is_text(v) and not _is_file(v)}
    wide = max(map(len, short), default=0)
    for name, value in short.items():
        yield Line(f"  {name:<{wide}}  {cut(one_line(shown(value)), width - wide - 4)}")
    for name, value in outputs.items():
        if _is_file(value):
            yield Line(f"  {name}  {one_line(str(value['path']))}")
        elif _is_text(value):
            yield Line(f"  {name}")
            yield from _text(value, whole=name == "report")


def _text(value: str, *, whole: bool) -> Iterator[Line]:
    lines = clean(value).splitlines()
    shown_lines = lines if whole or len(lines) <= _LONG else lines[: _LONG - 1]
    for line in shown_lines:
        yield Line(f"{MARGIN}{line}".rstrip(), "prose")
    if len(shown_lines) < len(lines):
        yield Line(f"{MARGIN}… {len(lines) - len(shown_lines)} lines more", "dim")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value.strip("\n")


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and {"path", "sha256", "size"} <= value.keys()


def _artifacts(artifacts: Mapping[str, Any], place: Place) -> Iterator[Line]:
    if not artifacts:
        return
    yield Line("artifacts", "head")
    wide = max(map(len, artifacts))
    for name, kept in artifacts.items():
        path, size = one_line(str(kept.get("path"))), format_size(int(kept.get("size", 0)))
        yield Line(f"  {name:<{wide}}  {path}  {size}")
        if (home := place(str(kept.get("sha256")))) is not None:
            yield Line(f"  {'':<{wide}}  kept as {_from_here(home)}", "dim")


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _error(execution: Execution) -> Iterator[Line]:
    error = execution.error
    if error is None:
        return
    where = f" at {error.path}" if error.path else ""
    first, *rest = clean(error.message).splitlines() or [error.code]
    # Who stopped it knows that; what could not be undone is in the lines that follow.
    stopped = execution.status is Status.CANCELLED
    if not stopped:
        yield Line(f"error{where}: {first}", "bad")
    for line in rest:
        yield Line(f"  {line.strip()}".rstrip(), "bad")
    if not stopped:
        yield Line(f"to see what happened: assay logs {execution.id}", "dim")
