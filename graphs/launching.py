"""From a definition, or from an execution's record, to what an execution needs to run."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import orjson

from .errors import NotPossible, WorkflowNotFound
from .execution import HERE, Execution, Status, new_id, timestamp
from .launch import Launch
from .lease import SlotRequest
from .load import SUFFIXES, Loader
from .policy import every_step
from .ports import Workflows
from .profiles import profile as profile_of
from .program import Program
from .scope import Scope
from .trigger import BoundTrigger
from .workflow import Workflow
from .workspace.bounds import Workspaces
from .workspace.place import mount, notices, place

K = TypeVar("K")


class Source(NamedTuple):
    """A definition as its author wrote it, from wherever it came, in YAML or JSON."""

    text: bytes
    json: bool = False


Definition = Workflow | Source | Mapping[str, Any] | str | Path
"""What a caller may hand over: a workflow, its source, a mapping, a file, or a registered name."""

_DEPTH = 8
"""How deep `workflow` steps may call each other."""

_PROGRAMS = 256
"""How many programs are kept ready, of each kind; loading one again takes milliseconds."""

_LARGE = 16_384
"""Bytes from which on a definition is loaded beside the event loop: a megabyte takes seconds."""

# One thread of their own: many large definitions wait for each other, and for nobody else.
_READER = ThreadPoolExecutor(1, "assay-load")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where executions work, and which variables they may read.

    `workspace` is for `mode: folder`, `workspaces` says where the others do.
    """

    workspace: Path
    environ: Mapping[str, str]
    workspaces: Workspaces


class Launches:
    """Loads definitions, and pins what an execution of one will run."""

    def __init__(self, store: Workflows, loader: Loader, surroundings: Surroundings) -> None:
        self._store = store
        self._loader = loader
        self._surroundings = surroundings
        self._programs: OrderedDict[bytes, Program] = OrderedDict()
        self._running: OrderedDict[str, Program] = OrderedDict()
        self._reading: WeakValueDictionary[str | bytes, asyncio.Lock] = WeakValueDictionary()

    @property
    def workspace(self) -> Path:
        """Where executions of `mode: folder` read and write."""
        return self._surroundings.workspace

    async def load(self, definition: Definition) -> Program:
        """The program a definition means; raises `InvalidSpec` or `WorkflowNotFound`."""
        if isinstance(definition, Workflow):
            return await self._program(definition.document, definition.name)
        if isinstance(definition, Mapping):
            return await self._program(definition)
        if isinstance(definition, Source):
            text = partial(self._loader.text, json=definition.json)
            return await _loaded(len(definition.text), text, definition.text, "workflow")
        path = Path(definition)
        if path.suffix in SUFFIXES or isinstance(definition, Path) or path.exists():
            return await self._file(path)
        name, _, version = definition.partition("@")
        document = await self._store.workflow(name, version or None)
        return await self._program(document, name)

    def trigger(self, document: Mapping[str, Any], id: str, workflow: Workflow) -> BoundTrigger:
        return self._loader.trigger(document, id, workflow)

    async def _file(self, path: Path) -> Program:
        size = 0
        with contextlib.suppress(OSError):  # the loader says what is wrong with it
            size = path.stat().st_size
        return await _loaded(size, self._loader.file, path)

    async def _program(self, document: Mapping[str, Any], name: str = "workflow") -> Program:
        """Loaded once: a definition of equal content is the same program."""
        try:
            key = orjson.dumps(document)
        except TypeError:
            return self._loader.mapping(document, name)  # which says what is wrong with it
        async with self._reading.setdefault(key, asyncio.Lock()):
            if (known := self._programs.get(key)) is not None:
                self._programs.move_to_end(key)
                return known
            program = await _loaded(len(key), self._loader.mapping, document, name)
            _keep(self._programs, key, program)
            return program

    def queued(
        self,
        launch: Launch,
        inputs: Mapping[str, Any],
        provider: str = HERE,
        profile: str = "",
    ) -> Execution:
        """The record that an execution begins with, of which no step exceeds the profile.
        Raises `ConfigurationError`, `NotAllowed`."""
        workflow, now = launch.program.workflow, timestamp()
        workspaces = self._surroundings.workspaces
        names = frozenset[str]().union(*(p.env for p in programs(launch)))
        there = {name: launch.environ.get(name, "") for name in sorted(names)}
        env = within(there, profile)
        return Execution(
            new_id(),
            workflow.name,
            workflow.version,
            workflow.digest,
            Status.QUEUED,
            inputs,
            env=env,
            notices=self.notices(launch, provider, profile, withheld(there, env)),
            slot=slot_of(launch.program, inputs, env),
            pins=_pins(launch),
            workspace=place(workflow, launch.workspace, workspaces, profile),
            fuse=launch.fuse,
            provider=provider,
            profile=profile,
            created_at=now,
            updated_at=now,
        )

    def notices(
        self, launch: Launch, provider: str, profile: str = "", withheld: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """What an execution must say of itself from the start; `withheld` are variables."""
        if provider != HERE:
            return (f"executed by the provider {provider!r}",)
        workflow, workspaces = launch.program.workflow, self._surroundings.workspaces
        if profile:
            said = _bound(profile, workflow, withheld)
        else:
            said = notices(workflow, launch.workspace, workspaces)
        return (*said, *_budgets(launch))

    async def launch(self, program: Program, beside: Path, fuse: bool, depth: int = 0) -> Launch:
        """The program with every workflow that its steps name, pinned to what it is now."""
        children: dict[tuple[str, str | None], Launch] = {}
        for step in every_step(program.workflow.steps):
            if step.kind != "workflow":
                continue
            named: Any = step
            if depth == _DEPTH:
                raise WorkflowNotFound(
                    f"`workflow` steps call each other more than {_DEPTH} deep, at {step.id!r}; "
                    "do they call each other in a circle?"
                )
            child, folder = await self._child(named.workflow, named.version, beside)
            key = (named.workflow, named.version)
            children[key] = await self.launch(child, folder, fuse, depth + 1)
        here = self._surroundings
        return Launch(program, children, here.workspace, here.environ, fuse)

    async def _child(self, name: str, version: str | None, beside: Path) -> tuple[Program, Path]:
        if Path(name).suffix in SUFFIXES:
            path = beside / name
            return await self._file(path), path.parent
        document = await self._store.workflow(name, version)
        return await self._program(document, name), beside

    async def of(self, execution: Execution) -> Launch:
        """What an execution is pinned to, whatever has been registered since.

        Raises `NotPossible` for one that was moved to another store.
        """
        if execution.moved is not None:
            to = execution.moved["to"]
            raise NotPossible(f"execution {execution.id} was moved to {to}; go on with it there")
        launch = await self._pinned(execution, execution.digest)
        if launch.program.workflow.workspace.mode == "shared":
            mount(launch.program.workflow, self._surroundings.workspaces)
        return launch

    async def _pinned(self, execution: Execution, digest: str) -> Launch:
        program = await self._read(digest, execution.workflow)
        children = {}
        for step in every_step(program.workflow.steps):
            if step.kind == "workflow":
                named: Any = step
                key = (named.workflow, named.version)
                pin = execution.pins[_pin(digest, *key)]
                children[key] = await self._pinned(execution, pin)
        workspace = Path(execution.workspace)
        return Launch(program, children, workspace, self._surroundings.environ, execution.fuse)

    async def _read(self, digest: str, name: str) -> Program:
        """Read once in this process, however many executions are pinned to it."""
        async with self._reading.setdefault(digest, asyncio.Lock()):
            if (program := self._running.get(digest)) is not None:
                self._running.move_to_end(digest)
                return program
            document = await self._store.workflow_by_digest(digest)
            size = len(orjson.dumps(document))
            program = await _loaded(size, self._loader.pinned, document, name)
            _keep(self._running, digest, program)
            return program


async def _loaded(size: int, load: Callable[..., Program], *definition: Any) -> Program:
    """Loaded at once, or without holding up everything else if it has so many bytes."""
    if size < _LARGE:
        return load(*definition)
    return await asyncio.get_running_loop().run_in_executor(_READER, load, *definition)


def within(env: Mapping[str, str], profile: str) -> dict[str, str]:
    """The variables as a definition reads them under a profile: what it keeps back is empty."""
    kept = profile_of(profile).environment(env) if profile else env
    return {name: kept.get(name, "") for name in env}


def withheld(there: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """The names of what is kept back."""
    return [name for name, value in there.items() if value != env[name]]


def _bound(profile: str, workflow: Workflow, withheld: Sequence[str]) -> tuple[str, ...]:
    where = "" if workflow.workspace.mode == "shared" else ", and they work in a folder of its own"
    said = f"no step of it is more than {profile!r}, for whoever began it may no more{where}"
    kept = f"security profile {profile!r} withholds the variables {', '.join(withheld)}"
    return (f"security profile {profile!r}: {said}", *([kept] if withheld else []))


def _budgets(launch: Launch) -> list[str]:
    """What is to be said of children that have a budget, for they share their parent's."""
    own = launch.program.workflow
    share = f"share that of {own.name!r}" if own.budget else "have none"
    workflows = [program.workflow for program in programs(launch)[1:]]
    return [
        f"the budget of {name!r} does not hold in it: the agents of {own.name!r} {share}"
        for name in dict.fromkeys(child.name for child in workflows if child.budget)
    ]


def programs(launch: Launch) -> list[Program]:
    """The program and those that its steps name, at any depth."""
    return [launch.program, *(p for child in launch.children.values() for p in programs(child))]


def _pins(launch: Launch) -> dict[str, str]:
    pins: dict[str, str] = {}
    for name, child in launch.children.items():
        pins[_pin(launch.program.workflow.digest, *name)] = child.program.workflow.digest
        pins |= _pins(child)
    return pins


def _pin(digest: str, name: str, version: str | None) -> str:
    return f"{digest}/{name}@{version or ''}"


def slot_of(
    program: Program, inputs: Mapping[str, Any], env: Mapping[str, str]
) -> SlotRequest | None:
    """The unit of a concurrency key that an execution needs; raises `ExpressionError`."""
    wanted = program.workflow.concurrency
    if wanted is None:
        return None
    scope = Scope(inputs=inputs, env=env, readonly=program.workflow.context.readonly)
    key = program.workflow.name if program.slot is None else program.slot.text(scope)
    return SlotRequest(key, wanted.limit, wanted.overflow, wanted.hold)


def _keep(programs: OrderedDict[K, Program], key: K, program: Program) -> None:
    programs[key] = program
    if len(programs) > _PROGRAMS:
        programs.popitem(last=False)
