"""What is asked of an agent, what it answers, and what holds it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from .execution import Cost
from .ledger import Bound, Price
from .limits import Limits
from .memory import Fact
from .profiles import Profile
from .question import Answer


class Leash(Protocol):
    """What holds one agent while it works, for one attempt of its step.

    `token`, `tool` and `record` return at once.
    """

    def token(self, text: str) -> None: ...

    def tool(self, name: str, arguments: Mapping[str, Any], *, allowed: bool) -> None: ...

    def record(self, lines: Iterable[str]) -> None:
        """What a command line wrote; kept with the step, however that ends."""

    def recall(self, name: str) -> Any:
        """What was kept under the name before the execution was interrupted; None: nothing."""

    async def keep(self, name: str, value: Mapping[str, Any], cost: Cost | None = None) -> None:
        """Keep something, JSON, so that it is not done again; durable when this returns.

        With a `cost` it is the answer of a model, and the cost is booked."""

    async def afford(self, asked: int, price: Price | None) -> int | None:
        """Reserve what a call may cost that asks so many tokens; how many may be answered
        (None: any number). `keep` with its cost, or `let_go`, ends the reservation.

        Raises `LimitReached` when there is no room, after a person said no if one is asked."""

    def masked(self, value: Any) -> Any:
        """What a tool gave, without the secrets that are known here."""

    async def held(self, bounds: Profile) -> str:
        """One sentence on how programs run under the profile here; that they do is kept in the
        audit. Raises `NotAllowed` when they cannot be held as it asks."""

    def let_go(self) -> None:
        """The call that was reserved for came to nothing."""

    async def permit(self, tool: str, call: str, arguments: Mapping[str, Any]) -> str | None:
        """Ask a person whether a tool may be called; why not, else None. `call` is the same for
        the same call after a crash."""

    async def ask(self, call: str, message: str, schema: Mapping[str, Any]) -> Answer:
        """Ask a person what the agent wants to know, durably and for as long as it takes.

        `schema` is a JSON Schema of the answer's value; `call` is as in `permit`."""

    async def note(self, name: str, text: str) -> None:
        """Keep a fact in the step's memory, for later executions too; no text forgets it."""

    async def facts(self) -> Sequence[Fact]:
        """What was noted in the step's memory, newest first."""


CliFormat = Literal["claude", "codex", "json-lines", "text"]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A coding agent with a command line of its own: what it writes, and how it is started
    (empty: as it is configured)."""

    format: CliFormat
    command: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A server of the Model Context Protocol: a program (`command`), or one at a `url`.

    `allow` names its tools that may be called (`*`: all), `timeout` bounds one call, in
    seconds. What `env` and `headers` hold may be secret.
    """

    name: str
    allow: Sequence[str]
    timeout: float
    command: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What an agentic step asks of the agent room; every template is rendered already.

    `models` are tried in order (empty: the configured one), `schema` is a JSON Schema of the
    answer (None: text), `tools` are names (None: the agent's own), `feedback` what earlier
    attempts' failed checks said, oldest first; `transcript` the conversation that goes on
    (empty: a new one); `bound` what the step may spend; `limits` bound the programs of its
    tools; `servers` have more tools; `remembered` is what was said and answered before a new
    conversation (None: it is not to be remembered). `runtime` says what does the work (None:
    what is configured), `cli` which command line; `ask_before` are tools that only a person may
    allow, whom `Leash.permit` asks; `redact` names personal data that no model reads;
    `max_context` are tokens beyond which what was said first is sent as a summary.
    """

    prompt: str
    path: str
    execution_id: str
    workspace: Path
    agent: str | None = None
    system: str | None = None
    models: Sequence[str] = ()
    tools: Sequence[str] | None = None
    allowed_tools: Sequence[str] | None = None
    redact: Sequence[str] = ()
    max_context: int | None = None
    max_iterations: int = 10
    max_tool_calls: int | None = None
    bound: Bound = field(default_factory=Bound)
    schema: Mapping[str, Any] | None = None
    profile: str | None = None
    feedback: Sequence[str] = ()
    transcript: Sequence[Mapping[str, Any]] = ()
    coding: bool = False
    runtime: Literal["model", "cli"] | None = None
    cli: CommandLine | None = None
    ask_before: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    servers: Sequence[ToolServer] = ()
    remembered: Sequence[tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An agent's answer: text, or a value that fits the schema; and what it cost.

    `transcript` is the whole conversation, in a form that `AgentTask` takes.
    """

    value: Any
    cost: Cost
    model: str
    notices: Sequence[str] = ()
    tool_calls: Sequence[str] = ()
    transcript: Sequence[Mapping[str, Any]] = ()
