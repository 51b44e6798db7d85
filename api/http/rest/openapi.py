"""What OpenAPI says of REST beyond what FastAPI finds: examples, links, problems, keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from ..problems import MEDIA_TYPE, title
from ..shapes import Problem
from .answers import describes
from .examples import DETAILS, SHAPES
from .links import LINKS, described

_AT = "#/components/schemas/{model}"
_BEARER = "A key of Assay, or a token of the identity provider. Without any key: nothing."


def name(route: APIRoute) -> str:
    """The id of an operation: `start_execution` is `startExecution`."""
    first, *others = route.name.split("_")
    return first + "".join(map(str.capitalize, others))


def describe(app: FastAPI) -> None:
    """Has the application tell all of it."""
    app.title = "Assay"
    app.version = version("assay")
    app.description = "Runs AI-agent workflows that prove their work."
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        known = app.openapi_schema is not None
        found = plain()
        if not known:
            _complete(found)
        return found

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(found: dict[str, Any]) -> None:
    named = Problem.model_json_schema(ref_template=_AT)
    shapes = {**named.pop("$defs"), "Problem": named}
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {}).update(shapes)
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": _BEARER},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _BEARER},
    }
    found["security"] = [{"bearer": []}, {"key": []}, {}]
    for operation in _operations(found):
        if "requestBody" in operation:
            operation["responses"]["415"] = describes(415)[415]
        _exemplify(operation.get("requestBody", {}).get("content", {}))
        for status, answer in operation["responses"].items():
            if MEDIA_TYPE in answer.get("content", {}):
                operation["responses"][status] = _shared(parts, status, answer["description"])
            else:
                _exemplify(answer.get("content", {}))
        if links := LINKS.get(operation["operationId"]):
            done = next(status for status in operation["responses"] if status < "300")
            operation["responses"][done]["links"] = {each.to: described(each) for each in links}


def _operations(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in found["paths"].values():
        yield from methods.values()


def _exemplify(content: dict[str, Any]) -> None:
    if (told := content.get("application/json")) is not None and "example" not in told:
        told["example"] = example(told["schema"])


def example(schema: Mapping[str, Any]) -> Any:
    """What something of that schema looks like."""
    if "$ref" in schema:
        shape = str(schema["$ref"]).rpartition("/")[2]
        listed, _, of = shape.partition("Listed_")
        if of and not listed:
            return {"items": [SHAPES[of.removesuffix("_")]], "next": None}
        return SHAPES[shape]
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    if schema.get("type") == "array":
        return [example(schema["items"])]
    return {"hi": example(schema["additionalProperties"])}


def _shared(parts: dict[str, Any], status: str, about: str) -> dict[str, Any]:
    """A refusal that is the same wherever it is given: said once."""
    name = title(int(status)).replace(" ", "")
    content = {"schema": {"$ref": _AT.format(model="Problem")}, "example": _problem(int(status))}
    parts.setdefault("responses", {})[name] = {
        "description": about,
        "content": {MEDIA_TYPE: content},
    }
    return {"$ref": f"#/components/responses/{name}"}


def _problem(status: int) -> dict[str, Any]:
    code, detail = DETAILS[status]
    return {
        "type": f"urn:assay:{code}",
        "title": title(status),
        "status": status,
        "code": code,
        "detail": detail,
    }
