"""The lease document of an execution: who may drive it, and whether somebody should.

It changes when the lease is taken or given back, when something is put into the inbox and when
a slot turns: every change compares and sets it. What is promised stands in the `Store` port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...graphs.errors import ExecutionNotFound
from ...graphs.execution import Status
from ...graphs.lease import SlotRequest
from . import names
from .values import pack, unpack

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from .database import Batch, Database, Found

_HIGHEST = 10**15

FIELDS = (
    *("about", "birth", "priority", "worker", "queued"),
    *("parked", "mail", "stop", "ended", "told", "deferred"),
)
"""What `read` needs."""

PARKED = frozenset({Status.WAITING.value, Status.PAUSED.value})


@dataclass(slots=True)
class LeaseDocument:
    """A working copy. `write` sets it back, if it is still as it was read.

    `birth` is the execution's number in order of age, by which no two share a life. `queued`:
    it needs a slot and stands in the queue for one. `parked`: nobody drives it, and it waits.
    `mail`, `stop`: while nobody drives it something, or a STOP, lies in its inbox. `told` is
    the highest number of its messages. `deferred` names questions whose time has come while
    nothing can be done about it; whoever takes the lease makes them due again.
    """

    execution: str
    birth: int
    priority: int
    request: SlotRequest | None
    workflow: str
    worker: str = ""
    queued: bool = False
    parked: bool = False
    mail: bool = False
    stop: bool = False
    ended: bool = False
    told: int = 0
    deferred: tuple[str, ...] = ()
    time: Any = None

    @property
    def name(self) -> str:
        return names.name(self.execution)

    @property
    def runnable(self) -> bool:
        """It has the slot that it needs, or is to end, for which it needs none."""
        return not self.queued or self.stop

    @property
    def turn(self) -> tuple[int, int]:
        """Sorts by priority, then age."""
        return -self.priority, self.birth

    def take(self, worker: str, *, mail: bool, stop: bool) -> None:
        self.worker, self.mail, self.stop = worker, mail, stop

    def let_go(self, *, parked: bool) -> None:
        """With an empty inbox."""
        self.worker, self.parked, self.mail, self.stop = "", parked, False, False

    def create(self, database: Database, batch: Batch) -> int:
        about: dict[str, Any] = {"execution": self.execution, "workflow": self.workflow}
        about["request"] = None if self.request is None else self.request.to_dict()
        fields = {
            "about": pack(about, f"Execution {self.execution}"),
            "birth": self.birth,
            "priority": self.priority,
            **self._changing(),
        }
        return batch.create(database.at(names.LEASES, self.name), fields)

    def write(self, database: Database, batch: Batch) -> int:
        return batch.update(database.at(names.LEASES, self.name), self._changing(), self.time)

    def _changing(self) -> dict[str, Any]:
        wanted = not self.ended and not self.worker and self.runnable
        urgency = _HIGHEST - max(-_HIGHEST, min(self.priority, _HIGHEST))
        key = f"{names.digits(urgency)}-{names.digits(self.birth)}"
        return {
            "worker": self.worker,
            "queued": self.queued,
            "parked": self.parked,
            "mail": self.mail,
            "stop": self.stop,
            "ended": self.ended,
            "told": self.told,
            "deferred": list(self.deferred) or None,
            "queue_key": key if wanted and (self.mail or not self.parked) else None,
        }


def begin(execution: Execution, birth: int, worker: str) -> LeaseDocument:
    """The lease document of an execution that begins."""
    over = execution.status.terminal
    return LeaseDocument(
        execution.id,
        birth,
        execution.priority,
        None if over else execution.slot,  # what has ended comes from an export: it needs none
        execution.workflow,
        worker,
        parked=execution.status.value in PARKED,
        ended=over,
    )


def read(found: Found) -> LeaseDocument:
    about = unpack(found["about"], f"The lease of {found.id}")
    request = about["request"]
    return LeaseDocument(
        about["execution"],
        found["birth"],
        found["priority"],
        None if request is None else SlotRequest(**request),
        about["workflow"],
        found["worker"],
        found["queued"],
        found["parked"],
        found["mail"],
        found["stop"],
        found["ended"],
        found["told"],
        tuple(found.get("deferred", ())),
        found.time,
    )


async def load(database: Database, execution_id: str) -> LeaseDocument:
    """Raises `ExecutionNotFound`."""
    (found,) = await database.get(database.at(names.LEASES, names.name(execution_id)))
    if found is None:
        raise not_found(execution_id)
    return read(found)


def not_found(execution_id: str) -> ExecutionNotFound:
    return ExecutionNotFound.of(execution_id)
