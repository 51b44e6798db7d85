"""A kind of step that Assay does not come with: registered, validated, run, shown in the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from assay.graphs.call import Call, Kind, Yield
from assay.graphs.errors import InvalidSpec, Retryable
from assay.graphs.language import Language
from assay.graphs.step import Family, Step, Text
from assay.graphs.steps import kinds

from ..running import open_app

pytestmark = pytest.mark.anyio


class GreetStep(Step):
    """Greet somebody, at the second try."""

    type: Literal["greet"]
    whom: Text = Field(description="Who is greeted.")


async def _greet(call: Call) -> Yield:
    if call.attempt == 1:
        raise Retryable("nobody listens yet")
    return Yield(f"Hello, {call.text('whom')}!", {"whom": call.text("whom")})


GREET = Kind(Family.DETERMINISTIC, GreetStep, _greet)


async def test_a_kind_of_ones_own_is_templated_retried_and_read_like_any_other(
    tmp_path: Path,
) -> None:
    step = {
        "id": "hi",
        "type": "greet",
        "whom": "{{ inputs.name }}",
        "retry": {"attempts": 2, "delay": "1ms"},
    }
    check = {"id": "right", "type": "assert", "condition": "hi.whom == 'Ada'"}
    document = {
        "name": "greets",
        "inputs": {"name": {"type": "string"}},
        "outputs": {"said": {"value": "{{ hi.output }}"}},
        "steps": [step, check],
    }
    async with open_app(tmp_path) as app:
        app.kind("greet", GREET)

        execution = await app.run(document, {"name": "Ada"})

    assert execution.outputs == {"said": "Hello, Ada!"}
    assert execution.steps["hi"].attempts == 2


async def test_its_fields_are_validated(tmp_path: Path) -> None:
    async with open_app(tmp_path) as app:
        app.kind("greet", GREET)

        with pytest.raises(InvalidSpec, match="'whom' is missing"):
            await app.start({"name": "greets", "steps": [{"id": "hi", "type": "greet"}]})


def test_it_is_in_the_schema() -> None:
    known = kinds()
    known.register("greet", GREET)

    schema = Language(known).schema()

    assert schema["$defs"]["AnyStep"]["discriminator"]["mapping"]["greet"] == "#/$defs/GreetStep"
    assert schema["$defs"]["GreetStep"]["properties"]["whom"]["description"] == "Who is greeted."
