"""How an execution ended is told with everything that one needs next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from assay.api.cli.summary import summary
from assay.graphs.execution import Cost, Execution, Failure, Status

ENDED = Execution(
    "0123",
    "test",
    "1",
    "d" * 64,
    Status.COMPLETED,
    started_at="2026-01-02T03:04:05Z",
    completed_at="2026-01-02T03:04:17Z",
)


def told(execution: Execution, width: int = 100) -> list[str]:
    return [
        line.text for line in summary(execution, lambda sha256: Path("/kept") / sha256, width=width)
    ]


def test_it_begins_with_the_verdict_and_ends_with_the_id() -> None:
    cost = Cost(10, 2, 1, 0.25)
    assert told(replace(ENDED, cost=cost)) == [
        "completed in 12s; 1 call, 10 + 2 tokens, $0.2500",
        "execution 0123",
    ]


def test_short_outputs_are_a_table_and_long_values_are_cut() -> None:
    lines = told(replace(ENDED, outputs={"n": 3, "list": list(range(100))}), width=40)
    assert lines[1:4] == [
        "outputs",
        "  n     3",
        "  list  [0,1,2,3,4,5,6,7,8,9,10,11,12,13,1…"[:39] + "…",
    ]
    assert max(map(len, lines)) <= 40


def test_a_report_is_told_whole_and_other_long_texts_are_not() -> None:
    text = "\n".join(f"line {i}" for i in range(50))
    report = told(replace(ENDED, outputs={"report": text}))
    assert report[2:53] == ["  report", *(f"    line {i}" for i in range(50))]
    other = told(replace(ENDED, outputs={"other": text}))
    assert other[-2] == "    … 31 lines more"


def test_artifacts_say_where_they_are_kept() -> None:
    artifacts = {"build.out": {"path": "out.txt", "sha256": "ab", "size": 2048}}
    assert told(replace(ENDED, artifacts=artifacts))[1:4] == [
        "artifacts",
        "  build.out  out.txt  2KiB",
        "             kept as /kept/ab",
    ]


def test_notices_are_told() -> None:
    assert "notice: demo answered" in told(replace(ENDED, notices=("demo\nanswered",)))


def test_a_failure_says_where_why_and_what_to_do() -> None:
    error = Failure("exit_status", "it ended with status 1\n  no such file", "each[2].copy")
    assert told(replace(ENDED, status=Status.FAILED, error=error)) == [
        "failed in 12s",
        "error at each[2].copy: it ended with status 1",
        "  no such file",
        "to see what happened: assay logs 0123",
        "execution 0123",
    ]


def test_who_stopped_it_is_told_only_what_could_not_be_undone() -> None:
    error = Failure("cancelled", "the execution was stopped\nnot compensated: pay")
    assert told(replace(ENDED, status=Status.CANCELLED, error=error)) == [
        "cancelled in 12s",
        "  not compensated: pay",
        "execution 0123",
    ]


def test_nothing_told_can_steer_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;x\x07"
    execution = replace(
        ENDED,
        outputs={"report": f"a\n{evil}", "x": evil, "y": [evil]},
        notices=(evil,),
        artifacts={"a": {"path": evil, "sha256": "ab", "size": 1}},
        error=Failure("x", f"{evil}\n{evil}"),
    )
    assert not any("\x1b" in line for line in told(execution))
