"""Conversations: a message is given to a workflow, and what it gives is the answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.errors import InvalidInput, NotPossible

if TYPE_CHECKING:
    from ...graphs.workflow import Workflow
    from .frames import Say, Turn

MESSAGE, SESSION, HISTORY = "message", "session", "history"

_TEXT = ("answer", "text", "message")
"""Outputs that are the text of an answer; the first one there is."""

SESSIONS = 32
"""Sessions of one connection whose turns are kept."""

KEPT = 1 << 18
"""Characters of one session that are kept."""


class Chat:
    """The sessions of one connection: what was said in each, and which one is being answered."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, list[dict[str, str]]] = OrderedDict()
        self._answering: set[str] = set()

    @contextmanager
    def turn(self, session: str | None) -> Iterator[None]:
        """Within, the session is being answered. Raises `NotPossible` when it is already."""
        if session is None:
            yield
            return
        if session in self._answering:
            raise NotPossible(
                f"session {session!r} is being answered; say the next thing after the answer"
            )
        self._answering.add(session)
        try:
            yield
        finally:
            self._answering.discard(session)

    def history(self, session: str | None, given: list[Turn] | None) -> list[dict[str, str]]:
        """What was said before: as the client tells it, or else as it was said here."""
        if given is not None:
            return [{"role": each.role, "text": each.text} for each in given]
        return list(self._turns.get(session or "", ()))

    def remember(self, say: Say, history: list[dict[str, str]], text: str) -> None:
        """A turn was answered; the oldest ones are forgotten first."""
        if say.session is None:
            return
        asked, answered = {"role": "user", "text": say.message}, {"role": "assistant", "text": text}
        turns = [*history, asked, answered]
        length = sum(len(each["text"]) for each in turns)
        while turns and length > KEPT:
            length -= len(turns.pop(0)["text"])
        self._turns[say.session] = turns
        self._turns.move_to_end(say.session)
        if len(self._turns) > SESSIONS:
            self._turns.popitem(last=False)


def inputs_of(workflow: Workflow, say: Say, history: list[dict[str, str]]) -> dict[str, Any]:
    """What the workflow is given: the message, and session and history where it takes them.

    Raises `InvalidInput` when it has no input for a message, or not one alone.
    """
    inputs = {**say.inputs, _message_of(workflow, say.inputs): say.message}
    told = {SESSION: say.session, HISTORY: history}
    for name, value in told.items():
        if name in workflow.inputs and name not in inputs and value is not None:
            inputs[name] = value
    return inputs


def text_of(outputs: Mapping[str, Any]) -> str:
    """The answer as a text: an output named so, the only one that is text, or all as JSON."""
    for name in _TEXT:
        if isinstance(said := outputs.get(name), str):
            return said
    texts = [each for each in outputs.values() if isinstance(each, str)]
    return texts[0] if len(texts) == 1 else orjson.dumps(dict(outputs)).decode()


def _message_of(workflow: Workflow, given: Mapping[str, Any]) -> str:
    """The input named `message`, or else the only text that has to be given."""
    if MESSAGE in workflow.inputs:
        return MESSAGE
    fit = [
        name
        for name, declared in workflow.inputs.items()
        if declared.type == "string" and declared.required and declared.default is None
        if name not in given and name not in (SESSION, HISTORY)
    ]
    if len(fit) != 1:
        which = f"has {len(fit)}: {', '.join(fit)}" if fit else "has none"
        raise InvalidInput(
            f"workflow {workflow.name!r} does not say which input takes a message: name one "
            f"`{MESSAGE}`, or have one required input of type string (it {which})"
        )
    return fit[0]
