"""W5: whole processes: `assay run` of a trivial file, `assay validate` and `assay --help`.

The reference is a process that imports LangGraph and runs one graph, and stores nothing.
All of it is compiled, as what is installed is, also where Python may not write beside sources.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sides.rounds import Run, Side, command, timed
from sides.table import Row, Target, show

REPEAT = 2
FILE = "trivial.yaml"
ASSAY = str(Path(sys.executable).with_name("assay"))

TRIVIAL = """
name: trivial
steps:
  - {id: only, type: skill, skill: echo, inputs: {message: hello}}
"""

BARE = """
import asyncio
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict):
    message: str

async def only(state):
    return {"message": "hello"}

graph = StateGraph(State)
graph.add_node("only", only)
graph.add_edge(START, "only")
graph.add_edge("only", END)
asyncio.run(graph.compile().ainvoke({"message": ""}))
"""


def process(name: str, argv: Sequence[str]) -> Side:
    @asynccontextmanager
    async def open(folder: Path) -> AsyncIterator[Run]:
        (folder / FILE).write_text(TRIVIAL)

        async def run() -> None:
            process = await asyncio.create_subprocess_exec(*argv, cwd=folder, stdout=DEVNULL)
            if await process.wait() != 0:
                raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}")

        yield run

    return Side(name, open)


SIDES = (
    (process("python, imports LangGraph, runs a graph", [sys.executable, "-c", BARE]), None),
    (process("assay run", [ASSAY, "run", FILE]), Target(1.15)),
    (process("assay validate", [ASSAY, "validate", FILE]), Target(0.3)),
    (process("assay --help", [ASSAY, "--help"]), Target(0.3)),
    (process("  python -c pass, the least there is", [sys.executable, "-c", "pass"]), None),
)


async def measure(rounds: int) -> None:
    with TemporaryDirectory() as compiled:
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        times = await timed([side for side, _ in SIDES], rounds, REPEAT)
    show(
        f"W5  From start to exit: medians of {rounds} rounds of {REPEAT}",
        "ms",
        [Row(s.name, t * 1000, goal) for (s, goal), t in zip(SIDES, times, strict=True)],
    )


if __name__ == "__main__":
    command(__doc__, measure)
