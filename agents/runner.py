"""The port `Agents`: from a step's task to an agent's answer. Loads LangChain at first use."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..graphs.errors import ConfigurationError, ModelFailed, NotRegistered
from ..graphs.ledger import Price
from ..graphs.memory import FACT_TOOLS
from ..graphs.profiles import Profile, profile
from ..graphs.registry import Registry, nearest
from ..graphs.sandbox import Rung
from ..graphs.thinking import AgentAnswer, AgentTask, Leash
from .answers import AnswerForm
from .candidates import Candidates
from .catalogue import NamedAgent, find_agent, named_agents
from .coders import CliAgents, wants_cli
from .models import DEMO, DEMO_NOTICE, Model, ModelSettings, build_model
from .prices import FREE, Prices
from .tools import MCP, RUNS_PROGRAMS, Offer, Reach, Toolbox, canonical

if TYPE_CHECKING:
    from httpx2 import AsyncClient

    from .conversation import Briefing, Outcome

DEFAULT_PROFILE = "restricted"


class LangChainAgents:
    """Agents on LangChain.

    `environ` is where settings come from unless `settings` are given, and what programs of
    tools inherit as far as their profile lets them. `models` gives the model a step names
    (None: the configured one), instead of the settings. `default_profile` is for steps that
    name none.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        settings: ModelSettings | None = None,
        models: Callable[[str | None], Model] | None = None,
        registry: Registry[NamedAgent] | None = None,
        default_profile: str = DEFAULT_PROFILE,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._settings = settings or ModelSettings.from_env(self._environ)
        self._models = models
        self._registry = registry or named_agents()
        self._default_profile = profile(default_profile).name
        self._prices = Prices(self._environ.get("ASSAY_PRICES"))
        self._toolbox = Toolbox()
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    def names(self) -> Sequence[str]:
        return list(self._registry)

    def tools(self) -> Collection[str]:
        return self._toolbox

    def add_tool(self, name: str, function: Callable[..., Any], *, profile: str) -> None:
        self._toolbox.add(name, function, least=profile)

    def price(self, model: str) -> Price | None:
        return FREE if model == DEMO else self._prices.of(model)

    async def run(self, task: AgentTask, leash: Leash) -> AgentAnswer:
        """Raises `ModelFailed`, `ToolServerFailed`, `NotAllowed`, `LimitReached`,
        `NotRegistered` or `ConfigurationError`, and nothing else."""
        bounds = profile(task.profile or self._default_profile)
        if wants_cli(task, self._environ):
            if task.redact or task.max_context is not None:
                name = "redact" if task.redact else "max_context"
                raise ConfigurationError(
                    f"a program reads for itself, and `{name}` cannot hold it; say `runtime: model`"
                )
            coder = self._agent(task) or find_agent(self._registry, "coder")
            return await CliAgents(self._environ, self._prices).run(task, coder, bounds, leash)
        remembers = None if task.remembered is None else leash
        reach = Reach(task.workspace, bounds, self._environ, task.limits, remembers)
        if not task.servers:
            return await self._run(task, leash, reach)
        if any(server.command for server in task.servers) and bounds.minimum > Rung.NONE:
            await leash.held(bounds)
        mcp = await asyncio.to_thread(_mcp)
        async with mcp.offered(task, reach, leash) as (offers, notices):
            return await self._run(task, leash, reach, offers, notices)

    async def _run(
        self,
        task: AgentTask,
        leash: Leash,
        reach: Reach,
        served: Sequence[Offer] = (),
        said: Sequence[str] = (),
    ) -> AgentAnswer:
        """With what servers offer, and what there is to say of them."""
        agent, bounds = self._agent(task), reach.profile
        tools, notices = _tools(self._toolbox, task, agent, bounds)
        notices += said
        programs = RUNS_PROGRAMS.intersection(tools) or any(s.command for s in task.servers)
        if programs and bounds.minimum > Rung.NONE:
            # Before a model is asked: what would be refused need not be paid for.
            notices.append(await leash.held(bounds))
        ask_before = _asked_before(task, self._toolbox, [offer.name for offer in served])
        form = None if task.schema is None else AnswerForm(task.schema)
        conversation = await asyncio.to_thread(
            importlib.import_module, f"{__package__}.conversation"
        )
        candidates = Candidates(task.models, leash)
        for candidate, spec in candidates:
            model = await self._model(spec)
            briefing: Briefing = conversation.Briefing(
                model=model,
                price=self.price(model.name),
                candidate=candidate,
                system=task.system or (agent.system if agent else ""),
                transcript=task.transcript,
                remembered=task.remembered or (),
                messages=_messages(task),
                tools=[*(self._toolbox.offer(name, reach) for name in tools), *served],
                form=form,
                max_iterations=task.max_iterations,
                max_tool_calls=task.max_tool_calls,
                ask_before=ask_before,
                redact=task.redact,
                prompt=task.prompt,
                max_context=task.max_context,
            )
            try:
                outcome: Outcome = await conversation.converse(briefing, leash)
            except ModelFailed as error:
                await candidates.gave_way(candidate, error)
                continue
            break
        return AgentAnswer(
            value=outcome.answer,
            cost=outcome.cost,
            model=model.name,
            notices=(*notices, *candidates.said, *_notices(model, outcome)),
            tool_calls=tuple(outcome.tool_calls),
            transcript=outcome.transcript,
        )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _agent(self, task: AgentTask) -> NamedAgent | None:
        name = task.agent or ("coder" if task.coding else None)
        return None if name is None else find_agent(self._registry, name)

    async def _model(self, spec: str | None) -> Model:
        if self._models is not None:
            return self._models(spec)
        async with self._opening:
            if self._client is None and (spec or self._settings.model) != DEMO:
                self._client = await asyncio.to_thread(_client, self._settings)
        return await asyncio.to_thread(build_model, spec, self._settings, client=self._client)


def _client(settings: ModelSettings) -> AsyncClient:
    """One pool of connections for all requests to models."""
    from openai import DefaultAsyncHttpxClient

    client: AsyncClient = DefaultAsyncHttpxClient(timeout=settings.timeout)
    return client


def _mcp() -> Any:
    """What holds servers of tools; raises `ConfigurationError` where that part is missing."""
    if importlib.util.find_spec("mcp") is None:
        raise ConfigurationError("MCP is an optional part; install it: pip install 'assay[mcp]'")
    return importlib.import_module(f"{__package__}.mcp.offering")


def _messages(task: AgentTask) -> list[str]:
    """The prompt, unless the conversation goes on; then what failed checks said of answers."""
    messages = [] if task.transcript else [task.prompt.strip() or "Do what your instructions say."]
    if task.feedback:
        listed = "\n".join(f"- {message}" for message in task.feedback)
        messages.append(
            "Feedback: an earlier answer of yours to this was checked and refused, for these "
            f"reasons (oldest first):\n{listed}\nDo it again so that every one of them is met."
        )
    return messages


def _tools(
    toolbox: Toolbox, task: AgentTask, agent: NamedAgent | None, bounds: Profile
) -> tuple[list[str], list[str]]:
    """The tools to offer: wanted, allowed, and within the profile; and what to say of that."""
    named = task.tools if task.tools is not None else (agent.tools if agent else ())
    wanted = toolbox.names(named)
    notices = []
    if task.allowed_tools is not None:
        allowed = {canonical(name) for name in task.allowed_tools}
        unknown = sorted(name for name in allowed if name not in toolbox and MCP not in name)
        if unknown:
            notices.append(f"`allowed_tools` names {', '.join(unknown)}, which are no tools here")
        wanted = [name for name in wanted if name in allowed]
        if task.tools is None and agent is None and allowed and not task.servers:
            notices.append(
                f"step {task.path!r}: `allowed_tools` only restricts; no tool was offered, "
                "name some under `tools` or name an `agent` that has them"
            )
    if task.remembered is None and FACT_TOOLS.intersection(wanted):
        notices.append(f"step {task.path!r} has no `memory`: nothing to remember or recall")
        wanted = [name for name in wanted if name not in FACT_TOOLS]
    withheld = [name for name in wanted if not toolbox.allows(bounds, name)]
    if withheld:
        notices.append(f"security profile {bounds.name!r} withholds {', '.join(withheld)}")
    offered = [name for name in wanted if name not in withheld]
    return offered, notices


def _asked_before(task: AgentTask, toolbox: Toolbox, served: Sequence[str]) -> Collection[str]:
    """The names, not aliases, of the tools that only a person may allow.

    Raises `NotRegistered` for one that nothing is called: what was meant would be called unasked.
    """
    names = frozenset(map(canonical, task.ask_before))
    for name in sorted(names):
        known: Collection[str] = served if MCP in name else toolbox
        if known and name not in known:
            raise NotRegistered(
                f"`guardrails.ask_before` names {name!r}, which is no tool that is offered here"
                f"{nearest(name, known)}; nobody would be asked before the one you mean"
            )
    return names


def _notices(model: Model, outcome: Outcome) -> list[str]:
    notices = [DEMO_NOTICE] if model.demo else []
    if outcome.finish_reason == "length":
        notices.append(f"the {model.where} stopped at its limit of tokens: the answer is cut")
    return notices
