"""What a kind of step is given to do one attempt, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StepError
from .event import Event, EventType
from .execution import Cost, Exit, Failure, timestamp
from .question import Answer, Question, Wait
from .step import Step

if TYPE_CHECKING:
    from .binding import BoundStep
    from .engine import Frame
    from .limits import Limits
    from .run import Outcome, Run
    from .scope import Scope
    from .strands import Strand


@dataclass(frozen=True, slots=True)
class Yield:
    """What an attempt came to.

    `outputs` are named values beside `output`; `context` is mutable context it wrote;
    `exit` ends more than the step; `visible` are the steps inside it that later steps
    may read, by id. `failure` is a failed inner step: the step fails with it. `artifacts` are
    files that it has kept itself, beside those that it declares.
    """

    output: Any = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cost: Cost | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    exit: Exit | None = None
    reason: str | None = None
    visible: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failure: Failure | None = None


class Call:
    """One attempt of one step: its rendered fields, its place, and what it may use."""

    def __init__(
        self,
        bound: BoundStep,
        path: str,
        attempt: int,
        scope: Scope,
        frame: Frame,
        feedback: Sequence[str] = (),
    ) -> None:
        self.bound = bound
        self.step: Any = bound.step
        self.path = path
        self.attempt = attempt
        self.scope = scope
        self.frame = frame
        self.feedback = feedback

    @property
    def run(self) -> Run:
        return self.frame.run

    @property
    def workspace(self) -> Path:
        """The folder in which the step reads and writes files."""
        return self.run.workspace

    @property
    def again(self) -> bool:
        """Whether the step may have begun before, in an earlier life of the execution.

        That a step began is durable a little later than it begins.
        """
        return self.run.journal.taken_up

    @property
    def limits(self) -> Limits:
        """What the processes of this attempt may use."""
        return self.run.limits.narrowed(self.step.resource_limits)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and every resume of this step at this path."""
        return f"{self.run.execution.id}/{self.path}"

    def value(self, *where: str | int) -> Any:
        """A field with its templates rendered, keeping types; None when the field is absent.

        Raises `ExpressionError`.
        """
        bound = self.bound.fields.get(where)
        return None if bound is None else bound.render(self.scope)

    def revealed(self, *where: str | int) -> Any:
        """As `value`, with the secrets that the definition names in it: for whom they are meant,
        and nobody else. Raises `ConfigurationError` for one that is not there."""
        return self.run.services.secrets.revealed(self.bound.fields.get(where), self.scope)

    def text(self, *where: str | int) -> str:
        """A field rendered as text; empty when it is absent. Raises `ExpressionError`."""
        bound = self.bound.fields.get(where)
        return "" if bound is None else bound.text(self.scope)

    def parts(self, *where: str | int) -> list[tuple[str | None, Any]]:
        """A template in its parts: (literal, None) or (None, value), in order."""
        bound = self.bound.fields.get(where)
        return [] if bound is None else bound.parts(self.scope)

    async def decide(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value that steers: computed once, journaled, and never computed again."""
        return self.run.journal.decide(self.path, name, compute)

    async def drive(
        self,
        block: tuple[str, ...],
        *,
        label: str = "",
        position: int | None = None,
        local: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        strand: Strand | None = None,
    ) -> Outcome:
        """Run one of the step's inner lists to its end.

        `label` joins the path (`[3]`), `position` picks one branch of a `parallel`, `local`
        adds names such as `item`, `context` is the mutable context it begins with, `strand`
        is the line of control where several lists run at once.
        """
        return await self.frame.inner(self, block, label, position, local or {}, context, strand)

    async def ask(
        self,
        kind: Wait,
        *,
        message: str = "",
        schema: Mapping[str, Any] | None = None,
        choices: Mapping[str, str] | None = None,
        due: float | None = None,
        approvers: Sequence[str] = (),
        wanted: int = 1,
        escalates: float | None = None,
        later: Sequence[str] = (),
        event: str | None = None,
        key: str | None = None,
        round: int = 0,
    ) -> Answer | None:
        """Wait, durably and without holding a worker; None when `due` came first.

        The fields are those of `Question`. A step that asks the same kind of question twice
        says which `round` it is. An interrupted execution asks the same again when it goes
        on, and what was answered meanwhile is there at once.
        """
        question = Question(
            "",
            self.run.execution.id,
            self.path + (f"?{round}" if round else ""),
            kind,
            message,
            schema,
            due,
            approvers,
            wanted,
            escalates,
            later,
            event,
            key,
            choices=choices or {},
        )
        return await self.run.desk.ask(question, self.frame.strand)

    def emit(self, type: EventType, **data: Any) -> None:
        """Say something live about this step; it is lost when nobody listens."""
        told = self.run.services.secrets.masked(data)
        self.run.say(Event(self.run.execution.id, type, timestamp(), self.path, told))

    def notice(self, message: str) -> None:
        """Something the execution must say of itself; each sentence is kept once."""
        self.run.notice(message)


class Past(Call):
    """An attempt that is over, gone through once more: nothing is decided in it any more."""

    async def decide(self, name: str, compute: Callable[[], Any]) -> Any:
        """What was decided. Raises `StepError` when it was cut off before that."""
        if (self.path, name) not in self.run.journal.decisions:
            raise StepError(f"the attempt was cut off before {name!r} was decided")
        return await super().decide(name, compute)


class InnerFailure(StepError):
    """A step failed because one inside it did; carries what is visible all the same."""

    def __init__(self, yielded: Yield) -> None:
        assert yielded.failure is not None
        super().__init__(yielded.failure.message)
        self.yielded = yielded
        self.failure = yielded.failure


Work = Callable[[Call], Awaitable[Yield]]


class Kind:
    """A `StepKind` made of its parts: family, model and the function that does one attempt.

    `revive` is called for each attempt that is over when an interrupted execution goes on:
    for kinds that leave something running beside it. It says whether this one has.
    """

    def __init__(
        self,
        family: Any,
        model: type[Step],
        work: Work,
        revive: Callable[[Call], Awaitable[bool]] | None = None,
    ) -> None:
        self.family = family
        self.model = model
        self.revive = revive
        self._work = work

    async def run(self, call: Call) -> Yield:
        return await self._work(call)
