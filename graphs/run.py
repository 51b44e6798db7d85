"""An execution under way, as a whole: what is one for all of its steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .crew import Crew, Work
from .desk import Desk
from .event import Event, EventType
from .execution import Execution, Exit, Failure, Status, StepResult, timestamp
from .journal import Journal
from .ledger import Ledger
from .limits import Limits
from .nearby import Nearby
from .profiles import bounded
from .program import Program
from .question import Question
from .sandbox import Rung
from .services import Services
from .step import Step
from .strands import Panicked, Parked, Place, Strand
from .workspace.copy import WorkingCopy
from .workspace.place import apart

if TYPE_CHECKING:
    from .compile import CompiledBlock


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a list of steps ended.

    `results` are the states of its visible steps by id, `writes` the mutable context it
    wrote, `last` the output of its last completed step in order of the file.
    """

    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    writes: Mapping[str, Any] = field(default_factory=dict)
    exit: Exit | None = None
    failure: Failure | None = None
    last: Any = None

    @property
    def beyond(self) -> Exit | None:
        """What ends more than this list: a `skip` ends here, a `stop` goes on."""
        return Exit.STOP if self.exit is Exit.STOP else None


@dataclass(frozen=True, slots=True)
class Definition:
    """A program ready to run, with the programs its `workflow` steps name."""

    program: Program
    block: CompiledBlock
    children: Mapping[tuple[str, str | None], Definition] = field(default_factory=dict)


_log = logging.getLogger("assay.run")


class Run:
    """What is one for the whole execution: journal, desk, services, workspace, work beside it.

    `leaving`: it leaves memory, to go on later, here or elsewhere. `resumed`: somebody
    wants it to go on now. `copy`: the files, where they follow it to other machines. `held_as`:
    the profiles and rungs on which programs have run here.
    """

    def __init__(
        self,
        definition: Definition,
        journal: Journal,
        desk: Desk,
        services: Services,
        strand: Strand,
        environ: Mapping[str, str],
    ) -> None:
        self.definition = definition
        self.journal = journal
        self.desk = desk
        self.services = services
        self.strand = strand
        self.environ = environ
        self.leaving = False
        self.resumed = asyncio.Event()
        self.panicked: Panicked | None = None
        self._on_panic: Callable[[], None] = lambda: None
        self.limits = Limits.of_workflow(definition.program.workflow.resource_limits, self.notice)
        self.ledger = Ledger(definition.program.workflow.budget, journal)
        self.copy = self._working_copy()
        self.nearby = Nearby(services.blobs, definition)
        self._beside: Crew[Outcome] = Crew(strand)
        self._saving: list[asyncio.Future[None]] = []
        self._detached: set[str] = set()
        self.held_as: set[tuple[str, Rung]] = set()
        self._said: list[str] = list(journal.execution.notices)
        self._paused = False
        self._draining = False
        self._held: list[Place] = []
        self._asked: tuple[Question, ...] = ()

    @property
    def execution(self) -> Execution:
        """The row as it will be with the next commit."""
        return self.journal.execution

    @property
    def workspace(self) -> Path:
        if self.copy is not None:
            return self.copy.folder
        shared = self.services.workspaces.shared
        if self.definition.program.workflow.workspace.mode == "shared" and shared is not None:
            return shared
        return Path(self.execution.workspace)

    def _working_copy(self) -> WorkingCopy | None:
        wanted, services = self.definition.program.workflow.workspace, self.services
        if not apart(wanted.mode, self.execution.profile):
            return None
        of, history = self.execution.id, self.journal.history
        patiently = self.journal.patiently
        return WorkingCopy(
            services.workspaces, of, history, services.blobs, patiently, wanted.ignore
        )

    async def prepare(self) -> None:
        """The files as they were. Raises `StateCorrupted` or `WorkspaceRefused`."""
        if self.copy is not None:
            await self.copy.ready()
        await self.nearby.recall(self.journal.results.values(), self.journal.patiently)

    def end(self) -> None:
        """Nothing of it runs here any more."""
        self.strand.end()
        if self.copy is not None:
            self.copy.remove()

    @property
    def ceiling(self) -> str:
        """The security profile that no step exceeds: this process's, or that of whoever began
        it. Raises `NotAllowed` for one that this Assay does not know."""
        return bounded(self.services.ceiling, self.execution.profile)

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(self._said)

    @property
    def paused(self) -> bool:
        return self._paused

    def held(self, strand: Strand) -> bool:
        """In the strand the next step would begin, were it not for a pause, or `drain`."""
        return any(place.strand.within(strand) for place in self._held)

    @property
    def asked(self) -> tuple[Question, ...]:
        """What is waited for, or was when it left memory."""
        return self._asked or self.desk.open

    def say(self, event: Event) -> None:
        """Publish a live event; nobody waits for it."""
        self.services.live(event)

    def notice(self, message: str) -> None:
        """Keep a sentence that the execution must say of itself, once."""
        if message not in self._said:
            self._said.append(message)
            self.journal.note(EventType.NOTICE, message=message)

    def skip(self, steps: Sequence[Step], prefix: str, reason: str) -> None:
        """Record steps that will not run, so that everyone reads `skipped`."""
        for step in steps:
            path = f"{prefix}{step.id}"
            if self.journal.result(path) is None:
                now = timestamp()
                self.journal.add(
                    StepResult(
                        path,
                        step.id,
                        step.kind,
                        Status.SKIPPED,
                        attempts=0,
                        started_at=now,
                        completed_at=now,
                        reason=reason,
                    )
                )

    def cancel(self, steps: Sequence[Step], prefix: str) -> None:
        """Record steps that will not end, whether they have begun or not."""
        for step in steps:
            path, now = f"{prefix}{step.id}", timestamp()
            if self.journal.result(path) is None:
                begun = self.journal.history.begun.get(path)
                self.journal.add(
                    StepResult(
                        path,
                        step.id,
                        step.kind,
                        Status.CANCELLED,
                        attempts=int(begun is not None),
                        started_at=now if begun is None else begun.at,
                        completed_at=now,
                    )
                )

    def cancel_begun(self) -> None:
        """Record that what had begun before an interruption, and was not taken up again, ends."""
        for path, begun in self.journal.history.begun.items():
            if self.journal.result(path) is None:
                now, status = timestamp(), Status.CANCELLED
                self.journal.add(
                    StepResult(
                        path,
                        begun.step,
                        begun.kind,
                        status,
                        started_at=begun.at,
                        completed_at=now,
                    )
                )

    def pause(self) -> None:
        """Let steps that run end, and none begin."""
        self._paused = True

    def go_on(self) -> None:
        """Take back `pause`."""
        self._paused = False
        held, self._held = self._held, []
        for place in held:
            place.resolve()

    def drain(self) -> None:
        """As `pause`, for good and for this process only: to leave memory soon."""
        self._draining = True

    async def crossing(self, strand: Strand) -> None:
        """Between two steps: here a pause takes effect."""
        while self._paused or self._draining:
            place = Place(strand)
            self._held.append(place)
            await place.wait()

    def leave(self) -> None:
        """From now on what is cancelled has not ended, and is asked still."""
        self.leaving = self.desk.leaving = True

    def unwind(self) -> None:
        """Make everything that waits leave memory; `Parked` is raised where it waited."""
        self.leave()
        self._asked = self.desk.open
        self.desk.unwind()
        for place in self._held:
            place.unwind(Parked())

    def when_panicked(self, call: Callable[[], None]) -> None:
        """Call it when the system fails under work that nobody waits for; see `panicked`."""
        self._on_panic = call

    def detach(self, path: str, work: Work[Outcome]) -> None:
        """Run the step at the path beside everything else; `join` waits for it.

        Whoever comes by again only finds it running, or ended.
        """
        if path in self._detached:
            return
        self._detached.add(path)
        self._beside.start(work).add_done_callback(self._look)

    def _look(self, task: asyncio.Task[Outcome]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Panicked):
            self.panicked = error
            self._on_panic()

    async def join(self) -> None:
        """Wait for everything detached; what failed is in the journal and nowhere else."""
        while await self._beside.ended():
            pass

    def save(self, work: Coroutine[Any, Any, None]) -> None:
        """Write a checkpoint while the execution goes on to its end."""
        self._saving.append(asyncio.ensure_future(work))

    async def saved(self) -> None:
        """Wait for checkpoints under way. What cannot be saved is in the journal all the same."""
        for failed in await asyncio.gather(*self._saving, return_exceptions=True):
            if failed is not None:
                _log.warning("execution %s has no checkpoint: %s", self.execution.id, failed)

    async def abandon(self) -> None:
        """Cancel everything detached."""
        await self._beside.close()
