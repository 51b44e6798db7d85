"""The operations of REST by name: the same arguments in one object, the same results."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import orjson
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ...graphs.errors import AssayError
from ..control import Control
from ..http.rest import (
    administration,
    definitions,
    executions,
    keeping,
    memories,
    models,
    questions,
    triggers,
)

_SUBJECTS = (
    definitions,
    executions,
    questions,
    keeping,
    models,
    memories,
    administration,
    triggers,
)

_OVER_HTTP = frozenset({"get_artifact"})
"""What gives bytes, which are no JSON."""

_DEFINED = frozenset({"register_workflow", "validate_workflow"})
"""Whose body is a definition as its author wrote it."""


class UnfitError(AssayError):
    """The arguments are not those of the command; `problems` says of each what is wrong."""

    code = "invalid_request"

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{each['at']}: {each['message']}" for each in problems))
        self.problems = problems


class Result(NamedTuple):
    """What REST would answer, as JSON; `replayed`: it had been begun before by the same key."""

    value: orjson.Fragment
    replayed: bool


@dataclass(frozen=True, slots=True)
class Command:
    """An operation, and the model of its arguments."""

    operation: Callable[..., Awaitable[Any]]
    arguments: type[BaseModel]

    async def __call__(self, control: Control, given: Mapping[str, Any]) -> Result:
        """Raises what the operation does, and `UnfitError`."""
        try:
            fit = self.arguments.model_validate(given)
        except ValidationError as error:
            raise UnfitError(
                [
                    {"at": ".".join(map(str, each["loc"])), "message": each["msg"]}
                    for each in error.errors()
                ]
            ) from error
        response = Response()
        value = await self.operation(**_filled(self.operation, fit, control, response))
        text = bytes(value.body) if isinstance(value, Response) else to_json(value, by_alias=True)
        return Result(orjson.Fragment(text), "idempotency-replayed" in response.headers)


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Definition(_Given):
    definition: dict[str, Any] | str = Field(description="An object, or YAML as text.")


def _model(operation: Callable[..., Any]) -> type[BaseModel]:
    """The arguments in one object, wherever REST has them: in the path, the query, the body."""
    base: type[BaseModel] = _Definition if operation.__name__ in _DEFINED else _Given
    fields: dict[str, Any] = {}
    for name, kind, default in _parameters(operation):
        if (body := _body(kind)) is not None:
            base = body
        elif kind not in (Control, Request, Response):
            fields[name] = (_plain(kind), ... if default is inspect.Parameter.empty else default)
    return create_model(f"Arguments_of_{operation.__name__}", __base__=base, **fields)


def _filled(
    operation: Callable[..., Any], fit: BaseModel, control: Control, response: Response
) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, kind, _ in _parameters(operation):
        if (body := _body(kind)) is not None:
            given = fit.model_dump(include=set(body.model_fields), exclude_unset=True)
            filled[name] = body.model_validate(given)
        elif kind is Control:
            filled[name] = control
        elif kind is Request:
            filled[name] = _request(getattr(fit, "definition", ""))
        elif kind is Response:
            filled[name] = response
        else:
            filled[name] = getattr(fit, name)
    return filled


def _parameters(operation: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(operation, include_extras=True)
    for name, parameter in inspect.signature(operation).parameters.items():
        kind = hints[name]
        if get_origin(kind) is Annotated and get_args(kind)[0] is Control:
            kind = Control
        yield name, kind, parameter.default


def _body(kind: Any) -> type[BaseModel] | None:
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _plain(kind: Any) -> Any:
    """What FastAPI checks of a parameter, for pydantic alone."""
    if get_origin(kind) is not Annotated:
        return kind
    inner, *notes = get_args(kind)
    kept: list[Any] = []
    for note in notes:
        kept += note.metadata if isinstance(note, FieldInfo) else [note]
    return Annotated[(inner, *kept)] if kept else inner


def _request(definition: Mapping[str, Any] | str) -> Request:
    """As REST would be sent it."""
    if isinstance(definition, str):
        kind, body = b"application/yaml", definition.encode()
    else:
        kind, body = b"application/json", orjson.dumps(definition)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": [(b"content-type", kind)]}, receive)


def _commands() -> dict[str, Command]:
    found = {}
    for subject in _SUBJECTS:
        for route in subject.router.routes:
            if isinstance(route, APIRoute) and route.name not in _OVER_HTTP:
                found[route.name] = Command(route.endpoint, _model(route.endpoint))
    return found


COMMANDS: Mapping[str, Command] = _commands()
