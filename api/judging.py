"""What is said of agents' answers, and how models fare by it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..graphs.errors import InvalidInput
from ..graphs.scoring import ModelStats, feedback, model_stats
from .access import Operation, covers
from .remembering import Remembering

if TYPE_CHECKING:
    from ..graphs.verdicts import Verdict

LONGEST = 2_000
"""Characters of a comment."""


class Judging(Remembering):
    """The part of `Control` that learns from people, and says what was learned."""

    async def record_feedback(
        self, id: str, path: str, *, passed: bool, comment: str = ""
    ) -> Verdict:
        """Say as this asker whether the answer that a step's model gave was good; said again,
        it takes the place of what they said before. Raises `NotPossible` where none answered."""
        if len(comment) > LONGEST:
            raise InvalidInput(f"A comment has {LONGEST:,} characters at most")
        execution, who = await self._row(id), self.asker.principal
        self._visible(execution)
        say = partial(feedback, self._store, self._manager.services.blobs, execution, path)
        return await self._change(
            Operation.RECORD_FEEDBACK,
            execution.workflow,
            execution.id,
            partial(say, passed=passed, by=who.name, voice=who.id, comment=comment),
            {"path": path, "passed": passed},
        )

    async def model_stats(
        self, workflow: str | None = None, step: str | None = None
    ) -> Sequence[ModelStats]:
        """How models fare by step and prompt, by the newest verdicts."""
        self._allow(Operation.READ_STATS)
        if step is not None and workflow is None:
            raise InvalidInput("a step is one of a workflow: name that as well")
        visible = partial(covers, self.asker.principal)
        if workflow is not None and not visible(workflow):
            return []
        return await model_stats(self._store, workflow, step, visible=visible)
