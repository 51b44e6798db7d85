"""Composition: settings become a store, agents, a provider and the manager over them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..graphs.errors import StoreError
from ..graphs.execution import Execution
from ..graphs.expressions import default_engine
from ..graphs.language import Language
from ..graphs.launching import Definition, Surroundings
from ..graphs.load import Loader
from ..graphs.manager import Manager
from ..graphs.ports import Agents, Provider, StepKind
from ..graphs.providers.mock import MockProvider
from ..graphs.registry import Registry
from ..graphs.roster import Providers
from ..graphs.rules import Catalogue
from ..graphs.secrets import Secrets, public
from ..graphs.services import Services
from ..graphs.skills import skills as built_in_skills
from ..graphs.steps import kinds
from ..graphs.workflow import Workflow
from ..graphs.workspace.bounds import Workspaces
from ..store.buses import connect_bus, connect_topics
from ..store.connect import connect
from .settings import Settings, read_settings
from .triggering import trigger_kinds, trigger_service

if TYPE_CHECKING:
    from ..graphs.providers.langgraph import LangGraphProvider
    from ..graphs.question import Signal
    from ..graphs.topics import Topics
    from ..store.bus import LocalBus
    from ..store.pubsub.bus import PubSubBus
    from ..triggers.service import TriggerService


F = TypeVar("F", bound=Callable[..., Any])


class App:
    """An open house: start workflows, wait for them, register what they may call."""

    def __init__(
        self,
        manager: Manager,
        services: Services,
        provider: LangGraphProvider,
        bus: LocalBus | PubSubBus,
        topics: Topics,
        *,
        private: bool = False,
    ) -> None:
        """`private`: notifications may go to addresses that are not public."""
        self.manager = manager
        self.provider = provider
        self.bus = bus
        self.topics = topics
        manager.heard = self._heard
        self._services = services
        self._private = private

    def kind(self, name: str, kind: StepKind) -> None:
        """Make steps of `type: <name>` possible in definitions loaded from now on."""
        self._services.kinds.register(name, kind)

    def skill(self, name: str, function: Callable[..., Any]) -> None:
        """Make a function callable as `type: skill`."""
        self._services.skills.register(name, function)

    def function(self, name: str, function: Callable[..., Any]) -> None:
        """Make a function callable as `type: python`."""
        self._services.functions.register(name, function)

    @overload
    def tool(self, name: F) -> F: ...

    @overload
    def tool(self, name: str, function: F, *, profile: str = "standard") -> F: ...

    @overload
    def tool(self, name: str | None = None, *, profile: str = "standard") -> Callable[[F], F]: ...

    def tool(
        self,
        name: str | Callable[..., Any] | None = None,
        function: Callable[..., Any] | None = None,
        *,
        profile: str = "standard",
    ) -> Any:
        """Make a function a tool of agents: `@app.tool`, `@app.tool("name")`, or with both.

        Its type hints are what a model may say, its docstring is what it reads. It runs here,
        and may what this process may; agents of a lower `security_profile` than `profile` do
        not have it. Raises `ConfigurationError` for what cannot be a tool.
        """

        def add(function: Any, name: str | None = None) -> Any:
            named = name or function.__name__
            self._services.agents.add_tool(named, function, profile=profile)
            return function

        if callable(name):
            return add(name)
        return partial(add, name=name) if function is None else add(function, name)

    def graph(self, name: str, graph: Any) -> None:
        """Make a compiled LangGraph graph runnable as `type: graph`."""
        self._services.graphs.register(name, graph)

    def add_provider(self, provider: Provider) -> None:
        """Let executions be started with a provider. Raises `ProviderConflict`."""
        self._services.providers.register(provider)

    @cached_property
    def triggers(self) -> TriggerService:
        """What starts executions without being asked each time, while it is `running`."""
        return trigger_service(self.manager, self.topics, private=self._private)

    async def _heard(self, signal: Signal) -> None:
        await self.triggers.router.sent(signal)

    async def register(self, workflow: Definition) -> Workflow:
        """Keep a definition under its name and version, for good, and its triggers."""
        registered = await self.manager.register(workflow)
        await self.triggers.desk.declare(registered.name, by="")
        return registered

    async def start(
        self,
        workflow: Definition,
        inputs: Mapping[str, Any] | None = None,
        *,
        provider: str = "",
    ) -> Execution:
        """Begin an execution; returns as soon as it is durable. `provider`: what executes it."""
        return await self.manager.start(workflow, inputs, provider=provider)

    async def wait(self, execution_id: str) -> Execution:
        """The execution when it has ended."""
        return await self.manager.wait(execution_id)

    async def resume(self, execution_id: str) -> Execution:
        """Go on with an execution after a crash or a pause; returns as soon as it is driven."""
        return await self.manager.resume(execution_id)

    async def forget(self, workflow: str, key: str) -> int:
        """Forget what agents of the workflow remember under that key; how many turns and facts."""
        return await self._services.store.forget(workflow, key)

    async def run(self, workflow: Definition, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Start and wait; raises `ExecutionFailed` unless it completed."""
        return await self.manager.run(workflow, inputs)


def _path(path: str) -> str:
    """The search path, with the programs beside this Python last: an installed pytest is found."""
    return os.pathsep.join([path, str(Path(sys.executable).parent)])


def loader(catalogue: Catalogue | None = None, known: Registry[StepKind] | None = None) -> Loader:
    """A loader of the language with all registered kinds; needs no store and no LangGraph."""
    language = Language(known or kinds(), trigger_kinds)
    return Loader(language, default_engine, catalogue or built_in())


def built_in() -> Catalogue:
    """What an author may name without registering anything."""
    from ..agents import agent_names, tool_names

    return Catalogue(
        built_in_skills(),
        Registry("function", {}, group="assay.functions"),
        Registry("graph", {}, group="assay.graphs"),
        agent_names(),
        tool_names(),
    )


@asynccontextmanager
async def open_app(
    store: str | None = None,
    *,
    home: str | Path | None = None,
    workspace: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    agents: Agents | None = None,
) -> AsyncIterator[App]:
    """Everything put together; closed in reverse order. Executions under way are let go of:
    `resume`, or whoever serves the same store, goes on with them.

    `store` is a URL (`sqlite:///path.db`), `home` the folder of local state, `workspace`
    where steps read and write files (the current folder), `environ` the variables, `agents`
    what thinks instead of the models that they configure; the app closes it.
    Raises `ConfigurationError` or `StoreError`.
    """
    settings = read_settings(environ)
    if home is not None:
        home = Path(home).resolve()
        settings = replace(settings, home=home, store=f"sqlite:///{home / 'assay.db'}")
    if store is not None:
        settings = replace(settings, store=store)
    async with AsyncExitStack() as stack:
        app = await _compose(settings, Path(workspace or Path.cwd()).resolve(), stack, agents)
        _spare_the_collector()
        yield app


@cache
def _spare_the_collector() -> None:
    """Once in a process: what importing has made stays for good, and the garbage collector
    need not look through it again. It took a third of the time of a step."""
    gc.freeze()


async def _compose(
    settings: Settings, workspace: Path, stack: AsyncExitStack, thinkers: Agents | None = None
) -> App:
    from ..agents import agents
    from ..graphs.providers.langgraph import LangGraphProvider

    store = await connect(settings.store)
    stack.push_async_callback(store.close)
    if not workspace.is_dir():
        raise StoreError(f"the workspace {workspace} is not a folder; make it, or name another")
    if thinkers is None:
        # Who runs a definition on their own machine may do what they may do there anyway.
        thinkers = agents(public(settings.environ), default_profile="trusted")
    stack.push_async_callback(thinkers.close)
    known = kinds()
    workspaces = Workspaces(
        settings.home / "workspaces",
        settings.bounds,
        settings.shared,
        many_machines=not settings.store.startswith("sqlite:"),
    )
    bus = await stack.enter_async_context(connect_bus(settings.bus))
    services = Services(
        store=store,
        blobs=store.blobs(settings.home / "blobs"),
        bus=bus,
        agents=thinkers,
        kinds=known,
        skills=built_in_skills(),
        functions=Registry("function", {}, group="assay.functions"),
        graphs=Registry("graph", {}, group="assay.graphs"),
        checkpointer=store.checkpointer(),
        workspaces=workspaces,
        providers=Providers(),
        ceiling=settings.ceiling,
        secrets=Secrets(settings.environ),
    )
    provider = LangGraphProvider(services, at_once=settings.at_once)
    stack.push_async_callback(provider.close)
    for each in (provider, MockProvider()):
        services.providers.register(each)
    environ = {**public(settings.environ), "PATH": _path(settings.environ.get("PATH", os.defpath))}
    catalogue = Catalogue(
        services.skills,
        services.functions,
        services.graphs,
        frozenset(thinkers.names()),
        thinkers.tools(),
    )
    manager = Manager(
        services,
        loader(catalogue, known),
        provider,
        Surroundings(workspace, environ, workspaces),
        default=settings.provider,
    )
    topics = connect_topics(settings.bus)
    stack.push_async_callback(topics.close)
    private = settings.environ.get("ASSAY_NOTIFY_PRIVATE") == "1"
    return App(manager, services, provider, bus, topics, private=private)
