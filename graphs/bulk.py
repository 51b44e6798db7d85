"""What a store reads for many at once: a listing costs as many reads as one item of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from .execution import Execution
from .firing import Firing, Trigger
from .question import Question
from .stored import ArtifactInfo, Entry, WorkflowInfo


class Bulk(Protocol):
    """Each is one read, however many are asked for; what is not there is left out."""

    async def executions_of(self, ids: Sequence[str]) -> Sequence[Execution]:
        """The executions of whole ids, without their steps, in any order."""

    async def versions_of(self, named: Sequence[tuple[str, str]]) -> Sequence[WorkflowInfo]:
        """The registered versions of (name, version), in any order."""

    async def asked_by(self, execution_ids: Sequence[str], *, each: int = 20) -> Sequence[Question]:
        """The oldest open questions of each of the executions, oldest first."""

    async def journals_of(
        self, execution_ids: Sequence[str], *, after: int = 0, each: int | None = None
    ) -> Mapping[str, Sequence[Entry]]:
        """By whole id the entries that hold a `seq` greater than `after`, in order: all of them,
        or the first of each."""

    async def artifacts_of(
        self, execution_ids: Sequence[str], *, each: int = 20
    ) -> Sequence[ArtifactInfo]:
        """The newest files of each of the executions, newest first."""

    async def triggers_of(self, ids: Sequence[str]) -> Sequence[Trigger]:
        """The triggers of these ids, in any order."""

    async def firings_of(self, ids: Sequence[str]) -> Sequence[Firing]:
        """The firings of these ids, in any order."""

    async def starters_of(self, workflows: Sequence[str], *, each: int = 20) -> Sequence[Trigger]:
        """The first triggers of each of the workflows, by id."""

    async def fired_by(self, trigger_ids: Sequence[str], *, each: int = 20) -> Sequence[Firing]:
        """The newest firings of each of the triggers, newest first."""
