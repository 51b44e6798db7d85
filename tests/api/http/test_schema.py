"""OpenAPI says what is so, and nothing that is asked is a fault of the server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import jsonschema_rs
import orjson
import pytest

from assay.api.http.rest.examples import DEFINITION
from assay.api.http.rest.routes import document
from assay.api.http.shapes import Given

from .conftest import Served

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
LONG = os.environ.get("ASSAY_LONG") == "1"
SETTINGS = f"""\
generation.max-examples = {100 if LONG else 1}
phases.stateful.generation.max-examples = {200 if LONG else 10}

[checks]
positive_data_acceptance.enabled = false  # what fits may name an execution that is not there

[[operations]]
include-name = "POST /v1/workflows/validate"
checks.allow_header_conformance.enabled = false  # a workflow may have that name

[[operations]]
include-name = "DELETE /v1/keys/{{id}}"
phases.stateful.enabled = false  # of keys that are listed one is that of who asks
"""

DOCUMENT: Mapping[str, Any] = orjson.loads(document())


class Said(NamedTuple):
    """An operation, and what it says of itself."""

    name: str
    about: Mapping[str, Any]

    def contents(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """What is taken and given: where, of which media type, and how it is described."""
        for kind, content in self.about.get("requestBody", {}).get("content", {}).items():
            yield "request", kind, content
        for status, answer in self.answers():
            for kind, content in answer.get("content", {}).items():
                yield status, kind, content

    def answers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        shared = DOCUMENT["components"]["responses"]
        for status, answer in self.about["responses"].items():
            yield status, shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer


OPERATIONS = [
    Said(f"{method.upper()} {path}", about)
    for path, methods in DOCUMENT["paths"].items()
    for method, about in methods.items()
]
every = pytest.mark.parametrize("said", OPERATIONS, ids=lambda said: said.name)


def test_the_file_of_the_description_is_current() -> None:
    assert FILE.read_bytes() == document(), "run: python -m assay.api.http.rest > docs/openapi.json"


@pytest.mark.anyio
async def test_the_server_says_what_the_file_says(served: Served) -> None:
    async with served.client("viewer") as http:
        assert (await http.get("/v1/openapi.json")).json() == DOCUMENT


def test_nothing_is_missing() -> None:
    assert len({each.about["operationId"] for each in OPERATIONS}) == len(OPERATIONS) == 50


@every
def test_an_operation_says_what_it_is(said: Said) -> None:
    assert said.about["summary"]
    assert said.about["description"]
    assert said.about["tags"]


@every
def test_what_is_taken_and_given_has_an_example_that_fits(said: Said) -> None:
    for where, kind, content in said.contents():
        if kind == "*/*":
            continue  # the bytes of a file
        assert "example" in content, (where, kind)
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(content["example"])


@every
def test_a_refusal_is_a_problem(said: Said) -> None:
    for where, kind, content in said.contents():
        if where.isdigit() and int(where) >= 400:
            assert kind == "application/problem+json"
            assert content["example"]["status"] == int(where)


@every
def test_a_link_leads_to_an_operation_and_gives_it_what_it_takes(said: Said) -> None:
    by_id = {each.about["operationId"]: each.about for each in OPERATIONS}
    for _, answer in said.answers():
        for link in answer.get("links", {}).values():
            there = by_id[link["operationId"]]
            takes = {each["name"]: each["required"] for each in there.get("parameters", ())}
            assert set(link["parameters"]) <= set(takes)
            assert {name for name in takes if takes[name]} <= set(link["parameters"])


def test_a_field_nobody_knows_is_refused_in_all_that_is_sent() -> None:
    shapes = DOCUMENT["components"]["schemas"]
    sent = [each.__name__ for each in Given.__subclasses__()]

    assert len(sent) >= 8
    assert [name for name in sent if shapes[name].get("additionalProperties") is not False] == []


@pytest.mark.anyio
@pytest.mark.timeout(3600 if LONG else 300)
async def test_whatever_is_asked_is_answered_as_described(served: Served, tmp_path: Path) -> None:
    """Examples, edges, what is random, and one operation after the other, each as described:
    its status, its type, its shape. What fits not is refused; no answer is a 5xx. By hand, for
    longer: ASSAY_LONG=1."""
    async with served.client() as http:
        assert (await http.post("/v1/workflows", json=DEFINITION)).status_code == 201
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    done = await anyio.run_process(
        [
            *(sys.executable, "-P", "-c", "from schemathesis.cli import schemathesis as s; s()"),
            *("run", f"{served.url}/v1/openapi.json", "--no-color", "--warnings", "off"),
            *("--header", f"Authorization: Bearer {served.keys['admin']}"),
            *("--generation-database", "none", "--continue-on-failure"),
            *(() if LONG else ("--seed", "1")),
        ],
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    async with served.client() as http:
        assert (await http.get("/v1/keys")).status_code == 200
