"""Definitions as tests write them: YAML in the test, loaded or run in a folder of its own."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, NamedTuple

import pytest

import assay
from assay.api.app import loader
from assay.graphs.document import read
from assay.graphs.errors import InvalidSpec, Position, Problem
from assay.graphs.program import Program

HERE = "¶"
"""Marks, in a definition that is wrong, the place that the message must name."""


def load(text: str) -> Program:
    """The program that a YAML definition means."""
    return loader().text(_whole(text), "w.yaml")


def problems(text: str, *, json: bool = False) -> list[Problem]:
    """Everything that is wrong with a definition, in order of place."""
    with pytest.raises(InvalidSpec) as caught:
        loader().text(_whole(text), "w.yaml", json=json)
    return list(caught.value.problems)


def warnings(text: str) -> list[str]:
    """What the linter says of a definition that is right."""
    return [problem.message for problem in load(text).warnings]


class Marked(NamedTuple):
    """A definition without its marks, and where they stood."""

    text: str
    places: list[Position]


def marked(text: str) -> Marked:
    """Take the marks out of a definition."""
    places, lines = [], []
    for number, line in enumerate(_whole(text).split("\n"), 1):
        while HERE in line:
            places.append(Position(number, line.index(HERE) + 1))
            line = line.replace(HERE, "", 1)
        lines.append(line)
    return Marked("\n".join(lines), places)


def mapping(text: str) -> dict[str, Any]:
    """A YAML definition as plain values."""
    value: Any = read(_whole(text), "w.yaml", format="yaml").value
    return dict(value)


def _whole(text: str) -> str:
    """A definition that begins with `- ` is its list of steps."""
    text = dedent(text).removeprefix("\n")
    return f"name: w\nsteps:\n{text}" if text.lstrip(HERE).startswith("- ") else text


def refused(text: str, *says: str) -> None:
    """Exactly the marked places are wrong, in this order, each with its sentence."""
    document, places = marked(text)
    found = problems(document)
    told = [(p.position, s in p.message) for p, s in zip(found, says, strict=True)]
    assert told == [(place, True) for place in places], found


class House(NamedTuple):
    """An open app in a workspace of its own."""

    app: assay.App
    workspace: Path

    async def run(
        self, text: str | Path | Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> assay.Execution:
        """Run a definition to its end, however it ends."""
        started = await self.start(text, inputs)
        return await self.app.wait(started.id)

    async def start(
        self, text: str | Path | Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> assay.Execution:
        definition = mapping(text) if isinstance(text, str) else text
        return await self.app.start(definition, inputs)

    def function(self, function: Callable[..., Any]) -> None:
        """Register a function under its own name."""
        self.app.function(function.__name__, function)


@asynccontextmanager
async def open_house(
    folder: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[House]:
    """An app whose workspace and state are two folders inside `folder`."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    async with open_app(folder / "home", workspace=workspace, environ=environ) as app:
        yield House(app, workspace)


Kind = Literal["sqlite", "firestore"]

store_kind: Kind = "sqlite"
"""The store of every app that a test opens here; a test of the engine sets it by a fixture."""


def open_app(home: Path, **given: Any) -> AbstractAsyncContextManager[assay.App]:
    """An app with that folder of local state. On Firestore the folder has a project of its
    own, which is found again by whoever opens the folder again."""
    return assay.open(store_url(home), home=home, **given)


def store_url(home: Path) -> str:
    """The store of whoever has that folder of local state."""
    if store_kind == "sqlite":
        return f"sqlite:///{home.resolve() / 'assay.db'}"
    name = hashlib.sha256(f"{_RUN} {home.resolve()}".encode()).hexdigest()
    return f"firestore://test-{name[:16]}"


_RUN = secrets.token_hex(8)


class Order:
    """Notes what begins and ends; `gate` lets steps wait for each other."""

    def __init__(self, house: House) -> None:
        self.seen: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        for function in (self.note, self.open_gate, self.pass_gate, self.fail):
            house.function(function)

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    async def note(self, name: str) -> str:
        self.seen.append(name)
        return name

    async def open_gate(self, name: str) -> str:
        self.gate(name).set()
        return name

    async def pass_gate(self, name: str) -> str:
        self.gate(f"{name} reached").set()
        await self.gate(name).wait()
        self.seen.append(name)
        return name

    async def fail(self, name: str = "") -> None:
        self.seen.append(name)
        self.gate("failed").set()
        raise ValueError(f"{name} failed")


def note(id: str, more: str = "") -> str:
    return f"{{id: {id}, type: python, function: note, inputs: {{name: {id}}}{more}}}"


def statuses(execution: Any) -> dict[str, str]:
    return {path: str(step.status) for path, step in execution.steps.items()}
