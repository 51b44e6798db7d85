"""What came, written down before any platform is answered, and what has been done about it.

A letter is a firing of the desk itself: its trigger is `chat/<platform>`, which no workflow can
declare, and nobody but the chat desk looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import orjson

from ...graphs.errors import AssayError
from ...graphs.execution import new_id, timestamp
from ...graphs.firing import Firing, FiringStatus, firing_id
from ...graphs.listing import every
from .adapter import Action, Conversation, Incoming, Message, Person, Ref

if TYPE_CHECKING:
    from ...graphs.ports import Store

SOON = ""
"""In the place of a message's id: it is about to be posted, or was, and a crash came between."""


class TakenOverError(AssayError):
    """Another process deals with the letter now."""

    code = "taken_over"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told about a letter. `posts` are the ids of our messages by name (`status`,
    `answer`, `reply`, a question's id). It fires `trigger` for what was said in the letter
    `source`, with `given` of `captured`; `firing` and `execution` came of that. `targets` are
    what a command is done to, `asked` the executions that read it, by what for; `choices` what
    could be meant, `picked` which of them was, by the letter `picker`."""

    conversation: Conversation
    posts: Mapping[str, str] = field(default_factory=dict)
    trigger: str = ""
    workflow: str = ""
    source: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    captured: Mapping[str, str] = field(default_factory=dict)
    targets: Sequence[str] = ()
    firing: str = ""
    execution: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)
    choices: Sequence[Mapping[str, Any]] = ()
    picked: int | None = None
    picker: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "conversation": Conversation(**data["conversation"])})


class Letter:
    """One thing that came. `told` is kept by `keep`, and by `close` for good."""

    def __init__(self, store: Store, firing: Firing) -> None:
        self._store = store
        self._firing = firing
        self.came = incoming(firing.payload["came"])
        told = firing.payload.get("told")
        self.told = Told.from_dict(told) if told else Told(self.came.conversation)

    @property
    def id(self) -> str:
        return self._firing.id

    @property
    def open(self) -> bool:
        return self._firing.status.open

    @property
    def understood(self) -> bool:
        """It began something, of which is told."""
        return self._firing.status is FiringStatus.WAITING

    @property
    def order(self) -> tuple[str, str]:
        return self._firing.at, self._firing.id

    @property
    def person(self) -> Person:
        return self.came.person

    async def keep(self, **changes: Any) -> None:
        """Write down what is told now. Raises `TakenOverError`."""
        await self._put(replace(self.told, **changes), self._firing)

    async def begun(self, **changes: Any) -> None:
        """From now on it is told what becomes of what it began."""
        waiting = replace(self._firing, status=FiringStatus.WAITING)
        await self._put(replace(self.told, **changes), waiting)

    async def close(self, status: FiringStatus, reason: str = "") -> None:
        """Nothing is left to do about it."""
        execution = self.told.execution or self._firing.execution_id
        done = replace(self._firing, status=status, reason=reason, execution_id=execution)
        await self._put(self.told, done)

    async def ignore(self) -> None:
        """It was said to others: that it came is kept, and not what it says."""
        payload = {**self._firing.payload, "came": {**self._firing.payload["came"], "text": ""}}
        why = "it was said to others"
        done = replace(self._firing, payload=payload, status=FiringStatus.SKIPPED, reason=why)
        await self._put(self.told, done)

    async def tried(self) -> int:
        """How often somebody has begun with it, this time included."""
        await self._put(self.told, replace(self._firing, attempts=self._firing.attempts + 1))
        return self._firing.attempts

    async def _put(self, told: Told, firing: Firing) -> None:
        payload = {**firing.payload, "told": asdict(told)}
        changed = replace(firing, payload=payload, revision=self._firing.revision + 1)
        if not await self._store.put_firing(changed):
            raise TakenOverError(f"another process deals with {firing.id}")
        self._firing, self.told = changed, told


def slot(platform: str) -> str:
    """What the letters of a platform have in the place of a trigger."""
    return f"chat/{platform}"


async def write_down(store: Store, came: Incoming) -> bool:
    """Durable when it returns; False when it had come before."""
    platform = came.person.platform
    firing = Firing(
        firing_id(slot(platform), came.id),
        slot(platform),
        "",
        timestamp(),
        new_id(),
        payload={"came": record(came)},
        attributes={"platform": platform},
    )
    return await store.put_firing(firing)


async def open_letters(store: Store, platform: str, status: FiringStatus) -> Sequence[Letter]:
    """Oldest first."""
    found = every(store.firings, trigger=slot(platform), status=status)
    letters = [Letter(store, firing) async for firing in found]
    return sorted(letters, key=lambda letter: letter.order)


async def letter(store: Store, id: str) -> Letter:
    """Raises `FiringNotFound`."""
    return Letter(store, await store.firing(id))


def record(came: Incoming) -> Mapping[str, Any]:
    """As JSON; `incoming` reads it back."""
    kind = "message" if isinstance(came, Message) else "action"
    data: Mapping[str, Any] = orjson.loads(orjson.dumps({"kind": kind, **asdict(came)}))
    return data


def incoming(data: Mapping[str, Any]) -> Incoming:
    given = {name: value for name, value in data.items() if name != "kind"}
    given["person"] = Person(**given["person"])
    given["conversation"] = Conversation(**given["conversation"])
    if data["kind"] == "message":
        return Message(**given)
    ref = given["ref"]
    return Action(**{**given, "ref": Ref(Conversation(**ref["conversation"]), ref["id"])})
