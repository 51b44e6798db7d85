"""What follows when the system failed, and not a step: the execution starts again, or ends."""

from __future__ import annotations

import time
from dataclasses import replace

from .event import EventType
from .execution import Failure, Status, timestamp
from .panic import restart_delay
from .question import Question, QuestionStatus, Wait, question_id
from .run import Run
from .strands import Panicked
from .workflow import Panic


def schedule_restart(run: Run, panicked: Panicked) -> float | Failure:
    """Keep in the journal when it starts again; returns the seconds until then, or why it
    does not, where it has done so as often as `panic` allows.

    The time is kept as a question that nobody can answer: whoever finds it due goes on.
    """
    policy = run.definition.program.workflow.panic or Panic()
    execution = run.execution
    code = getattr(panicked.error, "code", "panic")
    error = Failure(code, f"{type(panicked.error).__name__}: {panicked.error}", panicked.path)
    if execution.restarts >= policy.max_restarts:
        message = f"the system failed {execution.restarts + 1} times; the last time: "
        return replace(error, code="panic", message=message + error.message)
    restart = execution.restarts + 1
    delay = restart_delay(policy, restart)
    id = question_id(execution.id, "", Wait.RETRY)
    due = time.time() + delay
    again = Question(id, execution.id, "", Wait.RETRY, due=due, asked_at=timestamp())
    run.journal.save(replace(again, revision=restart))
    waiting = replace(execution, status=Status.WAITING, restarts=restart, current_step=None)
    run.journal.update(
        waiting,
        EventType.EXECUTION_RESTARTING,
        restart=restart,
        of=policy.max_restarts,
        delay=delay,
        error=error.to_dict(),
    )
    return delay


def close_restart(run: Run, known: tuple[Question, ...]) -> None:
    """It has started again: nobody needs to be told that it is due."""
    id = question_id(run.execution.id, "", Wait.RETRY)
    for question in known:
        if question.id == id and question.status is QuestionStatus.OPEN:
            closed = question.withdrawn()
            run.journal.save(replace(closed, revision=question.revision + 1))
