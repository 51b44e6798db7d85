"""A plan as text, and graphs as text and as Mermaid."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.binding import BoundStep
from assay.graphs.expressions import default_engine
from assay.graphs.language import Language
from assay.graphs.load import Loader
from assay.graphs.picture import graph_mermaid, graph_text, plan_text
from assay.graphs.plan import BlockPlan, plan
from assay.graphs.preview import Preview, StepPreview, direct, preview
from assay.graphs.program import Program
from assay.graphs.rules import Catalogue
from assay.graphs.step import Family
from assay.graphs.steps import kinds

KINDS = kinds()
LOADER = Loader(Language(KINDS), default_engine, Catalogue())


def family(bound: BoundStep) -> Family:
    return KINDS.get(bound.kind).family


def program(*steps: dict[str, Any], **more: Any) -> Program:
    return LOADER.mapping({"name": "test", "steps": list(steps), **more})


def block(*steps: dict[str, Any], fuse: bool = True) -> BlockPlan:
    return plan(program(*steps), family, fuse=fuse)


def shell(id: str, command: str = "true", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "shell", "command": command, **more}


def look(*steps: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> Preview:
    return preview(program(*steps, **more), family, inputs=inputs, default_model="demo")


def touched(step: StepPreview, what: str) -> list[str]:
    return [which for kind, which in step.touches if kind == what]


SWITCH = {
    "id": "pick",
    "type": "conditional",
    "condition": "true",
    "then": [shell("yes")],
    "else": [shell("no")],
}
AGENT = {"id": "fix", "type": "agent", "prompt": "Mend it.\nAll of it."}


def test_steps_that_are_one_node_are_drawn_as_one_unless_they_are_not_fused() -> None:
    steps = (shell("a"), shell("b"), AGENT)
    assert list(graph_text(block(*steps))) == [
        "test",
        "├─ one node",
        "│  ├─ a (shell)",
        "│  └─ b (shell)",
        "└─ fix (agent)",
    ]
    assert list(graph_text(block(*steps, fuse=False))) == [
        "test",
        "├─ a (shell)",
        "├─ b (shell)",
        "└─ fix (agent)",
    ]


def test_branches_are_named_and_bodies_are_not() -> None:
    loop = {"id": "each", "type": "foreach", "items": "[1]", "steps": [shell("x")]}
    assert list(graph_text(block(SWITCH, loop))) == [
        "test",
        "├─ pick (conditional)",
        "│  ├─ then",
        "│  │  └─ yes (shell)",
        "│  └─ else",
        "│     └─ no (shell)",
        "└─ each (foreach)",
        "   └─ x (shell)",
    ]


def test_a_list_with_needs_says_what_each_step_directly_comes_after() -> None:
    steps = (shell("a"), shell("b", needs=["a"]), shell("c", needs=["a", "b"]))
    assert list(graph_text(block(*steps))) == [
        "test",
        "├─ a (shell)",
        "├─ b (shell)  after a",
        "└─ c (shell)  after b",
    ]


@given(st.integers(1, 12), st.data())
def test_direct_edges_lead_everywhere_that_all_edges_lead(size: int, data: st.DataObject) -> None:
    before = {
        str(i): frozenset(
            data.draw(st.sets(st.sampled_from([str(j) for j in range(i)]))) if i else ()
        )
        for i in range(size)
    }
    edges = direct(before)

    def behind(id: str, of: Any) -> set[str]:
        return set(of[id]).union(*(behind(b, of) for b in of[id]))

    for id in before:
        assert behind(id, edges) == behind(id, before)
        for one in edges[id]:  # and none can be spared
            assert not any(one in behind(other, edges) for other in edges[id])


def test_mermaid_has_a_shape_for_every_family_and_an_edge_for_every_step() -> None:
    check = {"id": "good", "type": "assert", "condition": "true", "on_false": "repair"}
    assert list(graph_mermaid(block(shell("a"), AGENT, check), family)) == [
        "flowchart TD",
        '  begin(["test"])',
        '  n1["a (shell)"]',
        '  n2(["fix (agent)"])',
        '  n3{{"good (assert)"}}',
        "  n1 --> n2",
        "  n2 --> n3",
        '  n3 -. "repair" .-> n2',
        '  finish(["end"])',
        "  begin --> n1",
        "  n3 --> finish",
    ]


def test_a_stop_leads_to_the_end() -> None:
    check = {"id": "enough", "type": "assert", "condition": "true", "on_false": "stop"}
    lines = list(graph_mermaid(block(check, shell("b")), family))
    assert '  n1 -. "stop" .-> finish' in lines


def test_in_a_graph_the_end_waits_for_every_leaf() -> None:
    steps = (shell("a"), shell("b", needs=["a"]), shell("c", needs=["a"]))
    lines = list(graph_mermaid(block(*steps), family))
    assert [line for line in lines if "-->" in line] == [
        "  n1 --> n2",
        "  n1 --> n3",
        "  begin --> n1",
        "  n2 --> finish",
        "  n3 --> finish",
    ]


@pytest.mark.parametrize("fuse", [True, False])
def test_every_subgraph_is_closed_and_every_edge_has_ends(fuse: bool) -> None:
    both = {"id": "both", "type": "parallel", "steps": [shell("l"), SWITCH]}
    lines = list(graph_mermaid(block(shell("a"), shell("b"), both, fuse=fuse), family))
    assert sum("subgraph" in x for x in lines) == sum(x.strip() == "end" for x in lines)
    drawn = {m[1] for x in lines if (m := re.match(r"\s*(?:subgraph )?(\w+)[\[({]", x))}
    ends = {id for x in lines for id in re.findall(r"(\w+) --> (\w+)", x) for id in id}
    assert ends <= drawn


def test_labels_cannot_break_out_of_their_quotes() -> None:
    case = 'a"] --> x; %% <b>`#quot;'
    steps = {"id": "s", "type": "switch", "value": "'x'", "cases": {case: [shell("t")]}}
    (label,) = [x for x in graph_mermaid(block(steps), family) if "x#59;" in x]
    assert re.fullmatch(r'\s*subgraph n\d+\["[^"<>`%;]*(?:#\d+;[^"<>`%;]*)*"\]', label)


def test_a_plan_reads_from_top_to_bottom() -> None:
    inputs = {"file": {"type": "string", "required": True}, "n": {"type": "integer", "default": 3}}
    steps = (
        shell("a", "cat {{ inputs.file }}\necho", name="Read it", retry={"attempts": 2}),
        SWITCH,
    )
    looked = preview(program(*steps, inputs=inputs, description="Reads."), family)
    head, *lines = plan_text(looked)
    assert re.fullmatch(r"test 1  sha256:[0-9a-f]{12}", head)
    assert lines == [
        "Reads.",
        "",
        "inputs",
        "  file  string, required",
        "  n     integer, 3 unless given",
        "",
        "steps",
        "  a (shell)  Read it",
        "      command       cat {{ inputs.file }}",
        "                    echo",
        "      2 attempts, exponential delay from 1s",
        "  pick (conditional)",
        "      condition     true",
        "    then:",
        "      yes (shell)",
        "          command       true",
        "    else:",
        "      no (shell)",
        "          command       true",
        *lines[-3:],
    ]
    assert "the condition is always true" in lines[-1]


def test_nothing_in_a_plan_can_steer_a_terminal() -> None:
    found = look(shell("a", "echo \x1b[2J", name="\x1b]0;x\x07"), description="\x1b[31m")
    assert not any("\x1b" in line for line in plan_text(found))
