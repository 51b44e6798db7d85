"""What a client may send, and the closes that a server chooses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ..http.bodies import DEEPEST, too_deep

LARGEST = 1 << 20
"""Bytes of a message."""

BAD_MESSAGE, REFUSED, FORBIDDEN, TOO_LATE = 4400, 4401, 4403, 4408
IN_USE, TOO_MANY = 4409, 4429
LEAVING, TOO_LARGE, INTERNAL, TRY_LATER = 1001, 1009, 1011, 1013


class ClosingError(Exception):
    """The connection is to be closed with that code, after saying why; `name` is for programs."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message


Id = Annotated[str, Field(min_length=1, max_length=100)]


class Frame(BaseModel):
    """A message; a field nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Hello(Frame):
    """The first message. `key`: a key or a token, unless the handshake has brought one."""

    type: Literal["hello"]
    key: str | None = None


class Wanted(Frame):
    """Which events of all executions: of workflows that match, of some types (none: any)."""

    workflow: str = "*"
    types: list[str] = Field(default_factory=list)


class Subscribe(Frame):
    """The events of one execution after a `seq`, or of all after a cursor."""

    type: Literal["subscribe"]
    id: Id
    execution: str | None = None
    events: Wanted | None = None
    after: int | str | None = None

    @property
    def place(self) -> str | None:
        """The cursor from which on it is; None: from now on."""
        if self.after is None:
            return None if self.execution is None else "0"
        return str(self.after)

    @model_validator(mode="after")
    def _one(self) -> Subscribe:
        if (self.execution is None) == (self.events is None):
            raise ValueError("it has either `execution` or `events`")
        if self.events is not None and isinstance(self.after, int):
            raise ValueError("the `after` of `events` is a cursor, a text")
        return self


class Unsubscribe(Frame):
    type: Literal["unsubscribe"]
    id: Id


class Command(Frame):
    """An operation by its name, as `start_execution`, and its arguments as REST has them."""

    type: Literal["command"]
    id: Id
    command: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Turn(Frame):
    role: Literal["user", "assistant"]
    text: str


class Say(Frame):
    """A message to a workflow, which answers. `history` is what was said before, unless the
    session knows; `inputs` are others that the workflow takes."""

    type: Literal["say"]
    id: Id
    workflow: str
    message: str
    session: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    history: Annotated[list[Turn], Field(max_length=1000)] | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)


class Beat(BaseModel):
    """Somebody is there. Whatever else it says is not looked at."""

    type: Literal["ping", "pong"]


Asked = Hello | Subscribe | Unsubscribe | Command | Say | Beat

_ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="type")])


def read(text: str | None) -> Asked:
    """The message that a text frame holds; None: it was no text. Raises `ClosingError`."""
    if text is None:
        raise _bad("a message is a text frame, and this one is binary")
    raw = text.encode()
    if len(raw) > LARGEST:
        raise ClosingError(TOO_LARGE, "too_large", f"A message has {LARGEST} bytes at most")
    if too_deep(raw):
        raise _bad(f"JSON may be nested {DEEPEST} levels deep at most")
    try:
        return _ASKED.validate_python(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise _bad(f"it is not JSON: {error}") from error
    except ValidationError as error:
        raise _bad("; ".join(_fault(each) for each in error.errors()[:3])) from error


def _fault(error: Any) -> str:
    at = ".".join(map(str, error["loc"][1:]))
    return f"{at}: {error['msg']}" if at else str(error["msg"])


def _bad(what: str) -> ClosingError:
    return ClosingError(BAD_MESSAGE, "bad_message", f"This is no message of the protocol: {what}")
