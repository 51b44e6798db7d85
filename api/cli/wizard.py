"""A workflow made by answering questions: every answer is checked before the next is asked."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from ...graphs.errors import InvalidSpec, Problem
from ...graphs.registry import nearest
from ...graphs.step import ID_PATTERN
from .definitions import Reader
from .prompt import Ask

Say = Callable[[str], None]
Document = dict[str, Any]


class InputEndedError(Exception):
    """Nobody answers any more."""


_PLACEHOLDER: Document = {"id": "nothing", "type": "skill", "skill": "echo"}
"""Stands for the steps while none has been told."""

_SLUG = re.compile(r"[^a-z0-9]+")


class Wizard:
    """Asks for one workflow, part by part."""

    def __init__(self, ask: Ask, say: Say, reader: Reader) -> None:
        self._ask = ask
        self._say = say
        self._reader = reader
        self._document: Document = {}
        self._kinds: Mapping[str, Callable[[], Awaitable[Document]]] = {
            "shell": self._shell,
            "agent": self._agent,
            "assert": self._assert,
            "skill": self._skill,
            "http": self._http,
            "approval": self._approval,
        }

    async def workflow(self) -> Document:
        """The definition, which is valid. Raises `InputEndedError`."""
        await self._named()
        self._say("\nWhat it takes. Steps read an input as {{ inputs.NAME }}.")
        while name := await self._text("Input (Enter: no more)?"):
            if re.fullmatch(ID_PATTERN, name):
                await self._part(("inputs", name), self._input)
            else:
                self._say("  The name of an input has letters, digits, - and _.")
        self._say("\nWhat it does. A later step reads an earlier one as {{ ID.output }}.")
        self._document["steps"] = []
        while await self._step():
            pass
        await self._errors()
        self._say("\nWhat starts it, beside `assay run`.")
        await self._trigger()
        return self._document

    async def _named(self) -> None:
        while True:
            told = await self._text("Name?", "my-workflow")
            slug = _SLUG.sub("-", told.lower()).strip("-")
            if slug:
                break
            self._say("  A name has letters or digits.")
        if slug != told:
            self._say(f"  It is called {slug}.")
        self._document = {"name": slug, "version": "1.0"}
        if about := await self._text("What is it for?"):
            self._document["description"] = about

    async def _input(self) -> Document:
        types = ("string", "number", "integer", "boolean", "array", "object")
        made: Document = {"type": await self._one_of("  Type", types, "string")}
        default = await self._text("  Default (Enter: it must be given)?")
        if default:
            made["default"] = _typed(default, made)
        else:
            made["required"] = True
        if about := await self._text("  What to give, for people?"):
            made["description"] = about
        return made

    async def _step(self) -> bool:
        """Add one more; False when there are to be no more."""
        steps = self._document["steps"]
        kinds = ", ".join(self._kinds)
        kind = await self._text(f"Step ({kinds}{'; Enter: no more' if steps else ''})?")
        if not kind:
            if not steps:
                self._say("  A workflow has at least one step.")
            return not steps
        if kind not in self._kinds:
            self._say(f"  No step is called {kind!r} here{nearest(kind, self._kinds)}.")
            return True
        taken = {step["id"] for step in steps}
        number = next(n for n in range(1, 1000) if f"{kind}{n}" not in taken)

        async def step() -> Document:
            id = await self._text("  Its id?", f"{kind}{number}")
            return {"id": id, "type": kind, **(await self._kinds[kind]())}

        await self._part(("steps", len(steps)), step)
        return True

    async def _shell(self) -> Document:
        return {"command": await self._needed("  Command?")}

    async def _agent(self) -> Document:
        self._say(f"  Agents there are: {', '.join(sorted(self._reader.agents))}.")
        agent = await self._text("  Which (Enter: a plain model)?")
        made: Document = {"agent": agent} if agent else {}
        made["prompt"] = await self._needed("  What is it to do?")
        known = sorted(self._reader.tools)
        self._say(f"  Tools there are: {', '.join(known)}.")
        if tools := await self._text("  Tools it may call (Enter: none)?"):
            made["tools"] = re.split(r"[\s,]+", tools)
        self._say("  What it answers is `output`: len(output) > 10, output.contains('done')")
        if check := await self._text("  What must be true of its answer (Enter: nothing)?"):
            made["verify"] = {"checks": [{"condition": check}]}
        return made

    async def _assert(self) -> Document:
        return {
            "condition": await self._needed("  What must be true?"),
            "message": await self._needed("  What is told when it is not?"),
        }

    async def _skill(self) -> Document:
        known = sorted(self._reader.skills)
        self._say(f"  Skills there are: {', '.join(known)}.")
        made: Document = {"skill": await self._one_of("  Skill", known, "echo")}
        given: Document = {}
        while name := await self._text("  Input of the skill (Enter: no more)?"):
            given[name] = await self._text(f"    {name}:")
        return {**made, "inputs": given} if given else made

    async def _http(self) -> Document:
        methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
        made: Document = {"method": await self._one_of("  Method", methods, "GET")}
        made["url"] = await self._needed("  Address?")
        return made

    async def _approval(self) -> Document:
        return {"message": await self._needed("  What is asked?")}

    async def _errors(self) -> None:
        self._say("\nWhen a step fails: halt ends the workflow, skip goes on, retry tries again.")
        strategy = await self._one_of("Then", ("halt", "skip", "retry"), "halt")
        if strategy == "retry":
            await self._part(("defaults",), self._retry)
        elif strategy == "skip":
            self._document["defaults"] = {"on_error": "skip"}

    async def _retry(self) -> Document:
        attempts = await self._text("  Attempts in all?", "3")
        return {"retry": {"attempts": _value(attempts), "backoff": "exponential"}}

    async def _trigger(self) -> None:
        kind = await self._one_of("Trigger", ("none", "cron", "chat", "event"), "none")
        asked = {
            "cron": ("schedule", "  Schedule, as cron writes it (0 9 * * MON-FRI)?"),
            "chat": ("match", "  What people write (greet {who})?"),
            "event": ("event", "  Name of the event?"),
        }.get(kind)
        if asked is None:
            return
        field, question = asked

        async def trigger() -> Document:
            made: Document = {"type": kind, field: await self._needed(question)}
            if kind == "cron" and (given := await self._given()):
                made["with"] = given
            return made

        self._document["triggers"] = []
        await self._part(("triggers", 0), trigger)

    async def _given(self) -> Document:
        """What the inputs that are required get, where nothing comes along with what starts it."""
        return {
            name: _typed(await self._needed(f"  What is its {name} then?"), declared)
            for name, declared in self._document.get("inputs", {}).items()
            if declared.get("required")
        }

    async def _part(self, place: tuple[str | int, ...], make: Callable[[], Awaitable[Any]]) -> None:
        """Ask for a part until the whole is valid with it."""
        while True:
            tried = _with(self._document, place, await make())
            found = self._problems(tried)
            if not found:
                self._document = tried
                return
            for problem in found:
                self._say(f"  {problem.message}")
            self._say("  Once more:")

    def _problems(self, document: Document) -> list[Problem]:
        try:
            self._reader.mapping({**document, "steps": document.get("steps") or [_PLACEHOLDER]})
        except InvalidSpec as error:
            return [problem for problem in error.problems if not problem.warning]
        return []

    async def _one_of(self, question: str, names: tuple[str, ...] | list[str], usual: str) -> str:
        while True:
            shown = f" [{' '.join(names)}]" if len(names) < 8 else ""
            told = await self._text(f"{question}{shown}?", usual)
            if told in names:
                return told
            self._say(f"  {told!r} is none of them{nearest(told, names)}.")

    async def _needed(self, question: str) -> str:
        while not (told := await self._text(question)):
            self._say("  That is needed.")
        return told

    async def _text(self, question: str, usual: str = "") -> str:
        told = await self._ask(f"{question} ({usual})" if usual else question)
        if told is None:
            raise InputEndedError
        return told or usual


def _typed(text: str, declared: Document) -> Any:
    """What was typed for an input."""
    return text if declared["type"] == "string" else _value(text)


def _value(text: str) -> Any:
    """What was typed, as JSON if it is some."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _with(document: Document, place: tuple[str | int, ...], value: Any) -> Document:
    """The document with a value at a place of the first or second level."""
    first, *rest = place
    assert isinstance(first, str)
    if not rest:
        return {**document, first: value}
    inside = document.get(first)
    if isinstance(rest[0], int):
        return {**document, first: [*(inside or [])[: rest[0]], value]}
    return {**document, first: {**(inside or {}), rest[0]: value}}
