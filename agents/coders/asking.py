"""From a step's task to the answer of a coding agent with a command line of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from ...graphs.errors import ConfigurationError, ModelFailed
from ...graphs.orphans import KEY
from ...graphs.profiles import Profile
from ...graphs.sandbox import Rung
from ...graphs.thinking import AgentAnswer, AgentTask, CommandLine, Leash
from ..answers import REPAIRS, AnswerForm, Unfit
from ..candidates import Candidates
from ..catalogue import NamedAgent
from ..models import DEMO
from ..prices import Prices
from ..tools import clean
from .claude import Claude
from .codex import Codex
from .granting import granted
from .plain import Plain
from .signals import Dialect, Order
from .working import Conversation, OutOfRoom, Place, Run

_CLAUDE = "ASSAY_CLI_CLAUDE"
_SETTINGS = {"claude": _CLAUDE, "codex": "ASSAY_CLI_CODEX"}
"""Which variable says how to start it, where it is not on the path by its name."""

_GO_ON = "You were interrupted. Go on from where you are, to the end of what you were asked last:"


def wants_cli(task: AgentTask, environ: Mapping[str, str]) -> bool:
    """Whether a command line does the work, as the step says, or as `claude_code` does where
    one is configured."""
    if task.runtime is not None:
        return task.runtime == "cli"
    configured = task.coding and bool(environ.get(_CLAUDE))
    ours = task.servers or task.remembered is not None
    return configured and DEMO not in task.models and not ours


class CliAgents:
    def __init__(self, environ: Mapping[str, str], prices: Prices) -> None:
        self._environ = environ
        self._prices = prices

    async def run(
        self, task: AgentTask, agent: NamedAgent, bounds: Profile, leash: Leash
    ) -> AgentAnswer:
        """`agent` says which tools there are where the step does not. Raises as `Agents`."""
        cli = task.cli or CommandLine("claude")
        allowed, notices = granted(task, agent, bounds)
        if cli.format in ("json-lines", "text") and task.tools is task.allowed_tools is None:
            allowed = ()
        env = {**bounds.environment(self._environ), KEY: f"{task.execution_id}/{task.path}"}
        program = cli.command or configured(self._environ).get(cli.format, [cli.format])
        check_there(program[0], task.workspace, env)
        if bounds.minimum > Rung.NONE:
            needs = "`security_profile: trusted`"
            network = f"a command line that asks its model over the network needs {needs}"
            notices = (*notices, await leash.held(bounds), network)
        hold = await asyncio.to_thread(bounds.hold, task.workspace, env)
        form = None if task.schema is None else AnswerForm(task.schema)
        place = Place(
            *(task.workspace, env, task.limits, hold, task.max_iterations, task.max_tool_calls)
        )
        candidates = Candidates(task.models, leash)
        for candidate, spec in candidates:
            asker = _Asker(
                partial(_dialect, cli),
                program,
                place,
                Order(
                    "",
                    system=clean(task.system or (agent.system if task.agent else "")) or None,
                    model=spec and (spec.partition(":")[2] or spec),
                    allowed=allowed,
                    max_turns=task.max_iterations,
                    usd=task.bound.usd,
                ),
                leash,
                self._prices,
                candidate,
            )
            try:
                value, said = await asker.converse(task, form)
            except ModelFailed as error:
                await candidates.gave_way(candidate, error)
                continue
            break
        talk = asker.talk
        return AgentAnswer(
            value=value,
            cost=talk.spent,
            model=spec or cli.format,
            notices=(*notices, *candidates.said, *talk.notices),
            tool_calls=tuple(talk.tool_calls),
            transcript=({"session": talk.session, "said": said},),
        )


def configured(environ: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """How the command lines that we know are started, where somebody says so; by their format.

    Raises `ConfigurationError` when what is said is no command."""
    found = {}
    for format, setting in _SETTINGS.items():
        if said := environ.get(setting, "").strip():
            try:
                found[format] = shlex.split(said)
            except ValueError as error:
                raise ConfigurationError(f"{setting} is no command: {error}") from error
    return found


def check_there(program: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Raises `ConfigurationError` when a step in that folder could not start the program."""
    if os.sep in program:
        there = (folder / program).is_file()
    else:
        there = shutil.which(program, path=environ.get("PATH", os.defpath)) is not None
    if not there:
        raise ConfigurationError(
            f"there is no program {program!r} for `runtime: cli`; install it, or say how it is "
            f"started: {' or '.join(_SETTINGS.values())}, or the step's `cli.command`; "
            "`runtime: model` does the work without"
        )


def feedback_on(task: AgentTask) -> str | None:
    """What failed checks said of earlier answers."""
    if not task.feedback:
        return None
    listed = "\n".join(f"- {message}" for message in task.feedback)
    return (
        "Feedback: an earlier answer of yours to this was checked and refused, for these "
        f"reasons (oldest first):\n{listed}\nDo it again so that every one of them is met."
    )


def _dialect(cli: CommandLine) -> Dialect:
    match cli.format:
        case "claude":
            return Claude()
        case "codex":
            return Codex()
    return Plain(cli.command[0], lines=cli.format == "json-lines")


class _Asker:
    """One conversation with one model, over as many runs as it takes."""

    def __init__(
        self,
        dialect: Callable[[], Dialect],
        program: Sequence[str],
        place: Place,
        order: Order,
        leash: Leash,
        prices: Prices,
        candidate: int,
    ) -> None:
        self._dialect = dialect
        self._program = program
        self._place = place
        self._order = order
        self._leash = leash
        self._prices = prices
        self._candidate = candidate
        self.talk = Conversation("")

    async def converse(self, task: AgentTask, form: AnswerForm | None) -> tuple[Any, str]:
        """The answer that fits, and the words it came in."""
        before: Mapping[str, Any] = task.transcript[-1] if task.transcript else {}
        self.talk.session = before.get("session")
        feedback = feedback_on(task)
        parts = [task.prompt.strip() or "Do what your instructions say."]
        if form is not None:
            parts.append(form.request())
        if before and feedback:
            parts.append(f"Your earlier answer was:\n{before.get('said', '')}")
        whole = "\n\n".join([*parts, *filter(None, [feedback])])
        said = await self._ask(0, feedback or whole, whole)
        for again in count(1):
            if form is None:
                return said, said
            try:
                return form.read(said), said
            except Unfit as unfit:
                if again > REPAIRS:
                    raise ModelFailed(
                        f"the answer of {self._name} does not fit `output` after {REPAIRS} "
                        f"corrections: {unfit}; choose a more capable model or a simpler schema"
                    ) from unfit
                wrong = f"Your answer does not fit. {unfit}\nAnswer with the corrected JSON only."
            anew = f"{whole}\n\nYour earlier answer was:\n{said}\n\n{wrong}"
            said = await self._ask(again, wrong, anew)
        raise AssertionError

    @property
    def _name(self) -> str:
        return self._dialect().name

    async def _ask(self, number: int, next: str, whole: str) -> str:
        """The answer to what is said `next`, or to the `whole` where nothing goes on."""
        talk, leash = self.talk, self._leash
        digest = hashlib.sha256(clean(whole).encode()).hexdigest()
        talk.at, kept = self._kept(f"{self._candidate}.{number}", digest)
        if kept is not None:
            talk.session = kept["session"]
            talk.turns += kept["turns"]
            talk.tool_calls += kept["tools"]
            leash.record(kept["record"])
            return str(kept["said"])
        turns, tools, talk.record = talk.turns, len(talk.tool_calls), []
        said = clean(await self._through(next, whole))
        value = {
            "asked": digest,
            "tool": self._name,
            "said": said,
            "session": talk.session,
            "turns": talk.turns - turns,
            "tools": talk.tool_calls[tools:],
            "record": talk.record,
        }
        await leash.keep(f"cli[{talk.at}]", value)
        return said

    async def _through(self, next: str, whole: str) -> str:
        """Its answer, over runs that were cut off or had to wait."""
        talk = self.talk
        going = f"{_GO_ON}\n\n{next}"
        talk.noted = self._cut_off()
        if talk.noted is not None:
            talk.session, next = talk.noted, going
        session, prompt = talk.session, next if talk.session is not None else whole
        while True:
            order = replace(self._order, prompt=clean(prompt), session=session)
            run = Run(self._dialect(), order, self._place, self._leash, talk, self._prices)
            try:
                return await run.work(self._program)
            except OutOfRoom as out:
                await out.room
                self._leash.let_go()
                session, prompt = talk.session, going
            except ModelFailed as error:
                if session is None or run.answered:
                    raise
                talk.notices.append(f"its session was lost, and it began anew: {error.message}")
                talk.session = session = None
                prompt = whole

    def _cut_off(self) -> str | None:
        """The session of a run that an earlier life of the execution did not see the end of."""
        found = None
        for number in count():
            kept = self._leash.recall(f"session[{self.talk.at}]{number}")
            if kept is None:
                return found
            found = str(kept["session"])
        raise AssertionError

    def _kept(self, at: str, digest: str) -> tuple[str, Any]:
        """What was kept when the same was asked; or None, and the place to keep it at."""
        for again in count():
            kept = self._leash.recall(f"cli[{at}.{again}]")
            if kept is None or kept["asked"] == digest:
                return f"{at}.{again}", kept
        raise AssertionError
