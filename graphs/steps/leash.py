"""What holds an agent: what it does is kept, what it spends reserved, what it may do asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..call import Call
from ..errors import BudgetSpent, ConfigurationError, LimitReached
from ..event import EventType
from ..execution import Cost
from ..ledger import GRANT, MODEL, Bound, Ledger, Price
from ..memory import FACT_TOOLS, Fact
from ..profiles import Profile
from ..question import Answer, Question, Wait
from .holding import held
from .remembering import facts, note

FAILED = "failed["
"""How the name begins under which is kept that a model did not answer."""

SHOWN = 4000
"""Characters of an argument that a question shows: who allows a call should see it whole."""


class StepLeash:
    """For one round of one attempt of a step."""

    def __init__(
        self,
        call: Call,
        round: int,
        bound: Bound,
        record: list[str] | None = None,
    ) -> None:
        self._call = call
        self._round = f"{call.attempt}.{round}."
        self._bound = bound
        self._asked = time.monotonic()
        self._record = [] if record is None else record

    @property
    def _ledger(self) -> Ledger:
        return self._call.run.ledger

    def token(self, text: str) -> None:
        self._call.emit(EventType.TOKEN, text=text)

    def tool(self, name: str, arguments: Mapping[str, Any], *, allowed: bool) -> None:
        self._call.emit(EventType.OUTPUT, tool=name, arguments=dict(arguments), allowed=allowed)

    def record(self, lines: Iterable[str]) -> None:
        self._record += self.masked(list(lines))

    def recall(self, name: str) -> Any:
        run = self._call.run
        kept = run.journal.decided(self._call.path, self._round + name)
        if run.copy is not None and not name.startswith((MODEL, FAILED)):
            # The files are as they were before the step: a tool has to write its own again.
            return kept if kept is not None and kept.get("tool") in FACT_TOOLS else None
        return kept

    async def keep(self, name: str, value: Mapping[str, Any], cost: Cost | None = None) -> None:
        path, journal = self._call.path, self._call.run.journal
        value = self.masked(value)
        told = dict(value)
        if cost is not None:
            seconds = round(time.monotonic() - self._asked, 3)
            told |= {"cost": cost.to_dict(), "seconds": seconds}
        journal.decide(path, self._round + name, lambda: told)
        if cost is None:
            if "tool" in value:
                journal.note(EventType.TOOL_CALLED, path, call=name, tool=value["tool"])
        else:
            self._ledger.book(path, cost, self)
            journal.note(EventType.MODEL_CALLED, path, call=name, cost=cost.to_dict())
        await journal.flush()

    async def afford(self, asked: int, price: Price | None) -> int | None:
        path, ledger = self._call.path, self._ledger
        if price is None and (self._bound.usd is not None or ledger.bound.usd is not None):
            raise ConfigurationError(
                "there is a bound in US dollars, and nobody knows the price of the model; "
                "add it to the file that ASSAY_PRICES names"
            )
        while True:
            room = ledger.room(self._bound, asked, price, path)
            if self._bound and room < 1:
                raise LimitReached(
                    f"step {path!r} may spend {self._bound} (`guardrails`), has spent "
                    f"{said(ledger.of(path))}, and asks {asked} tokens next; "
                    "raise the limit or ask for less"
                )
            if not ledger.bound:
                break
            rest = ledger.room(ledger.whole, asked, price)
            if rest >= 1:
                room = min(room, rest)
                break
            if not await ledger.freed():
                await self._ask_for_more(asked)
        self._asked = time.monotonic()
        if not (self._bound or ledger.bound):
            return None
        most = Cost(asked, room, 1)
        ledger.reserve(self, path, most if price is None else most.at(price.of(most)))
        return room

    def masked(self, value: Any) -> Any:
        return self._call.run.services.secrets.masked(value)

    async def held(self, bounds: Profile) -> str:
        return await held(self._call, bounds)

    def let_go(self) -> None:
        self._ledger.release(self)

    async def permit(self, tool: str, call: str, arguments: Mapping[str, Any]) -> str | None:
        name = f"{self._round}permit[{call}]"
        if (said := self._call.run.journal.decided(self._call.path, name)) is not None:
            return str(said) or None
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())
        answer = await self._call.run.desk.ask(
            Question(
                "",
                self._call.run.execution.id,
                f"{self._call.path}?{self._round}{call}",
                Wait.APPROVAL,
                f"The agent of step {self._call.path!r} wants to call {tool}({shown}). May it?",
            ),
            self._call.frame.strand,
        )
        why = ""
        if answer is not None and not answer.approved:
            why = f"a person said no{f': {answer.comment}' if answer.comment else ''}"
        self._call.run.journal.decide(self._call.path, name, lambda: why)
        return why or None

    async def ask(self, call: str, message: str, schema: Mapping[str, Any]) -> Answer:
        path, run, name = self._call.path, self._call.run, f"{self._round}ask[{call}]"
        if (known := run.journal.decided(path, name)) is not None:
            return Answer(**known)
        question = Question(
            *("", run.execution.id, f"{path}?{self._round}ask.{call}", Wait.APPROVAL),
            f"The agent of step {path!r} asks: {message}",
            schema,
        )
        answer = await run.desk.ask(question, self._call.frame.strand)
        assert answer is not None  # it is due at no time
        run.journal.decide(path, name, answer.to_dict)
        return answer

    async def note(self, name: str, text: str) -> None:
        await note(self._call, self.masked(name), self.masked(text))

    async def facts(self) -> Sequence[Fact]:
        return await facts(self._call)

    async def _ask_for_more(self, asked: int) -> None:
        """Raises `BudgetSpent` unless somebody says that it may be spent once more."""
        run, ledger = self._call.run, self._ledger
        budget = run.definition.program.workflow.budget
        assert budget is not None
        spent = (
            f"the execution may spend {ledger.whole} (`budget`), has spent {said(ledger.spent)}, "
            f"and step {self._call.path!r} asks {asked} tokens next"
        )
        if budget.on_exceeded == "halt":
            raise BudgetSpent(f"{spent}; raise the budget, or let it ask: `on_exceeded: ask`")
        granted = ledger.granted
        answer = await run.desk.ask(
            Question(
                *("", run.execution.id, f"?budget{granted}", Wait.APPROVAL),
                f"{spent[0].upper()}{spent[1:]}. May it spend {ledger.bound} more?",
            ),
            self._call.frame.strand,
        )
        if answer is None or not answer.approved:
            raise BudgetSpent(f"{spent}; nobody allowed it more")
        if run.journal.decide("", f"{GRANT}{granted}]", lambda: True):
            ledger.granted = max(ledger.granted, granted + 1)


def said(cost: Cost) -> str:
    """`1200 tokens and 0.03 USD`."""
    usd = "" if cost.usd is None else f" and {cost.usd:.4g} USD"
    return f"{cost.input_tokens + cost.output_tokens} tokens{usd}"


def _shown(value: Any) -> str:
    text = repr(value)
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}… ({len(text) - SHOWN} characters more)"


async def within(seconds: float | None, work: Any, path: str) -> Any:
    """The work's result. Raises `LimitReached` when it takes longer."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise LimitReached(
            f"the agent of step {path!r} worked for longer than its `guardrails.timeout` of "
            f"{seconds:g} s; raise it or ask for less"
        ) from None
