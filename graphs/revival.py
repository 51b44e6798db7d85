"""What a step left running beside the execution, taken up again after an interruption.

For that the attempts that are over are gone through once more, as far as they had come.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .call import Call, Past
from .errors import StepError
from .files import Files
from .rollback import WAY

if TYPE_CHECKING:
    from .binding import BoundStep
    from .engine import Frame
    from .run import Definition, Run
    from .scope import Scope

over: ContextVar[bool] = ContextVar("over", default=False)
"""Whether the attempt that is driven is over: nothing may begin in it any more."""


async def revive(
    bound: BoundStep, path: str, attempts: int | None, scope: Scope, frame: Frame
) -> None:
    """Let what that many attempts of the step (None: all that began) left running run on.

    What runs on already is left alone.
    """
    run = frame.run
    kind: Any = run.services.kinds.get(bound.kind)
    own = getattr(kind, "revive", None)
    inside = _left_running(bound, frame.definition)
    if own is None and not inside:
        return
    token = Files.enter(run, path)
    try:
        for attempt in range(1, (attempts or _begun(path, run)) + 1):
            # Whatever it starts runs as anything else does.
            with _driven(False):
                left = own is not None and await own(Call(bound, path, attempt, scope, frame))
            if inside and not left:
                with _driven(True), suppress(StepError):
                    await kind.run(Past(bound, path, attempt, scope, frame))
    finally:
        Files.leave(token)


async def go_through(run: Run, branch: Coroutine[Any, Any, object]) -> None:
    """Let what a branch that is over left running in an earlier life run on."""
    if not run.journal.history.begun:
        branch.close()  # there was none
        return
    with _driven(True), suppress(StepError):
        await branch


@contextmanager
def _driven(is_over: bool) -> Iterator[None]:
    token = over.set(is_over)
    try:
        yield
    finally:
        over.reset(token)


def _begun(path: str, run: Run) -> int:
    """How many attempts of a composite step had begun before the interruption."""
    count = 1
    while any(p.startswith(f"{path}#{count + 1}") for p in run.journal.history.begun):
        count += 1
    return count


def _left_running(bound: BoundStep, definition: Definition) -> bool:
    """Whether a step somewhere inside may run on when this one's attempt is over."""
    step: Any = bound.step
    inner = [s for way, steps in bound.blocks.items() if way != WAY for s in steps]
    if bound.kind == "workflow":
        definition = definition.children[step.workflow, step.version]
        inner = list(definition.program.steps)
    return any(
        (s.kind == "parallel" and s.step.wait_for == "none")  # type: ignore[attr-defined]
        or _left_running(s, definition)
        for s in inner
    )
