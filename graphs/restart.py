"""What follows when the system failed, and not a step: the execution starts again, or ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

from .errors import AssayError
from .event import EventType
from .execution import Failure, Status, timestamp
from .panic import restart_delay
from .question import Question, Wait, question_id
from .run import Run
from .strands import Panicked
from .workflow import Panic


def schedule_restart(run: Run, panicked: Panicked, worked: float) -> Failure | None:
    """Keep in the journal when it starts again; or return why it does not, where it has done
    so as often as `panic` allows. `worked` are the seconds that it has worked by now.

    The time is kept as a question that nobody can answer. The execution is not said to wait:
    it keeps what it holds.
    """
    policy = run.definition.program.workflow.panic or Panic()
    execution = run.execution
    code = getattr(panicked.error, "code", "panic")
    ours = isinstance(panicked.error, AssayError)
    said = str(panicked.error) if ours else f"{type(panicked.error).__name__}: {panicked.error}"
    error = Failure(code, said, panicked.path)
    if execution.restarts >= policy.max_restarts:
        message = f"the system failed {execution.restarts + 1} times; the last time: "
        return replace(error, code="panic", message=message + error.message)
    restart = execution.restarts + 1
    delay = restart_delay(policy, restart)
    id = question_id(execution.id, "", Wait.RETRY)
    due = time.time() + delay
    again = Question(id, execution.id, "", Wait.RETRY, due=due, asked_at=timestamp())
    run.journal.save(replace(again, revision=restart))
    failed = replace(
        execution, status=Status.RUNNING, restarts=restart, worked=worked, current_step=None
    )
    run.journal.update(
        failed,
        EventType.EXECUTION_RESTARTING,
        restart=restart,
        of=policy.max_restarts,
        delay=delay,
        error=error.to_dict(),
    )
    return None


async def await_restart(run: Run) -> None:
    """Wait until it may start again, if the system has just failed under it.

    Somebody who resumes it by hand knows better.
    """
    due = run.desk.due("", Wait.RETRY)
    if due is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(max(due - time.time(), 0.0)):
            await run.resumed.wait()
    run.desk.end("", Wait.RETRY)
