"""Every workflow that we show checks what its agents did: the linter has nothing to say of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.api.app import loader
from assay.graphs.fields import placed_steps
from assay.graphs.program import Program

HOUSE = Path(__file__).resolve().parents[2]
AGENTIC = {"agent", "claude_code", "decide"}


def shown() -> list[tuple[str, str]]:
    """Examples, and what the pages of the documentation show, with a name for each."""
    found = [(path.name, path.read_text()) for path in (HOUSE / "graphs/examples").glob("*.yaml")]
    for page in sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md")]):
        blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [(f"{page.name}-{n}", block) for n, block in enumerate(blocks, 1)]
    return sorted(found)


def agents(program: Program) -> list[str]:
    steps = placed_steps(program.workflow.steps, ("steps",))
    return [step.id for _, step in steps if step.kind in AGENTIC]


@pytest.mark.parametrize(("name", "text"), shown(), ids=[name for name, _ in shown()])
def test_what_is_shown_is_checked(name: str, text: str) -> None:
    program = loader().text(text, name)

    if agents(program):
        assert [str(warning) for warning in program.warnings] == []
        assert has_assertion(program)


def has_assertion(program: Program) -> bool:
    """After the last agent: an `assert`, or the agent's own `verify`."""
    steps = [step for _, step in placed_steps(program.workflow.steps, ("steps",))]
    last = max(n for n, step in enumerate(steps) if step.kind in AGENTIC)
    later = any(step.kind == "assert" for step in steps[last + 1 :])
    return later or getattr(steps[last], "verify", None) is not None


def test_agents_are_shown_at_all() -> None:
    with_agents = [name for name, text in shown() if agents(loader().text(text, name))]

    assert {"08-decide.yaml", "explain-failures.yaml", "agents.md-1"} <= set(with_agents)


def test_the_seeds_that_have_agents_check_them(shared: Path) -> None:
    program = loader().file(shared / "seeds" / "increase-test-coverage.yaml")

    assert agents(program)
    assert has_assertion(program)
