"""What is drawn of an example is what runs: the same steps, in an order the arrows allow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.api.app import loader
from assay.graphs.execution import Status
from assay.graphs.picture import graph_mermaid
from assay.graphs.plan import plan
from assay.graphs.steps import kinds

from ..running import open_app

HOUSE = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(HOUSE.glob("graphs/examples/*.yaml"))
DRAWN = re.compile(r'(n\d+)[\[({/]+"([\w-]+) \((\w+)\)"')
GIVEN = {"string": "1.0", "number": 1.5, "integer": 1, "boolean": True, "array": [], "object": {}}
ARROW = re.compile(r"(n\d+) --> (n\d+)")

pytestmark = pytest.mark.anyio


def drawn(path: Path) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """The kinds of the drawn steps by id, and the arrows between steps."""
    program, known = loader().file(path), kinds()
    block = plan(program, lambda step: known.get(step.kind).family)
    picture = "\n".join(graph_mermaid(block, lambda step: known.get(step.kind).family))
    nodes = {node: (id, kind) for node, id, kind in DRAWN.findall(picture)}
    arrows = {
        (nodes[a][0], nodes[b][0]) for a, b in ARROW.findall(picture) if a in nodes and b in nodes
    }
    return dict(nodes.values()), arrows


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
async def test_the_picture_of_an_example_is_what_runs(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "README.md").write_text("# Here\n")
    _copy(HOUSE / "graphs" / "examples", tmp_path / "graphs" / "examples")
    monkeypatch.chdir(tmp_path)
    shown, arrows = drawn(example)

    async with open_app(tmp_path / "home") as app:
        file = tmp_path / "graphs" / "examples" / example.name
        wanted = loader().file(file).workflow.inputs
        given = {name: GIVEN[i.type] for name, i in wanted.items() if i.required}
        started = await app.start(file, given)
        waits = await app.manager.wait(started.id, until=(Status.WAITING,))
        if waits.status is Status.WAITING:
            (question,) = (await app.manager.questions()).items
            value = {"risk": "low"} if question.schema else None
            await app.manager.answer(question.id, value, by="ada")
        execution = await app.wait(started.id)

    own = [s for s in execution.steps.values() if s.step in shown]
    inside_children = {s.step for s in execution.steps.values()} - shown.keys()
    assert {s.step: s.kind for s in own} == shown
    assert bool(inside_children) == ("workflow" in shown.values())
    ended = {s.step: s.seq for s in own}
    began = {
        s.step: min(o.seq for o in own if o.step == s.step) for s in own if s.status != "skipped"
    }
    for before, after in arrows:
        if before in began and after in began:
            assert began[before] < ended[after], (before, after)


def _copy(source: Path, target: Path) -> None:
    """The tracked kind of files only: no reports of earlier runs."""
    for path in sorted(source.rglob("*")):
        if path.suffix in (".yaml", ".py", ".ini"):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
