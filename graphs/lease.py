"""Who may drive an execution, what others tell it, and how many may run at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to drive one execution, and to write to its journal.

    `epoch` grows with every takeover; a commit under an older one writes nothing. `handle`
    is the store's own name for the execution.
    """

    execution_id: str
    worker: str
    epoch: int
    handle: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker looks around, in seconds: a look may cost time, or money.

    `listen`: between two looks into the inboxes of what it drives; `sweep`: between two looks
    for what nobody drives. A worker that is rung looks at once. `late`: after a commit, until
    the log tells it for certain.
    """

    listen: float
    sweep: float
    late: float = 0.0


class Command(StrEnum):
    """What a message tells the driver of an execution."""

    ANSWER = "answer"  # the question in `question` has been answered
    SIGNAL = "signal"  # the event in `signal` may be what `question` waits for
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Message:
    """Something for an execution's inbox, or in it (`id` counts from 1)."""

    execution_id: str
    command: Command
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """One unit of a concurrency key that an execution needs in order to run.

    Executions with one key share `limit`. `hold` says whether it is kept while waiting.
    """

    key: str
    limit: int = 1
    overflow: Literal["queue", "reject", "replace"] = "queue"
    hold: Literal["execution", "running"] = "execution"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Slot:
    """Who holds a unit of a key (`held`), or waits for one, in order of turn."""

    key: str
    execution_id: str
    workflow: str
    held: bool
    since: str
    priority: int = 0
