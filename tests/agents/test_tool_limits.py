"""Programs that an agent starts are kept within what its step may use."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from tests.running import open_house
from tests.scripted import Reply, ScriptedModel

from assay.graphs.processtree import visible

from .conftest import environ

pytestmark = pytest.mark.anyio

HOLD = "held = bytearray(200 << 20); import time; time.sleep(60)"
"""Python that holds 200 MiB for a minute: every byte of it is zeroed, so it is there."""

STEP = """
- id: think
  type: agent
  prompt: Work.
  tools: [run_command]
  resource_limits: {memory: 100MiB}
  verify:
    checks: [{condition: output == 'Done.'}]
"""


@pytest.mark.skipif(not visible(), reason="needs /proc to look at")
async def test_a_tools_program_over_the_steps_memory_is_ended_and_the_model_is_told(
    tmp_path: Path,
) -> None:
    """In the second round of `verify`, so that the bound is seen to last as long as the step."""
    hungry = f"echo begun; {shlex.join([sys.executable, '-I', '-S', '-c', HOLD])}"
    script = [
        Reply("Not yet."),
        Reply.calling("run_command", command=hungry),
        Reply.calling("run_command", command="echo modest"),
        Reply("Done."),
    ]
    with ScriptedModel(script) as server:
        given = {**environ(), "ASSAY_MODEL": "openai:scripted", "ASSAY_BASE_URL": server.url}
        async with open_house(tmp_path, given) as house:
            execution = await house.run(STEP)

    refused, told = (request.last for request in server.requests[2:])
    assert "over its `resource_limits.memory` of 100MiB, and they were ended" in refused
    assert told == "[exit status 0]\nmodest\n"
    assert execution.status == "completed", execution.error
