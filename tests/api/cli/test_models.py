"""`assay feedback models`: what is said of models' answers, and how they fare by it."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Tell

THINKS = {
    "name": "thinks",
    "steps": [
        {"id": "think", "type": "agent", "prompt": "Say hi.", "model": "demo"},
        {"id": "hi", "type": "shell", "command": "echo hi"},
        {"id": "thought", "type": "assert", "condition": "think.output.size() > 0"},
    ],
}


def test_commands_say_it_and_show_it(tell: Tell, desk: Path) -> None:
    (desk / "thinks.json").write_text(json.dumps(THINKS))
    tell("run", "thinks.json", "--json")
    id = json.loads(tell("list", "--json").out)[0]["execution_id"]
    assert tell("feedback", id, "think", "--bad", "--comment", "dull").out == (
        "kept: the answer of demo at think was bad\n"
    )
    (figures,) = json.loads(tell("models", "--json").out)
    assert (figures["verdicts"], figures["rate"]) == (2, 0.5)
    assert "thinks.think" in (shown := tell("models", "thinks", "think").out)
    assert "50% good of 2 verdicts" in shown
    refused = tell("feedback", id, "hi", "--good")
    assert (refused.code, "no model has answered" in refused.err) == (2, True)
    assert tell("feedback", id, "think").code == 2
