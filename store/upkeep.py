"""What a store owes to whoever looks after it: beyond the `Store` port, both of ours do this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..graphs.execution import Status
from ..graphs.ports import Blobs, Store

if TYPE_CHECKING:
    from ..graphs.execution import Execution
    from ..graphs.lease import Message, SlotRequest
    from ..graphs.question import Question
    from ..graphs.stored import ArtifactInfo, Entry


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole execution, as it leaves one store and arrives in another.

    Checkpoints are not of it: they are made again from the journal.
    """

    execution: Execution
    entries: Sequence[Entry]
    questions: Sequence[Question] = ()
    artifacts: Sequence[ArtifactInfo] = ()
    """Oldest first."""
    messages: Sequence[Message] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: of what, what is wrong, and what to do."""

    of: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.of}: {self.wrong.rstrip('.')}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a store is laid out (`version`), and the version that this Assay writes (`known`)."""

    version: int
    known: int


class KeptStore(Store, Protocol):
    """A store that can be looked after."""

    name: str
    """What its findings and messages call it."""

    async def arrive(self, arrival: Arrival) -> None:
        """Take in an execution that nobody drives, its row last: it is there whole or not at all.

        Raises `StoreError` when its id is there, `ConcurrencyLimit` when it is open and the
        slot it needs is taken.
        """

    async def mail(self, execution_id: str) -> Sequence[Message]:
        """What lies in the execution's inbox, oldest first, whoever holds its lease."""

    def asides(self) -> AsyncIterator[bytes]:
        """What is kept beside executions and may name blobs: cached results, events, mail,
        what triggers were fired with."""

    def faults(self) -> AsyncIterator[Finding]:
        """What is wrong where the port does not reach, such as records of no execution."""

    async def layout(self) -> Layout: ...


@runtime_checkable
class KeptBlobs(Blobs, Protocol):
    """Blobs that can be looked after."""

    def older(self, before: float) -> AsyncIterator[str]:
        """Those that were last put before that time, seconds since 1970."""

    async def remove(self, sha256: str, before: float) -> bool:
        """Remove it, unless it was put since that time: then False."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The slot that an execution needs where it arrives; `strict`: it cannot queue for it."""

    of: SlotRequest
    strict: bool

    def taken(self, execution: Execution) -> str:
        return (
            f"Execution {execution.id} is {execution.status} and needs a slot of "
            f"{self.of.key!r}, which is taken; take it in when the others have ended."
        )


def needs_slot(execution: Execution) -> Wanted | None:
    """An arrival stops nobody who holds a slot; only what has not begun waits for its turn."""
    slot, status = execution.slot, execution.status
    if slot is None or status.terminal:
        return None
    if status in (Status.WAITING, Status.PAUSED) and slot.hold == "running":
        return None
    return Wanted(slot, status is not Status.QUEUED)
