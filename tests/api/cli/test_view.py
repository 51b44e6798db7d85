"""What is drawn on a terminal fits it, and shows text as text."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import anyio.lowlevel
import pytest
from rich.console import Console

from assay.api.cli.standing import Standing
from assay.api.cli.tree import Tree
from assay.api.cli.view import View, draw
from assay.graphs.event import Event, EventType
from assay.graphs.execution import Execution, Failure, Status, StepResult
from assay.graphs.fold import result_event
from assay.graphs.question import Question, Wait

AT = "2026-01-02T03:04:05.000000Z"
LATER = "2026-01-02T03:04:06.500000Z"


def result(path: str, status: Status = Status.COMPLETED, **more: object) -> StepResult:
    given = {"started_at": AT, "completed_at": LATER, **more}
    return StepResult(path, path.rpartition(".")[2], "shell", status, **given)  # type: ignore[arg-type]


def execution(*steps: StepResult, **more: object) -> Execution:
    given = {"started_at": AT, "completed_at": LATER, **more}
    return Execution(
        "0123",
        "test",
        "1",
        "d" * 64,
        Status.FAILED,
        steps={step.path: step for step in steps},
        **given,  # type: ignore[arg-type]
    )


def tree_of(execution: Execution) -> Tree:
    """The tree that comes of its results."""
    tree = Tree(f"{execution.workflow}@{execution.version}")
    for step in execution.steps.values():
        tree.fold(result_event(step, execution.id, LATER))
    return tree


def drawn(ended: Execution, width: int, **console: object) -> str:
    stream = io.StringIO()
    given = Console(
        file=stream,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        **console,  # type: ignore[arg-type]
    )
    draw(Standing(ended), tree_of(ended), Path, given)
    return stream.getvalue()


BROKEN = execution(
    result("build"),
    result("checks.odd", Status.FAILED, error=Failure("x", "[bold]no", "")),
    result("checks.日本語の名前", attempts=3),
    result("checks." + "long" * 40, Status.SKIPPED, reason="never " * 40),
    outputs={"report": "one [green]line[/green]\n:smile: two"},
    error=Failure("x", "it broke", "checks"),
)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_row_fits_the_width(width: int) -> None:
    tree = drawn(BROKEN, width).partition("\n\n")[0]
    console = Console(width=width)
    assert all(console.measure(line).maximum <= width for line in tree.splitlines())
    assert "…" in tree


def test_the_ended_tree_shows_marks_kinds_times_and_notes() -> None:
    assert drawn(BROKEN, 80).splitlines()[:5] == [
        "test@1  failed  1.5s  0123",
        "✓ build                           shell     1.5s",
        "✗ checks                                    1.5s",
        "  ✗ odd                           shell     1.5s  [bold]no",
        "  ✓ 日本語の名前                  shell     1.5s  3 attempts",
    ]


def test_what_waits_is_marked_and_who_is_asked_finds_it() -> None:
    waiting = replace(BROKEN, steps={}, status=Status.WAITING)
    tree = tree_of(waiting)
    for path in ("nap", "ask"):
        tree.fold(Event("0123", EventType.STEP_STARTED, AT, path, {"kind": path}))
    tree.wait_for(
        [
            Question("q1", "0123", "nap", Wait.EVENT, event="dawn"),
            Question("q2", "0123", "ask", Wait.APPROVAL, "Go on?"),
        ]
    )
    stream = io.StringIO()
    draw(Standing(waiting), tree, Path, Console(file=stream, width=80))
    nap, ask = stream.getvalue().splitlines()[1:3]
    assert nap.startswith("◔ nap ")
    assert nap.endswith("waits for the event 'dawn'")
    assert ask.startswith("? ask ")


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    text = drawn(BROKEN, 120)
    assert "one [green]line[/green]\n    :smile: two" in text


def test_no_color_leaves_no_colours() -> None:
    coloured = drawn(BROKEN, 80, force_terminal=True, color_system="standard", no_color=False)
    plain = drawn(BROKEN, 80, force_terminal=True, color_system="standard", no_color=True)
    assert "\x1b[31m" in coloured
    assert not any(f"\x1b[{code}m" in plain for code in range(30, 38))


@pytest.mark.anyio
async def test_a_live_view_leaves_nothing_behind_but_what_is_drawn_at_the_end() -> None:
    """The cursor is shown again, whatever happened."""
    stream = io.StringIO()
    console = Console(file=stream, width=60, height=10, force_terminal=True, markup=False)
    view = View(Tree("test@1"), console)
    view.start()
    await anyio.lowlevel.checkpoint()  # here it draws for the first time
    assert "test@1" in stream.getvalue()
    await view.stop()
    hidden, shown = stream.getvalue().count("\x1b[?25l"), stream.getvalue().count("\x1b[?25h")
    assert hidden == shown == 1


def test_a_text_is_broken_between_words_within_its_margin() -> None:
    prose = execution(outputs={"report": "word " * 12 + "\n  indented"})
    assert drawn(prose, 40).splitlines()[5:9] == [
        "    word word word word word word word",
        "    word word word word word",
        "      indented",
        "execution 0123",
    ]
