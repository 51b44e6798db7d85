"""One run of a coding agent's command line: started, heard as it goes, ended when it must be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from ...graphs.errors import LimitReached, ModelFailed, NotAllowed
from ...graphs.execution import Cost
from ...graphs.ledger import Price
from ...graphs.limits import Limits
from ...graphs.processes import Finished, Stream, run_process
from ...graphs.sandbox import Hold
from ...graphs.thinking import Leash
from ..prices import Prices
from ..tools import clean
from ..tools.reach import bounded
from .signals import Dialect, Ended, Order, Said, Session, Signal, ToolDone, ToolUsed, Turn

A_TOKEN = 3
"""Characters that a token has at least, or nearly so."""

_SHOWN = 600
"""Characters of what a program complained of that an error shows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and under what bounds a command line works."""

    workspace: Path
    environ: Mapping[str, str]
    limits: Limits
    hold: Hold | None
    max_turns: int
    max_tool_calls: int | None


@dataclass(slots=True)
class Conversation:
    """What has been said and done so far, runs that went before in it included.

    `at` is the place of what is asked now, for which the session `noted` is kept.
    """

    at: str
    session: str | None = None
    noted: str | None = None
    turns: int = 0
    tool_calls: list[str] = field(default_factory=list)
    spent: Cost = field(default_factory=Cost)
    record: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class OutOfRoom(Exception):
    """The run was ended because the next answer cannot be paid for yet; `room` waits for that."""

    def __init__(self, room: asyncio.Future[int | None]) -> None:
        super().__init__()
        self.room = room


class Run:
    """Raises `ModelFailed`, `LimitReached`, `NotAllowed` or `ConfigurationError`, and `OutOfRoom`
    where the conversation can go on later."""

    def __init__(
        self,
        dialect: Dialect,
        order: Order,
        place: Place,
        leash: Leash,
        talk: Conversation,
        prices: Prices,
    ) -> None:
        self._dialect = dialect
        self._order = order
        self._place = place
        self._leash = leash
        self._talk = talk
        self._prices = prices
        self._price: Price | None = None if order.model is None else prices.of(order.model)
        self._asked = len(order.prompt.encode()) // A_TOKEN
        self._reserved = False
        self._over = False
        self._spent = Cost()
        self._used: dict[str, str] = {}
        self._said = 0
        self._drafted = False
        self._ended: Ended | None = None
        self.answered = False
        """Whether the model has answered at all."""

    async def work(self, program: Sequence[str]) -> str:
        """Its answer."""
        argv, stdin = self._dialect.command(program, self._order)
        await self._reserve()
        heard: asyncio.Queue[Signal | None] = asyncio.Queue()

        def tell(signal: Signal) -> None:
            self._over = self._over or isinstance(signal, Ended)
            heard.put_nowait(signal)

        lines = _Lines(self._dialect, tell)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear(heard))
                finished = await run_process(
                    argv,
                    cwd=self._place.workspace,
                    env=self._place.environ,
                    stdin=b"" if stdin is None else clean(stdin).encode(),
                    on_output=lines.take,
                    limits=self._place.limits,
                    hold=self._place.hold,
                )
                lines.end()
                heard.put_nowait(None)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            self._talk.record += lines.record
            self._leash.record(lines.record)
            if self._reserved:
                self._leash.let_go()
        if lines.strange:
            self._talk.notices.append(
                f"{self._dialect.name} wrote {lines.strange} lines that are not JSON; "
                "they were passed over"
            )
        return await self._answer(finished)

    async def _hear(self, heard: asyncio.Queue[Signal | None]) -> None:
        while (signal := await heard.get()) is not None:
            match signal:
                case Session():
                    await self._opened(signal)
                case Said():
                    self._say(signal)
                case Turn():
                    await self._turn(signal)
                case ToolUsed():
                    self._use(signal)
                case ToolDone():
                    self._check(signal)
                    await self._reserve(going=True)
                case Ended():
                    self._ended = signal

    async def _opened(self, session: Session) -> None:
        if session.model and self._price is None:
            self._price = self._prices.of(session.model)
        if session.id and session.id != self._talk.noted:
            self._talk.session = self._talk.noted = session.id
            name = free(self._leash, f"session[{self._talk.at}]")
            await self._leash.keep(name, {"session": session.id})

    def _say(self, said: Said) -> None:
        self._said += len(said.text)
        if said.draft or not self._drafted:
            self._leash.token(said.text)
        self._drafted = said.draft

    async def _turn(self, turn: Turn) -> None:
        self.answered = True
        cost = turn.cost
        if self._price is not None and cost.usd is None:
            cost = cost.at(self._price.of(cost, min(turn.cached, cost.input_tokens)))
        await self._book(cost)
        self._asked = turn.cost.input_tokens + turn.cost.output_tokens
        if turn.inner:
            return
        self._talk.turns += 1
        if self._talk.turns > self._place.max_turns:
            turns = f"{self._place.max_turns} turn{'s' if self._place.max_turns > 1 else ''}"
            raise LimitReached(
                f"{self._dialect.name} took {turns}, its `max_iterations`, without an answer; "
                "raise `guardrails.max_iterations` or ask for less"
            )

    def _use(self, use: ToolUsed) -> None:
        self._used[use.id] = use.name
        allowed = not self._dialect.withheld(use.name, self._order.allowed)
        self._leash.tool(use.name, use.arguments, allowed=allowed)
        self._talk.tool_calls.append(use.name)
        most, called = self._place.max_tool_calls, len(self._talk.tool_calls)
        if most is not None and called > most:
            raise LimitReached(
                f"{self._dialect.name} wanted to call tools {called} times, and may {most} times, "
                "its `max_tool_calls`; raise `guardrails.max_tool_calls` or ask for less"
            )

    def _check(self, done: ToolDone) -> None:
        """That what was to be refused has been."""
        name = self._used.get(done.id, "")
        if not done.failed and self._dialect.withheld(name, self._order.allowed):
            raise NotAllowed(
                f"{self._dialect.name} used its tool {name!r}, which it was not allowed, and was "
                "ended; its version may not know the list of tools that it is started with"
            )

    async def _reserve(self, *, going: bool = False) -> None:
        """What the next answer may cost. One that is `going` is ended before it waits for that;
        one that has said its last word asks nothing more."""
        if self._reserved or self._over:
            return
        room = asyncio.ensure_future(self._leash.afford(self._asked, self._price))
        try:
            if going and self._talk.session is not None:
                await asyncio.sleep(0)
                if not room.done():
                    raise OutOfRoom(room)
            await room
        except OutOfRoom:
            raise
        except BaseException:
            room.cancel()
            raise
        self._reserved = True

    async def _book(self, cost: Cost) -> None:
        name = free(self._leash, f"model[{self._talk.at}.", "]")
        self._reserved = False
        self._spent += cost
        self._talk.spent += cost
        await self._leash.keep(name, {"model": self._order.model or self._dialect.name}, cost)

    async def _answer(self, finished: Finished) -> str:
        ended = self._ended
        if ended is None and finished.exit_status == 0:
            ended = self._dialect.ended()
        await self._settle(ended)
        if ended is None or (ended.wrong is None and finished.exit_status != 0):
            raise ModelFailed(self._complaint(finished, "ended without its last word"))
        if ended.limit:
            raise LimitReached(
                f"{self._dialect.name} met a bound that it was given: {ended.wrong}; raise the "
                "step's `guardrails` or ask for less"
            )
        if ended.wrong is not None:
            raise ModelFailed(self._complaint(finished, f"failed: {ended.wrong}"))
        return ended.text

    async def _settle(self, ended: Ended | None) -> None:
        """Book what it says in the end beyond what was heard; believe nothing costs nothing."""
        total = None if ended is None else ended.total
        if total is not None:
            usd = None if total.usd is None else max(0.0, total.usd - (self._spent.usd or 0.0))
            rest = Cost(
                max(0, total.input_tokens - self._spent.input_tokens),
                max(0, total.output_tokens - self._spent.output_tokens),
                0,
                usd,
            )
            if rest != Cost(usd=usd) or usd:
                await self._book(rest)
        elif not self.answered and self._said:
            guess = Cost(self._asked, self._said // A_TOKEN + 1, 1)
            await self._book(guess if self._price is None else guess.at(self._price.of(guess)))

    def _complaint(self, finished: Finished, what: str) -> str:
        words = clean(finished.stderr.decode(errors="replace")).strip()
        shown = bounded(words, tail=True, limit=_SHOWN)
        return (
            f"{self._dialect.name} {what} (exit status {finished.exit_status})"
            f"{f': {shown}' if shown else ''}; try it by hand in the same folder, and see "
            "`security_profile`, which says what it may reach"
        )


class _Lines:
    """What a program writes, line by line. `strange` lines are those that say nothing."""

    def __init__(self, dialect: Dialect, tell: Callable[[Signal], None]) -> None:
        self._dialect = dialect
        self._tell = tell
        self._rest = bytearray()
        self.strange = 0
        self.record: list[str] = []

    def take(self, stream: Stream, chunk: bytes) -> None:
        if stream == "stderr":
            return
        self._rest += chunk
        if b"\n" in chunk:
            *lines, rest = self._rest.split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                self._read(bytes(line))

    def end(self) -> None:
        self._read(bytes(self._rest))

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            signals = list(self._dialect.read(line))
        except (ValueError, TypeError, AttributeError):
            self.strange += 1
            return
        if not all(isinstance(signal, Said) and signal.draft for signal in signals) or not signals:
            self.record.append(clean(line.decode(errors="replace")))
        for signal in signals:
            self._tell(signal)


def free(leash: Leash, name: str, end: str = "") -> str:
    """The first name of a numbered row by which nothing is kept yet."""
    numbered = (f"{name}{number}{end}" for number in count())
    return next(free for free in numbered if leash.recall(free) is None)
