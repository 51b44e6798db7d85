"""Where executions are, as commands see it: the store of this machine, or a server elsewhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from ...graphs.event import Event
    from ...graphs.execution import Execution
    from ...graphs.firing import Firing, Trigger
    from ...graphs.forking import Again
    from ...graphs.lease import Slot
    from ...graphs.memory import MemoryInfo
    from ...graphs.program import Program
    from ...graphs.question import Question
    from ...graphs.scoring import ModelStats
    from ...graphs.stored import ArtifactInfo
    from ..triggers import Timed


class Ear(NamedTuple):
    """Open since before an execution began, where what is said live would be lost else."""

    heard: AsyncIterator[Event] | None = None


class Plan(NamedTuple):
    """What a retry or a fork would keep and run again; `says` tells it in sentences."""

    kept: int
    begins: Sequence[str]
    again: Sequence[Again]
    says: Sequence[str]


class Records(Protocol):
    """What there is to be read. A whole id, a beginning of one and `latest` name an execution
    to `whole_id` alone; what is not there raises what the store raises."""

    far: bool
    """Others drive executions there, and nobody here can."""

    def kept(self, sha256: str) -> Path | None:
        """The file of this machine that holds an artifact."""

    async def whole_id(self, given: str) -> str: ...
    async def row(self, id: str) -> Execution:
        """Perhaps without its steps."""

    async def get(self, id: str) -> Execution:
        """With its steps."""

    async def driven(self, id: str) -> bool:
        """Whether somebody who lives has hold of it."""

    def executions(
        self, workflow: str | None, status: str | None, limit: int
    ) -> AsyncIterator[Execution]: ...
    def events(self, id: str, *, follow: bool = False) -> AsyncIterator[Event]:
        """Those that are kept; `follow`: until the execution has ended."""

    def questions(self, id: str | None, status: str | None) -> AsyncIterator[Question]: ...
    async def question(self, id: str) -> Question: ...
    async def open_questions(self, id: str | None = None) -> Sequence[Question]:
        """Oldest first, and not for ever many."""

    def artifacts(self, id: str) -> AsyncIterator[ArtifactInfo]:
        """Files that its steps kept, newest first."""

    async def fetch(self, artifact: ArtifactInfo, target: Path) -> None:
        """Write one to a file. Raises `StateCorrupted` when it is not what was kept."""

    async def slots(self, key: str | None) -> Sequence[Slot]: ...
    async def model_stats(self, workflow: str | None, step: str | None) -> Sequence[ModelStats]: ...
    def memories(self, workflow: str | None) -> AsyncGenerator[MemoryInfo]: ...
    def triggers(self, workflow: str | None, type: str | None) -> AsyncGenerator[Trigger]: ...
    async def trigger(self, id: str) -> Trigger: ...
    def firings(self, trigger: str | None, status: str | None) -> AsyncGenerator[Firing]:
        """Newest first."""

    async def firing(self, id: str) -> Firing:
        """By its id, or a beginning of it."""


class Site(Records, Protocol):
    """And what can be done to it."""

    me: str
    """Who answers from here; empty: whoever the server says."""

    async def load(self, definition: str) -> Program | None:
        """The program of a file or of a registered name; None where it is not known here."""

    async def program(self, execution: Execution) -> Program | None:
        """What the execution runs."""

    async def check(self, file: Path) -> None:
        """Raises `InvalidSpec`."""

    async def register(self, file: Path) -> tuple[str, str, str]:
        """Name, version and digest."""

    def hear(self, id: str | None = None) -> Ear: ...
    def follow(self, id: str, ear: Ear, after: int) -> AsyncIterator[Event]: ...
    async def driving(self, id: str) -> None:
        """Until it is not driven from here any more. Raises what driving it raised."""

    async def start(self, definition: str, inputs: Mapping[str, Any]) -> Execution: ...
    async def turn(self, execution: Execution) -> str | None:
        """The key whose next slot it waits for."""

    async def elsewhere(self, id: str) -> bool:
        """Whether another process has hold of it."""

    async def stop(self, id: str, reason: str = "") -> Execution: ...
    async def pause(self, id: str) -> None: ...
    async def paused(self, id: str) -> None:
        """Until no step of it runs."""

    async def resume(self, id: str) -> Execution: ...
    async def plan_fork(self, id: str, path: str | None) -> Plan: ...
    async def retry(self, id: str, path: str | None) -> Execution: ...
    async def fork(self, id: str, path: str, inputs: Mapping[str, Any]) -> Execution: ...
    async def delete(self, id: str) -> None: ...
    async def answer(
        self,
        id: str,
        value: Any = None,
        *,
        approved: bool,
        by: str | None = None,
        comment: str = "",
    ) -> Question: ...
    async def send_event(self, name: str, payload: Any, key: str | None) -> Sequence[str]: ...
    async def feedback(self, id: str, path: str, *, passed: bool, comment: str) -> str:
        """The model whose answer it is."""

    async def forget_memory(self, workflow: str, key: str) -> int:
        """How many turns and facts there were."""

    def schedules(self, count: int) -> AsyncGenerator[Timed]: ...
    async def backfill(self, id: str, start: datetime, end: datetime) -> Sequence[Firing]: ...
    async def create_trigger(
        self, workflow: str, document: Mapping[str, Any], version: str | None
    ) -> Trigger: ...
    async def enable_trigger(self, id: str, enabled: bool) -> Trigger: ...
    async def delete_trigger(self, id: str) -> None: ...
    async def fire(
        self, id: str, payload: Any, attributes: Mapping[str, str], key: str | None
    ) -> Firing:
        """Durable when it returns."""

    async def deal(self, firing: Firing, waits: Callable[[], None]) -> Firing:
        """What has come of it, or of the one that stands for it, when something has; `waits` is
        called when it has to wait for its turn."""

    async def replay(self, id: str) -> Firing: ...
