"""Where an execution stands: what it came to, what it waits for, and what can be done now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...graphs.execution import Execution, Status
from ...graphs.question import Question
from .summary import Line
from .waits import told


@dataclass(frozen=True, slots=True)
class Standing:
    """`questions` are the open ones; `driven`: a process that lives has hold of it."""

    execution: Execution
    questions: Sequence[Question] = ()
    driven: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The execution as its users read it, with the questions that it waits for."""
        asked = [question.to_dict() for question in self.questions]
        return {**self.execution.to_dict(), "questions": asked}


def hints(standing: Standing) -> Iterator[Line]:
    """What it waits for and how to go on; nothing when it has ended."""
    execution = standing.execution
    if execution.status.terminal:
        return
    yield from told(standing.questions, execution.id)
    resume = f"assay resume {execution.id}"
    if execution.status is Status.PAUSED:
        yield Line(f"to go on: {resume}", "dim")
    elif standing.driven:
        yield Line(f"another process drives it; to watch it: assay logs -f {execution.id}", "dim")
    elif execution.status is Status.WAITING:
        if any(question.due is not None for question in standing.questions):
            yield Line(f"past that time: {resume}, or a worker", "dim")
    else:
        yield Line(f"nobody drives it now; to go on: {resume}", "dim")
