"""The workflow with every kind of step, killed at a commit boundary in one of several ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from shutil import rmtree

from .existence import Existence, Killed, Left
from .forkserver import ForkServer
from .verdict import broken, differences
from .world import World

ONCE = {"pay", "all.all_e.all_f"}
"""The steps that must not run twice."""

RACY = {"any.slow"}
"""The loser of a race: always cancelled, but never begun when the winner is known already."""

ASKED = {"agent", "agent~2", "decide"}
"""The steps that ask the model."""

BESIDE = ("all.", "any.", "beside.", "each[", "graph_of_steps.")
"""Where steps run beside each other, so that their order is left to chance."""

LAST = """
  - {id: last, type: python, function: mark, inputs: {fails: 9}, on_error: rollback}
"""
"""What makes the whole execution fail at its end, and compensate what it has done."""


class Way(StrEnum):
    """What follows the kill."""

    ON = "on"  # one life to the end
    AGAIN = "again"  # another kill at some boundary of the next life
    PIECES = "pieces"  # lives that leave whenever it waits; answers come while nobody drives


@dataclass(frozen=True)
class Scene:
    """One form of the workflow: completed or rolled back, steps fused to segments or not."""

    server: ForkServer
    outside: World
    folder: Path
    rollback: bool = False
    fuse: bool = True

    def existence(self, name: str) -> Existence:
        """One that has not begun; `name` is new in this scene."""
        here = Path(__file__).parent
        main = (here / "every-kind.yaml").read_text() + (LAST if self.rollback else "")
        definitions = {"every-kind.yaml": main, "child.yaml": (here / "child.yaml").read_text()}
        folder = self.folder / name
        inputs = {"site": self.outside.site, "case": str(folder)}
        existence = Existence(
            self.server, folder, definitions, inputs, self.outside.environ, fuse=self.fuse
        )
        self.outside.add(str(folder), existence.workspace)
        return existence

    def undisturbed(self) -> tuple[Left, int]:
        """What nobody kills leaves, and in how many commits."""
        existence = self.existence("undisturbed")
        existence.live_on()
        left = existence.left()
        assert not (found := broken(left, 0, ONCE)), found
        assert left.execution.status == ("failed" if self.rollback else "completed")
        return left, existence.commits


def boundaries(commits: int) -> list[str]:
    """The names of every place where a process can die between two commits."""
    return [f"{side} {n}" for n in range(1, commits + 1) for side in ("before", "after")]


def kill(scene: Scene, boundary: str, way: Way, expected: Left) -> Killed:
    """Kill it there, go on in that way to the end, and compare."""
    existence = scene.existence(f"{boundary.replace(' ', '-')}-{way}")
    existence.live(die_at=boundary)
    match way:
        case Way.AGAIN:
            another = Random(f"{boundary} {scene.rollback}").randint(1, 40)
            existence.live(die_at=f"after {another}")
            existence.live_on()
        case Way.PIECES:
            existence.live_in_pieces()
        case Way.ON:
            existence.live_on()
    left = existence.left()
    wrong = [*differences(left, expected, RACY), *broken(left, existence.kills, ONCE)]
    wrong += [f"{path} never asked" for path in ASKED if not left.account.begun[path, 1]]
    wrong += too_early(left, expected)
    if not wrong:
        rmtree(existence.folder)
    return Killed(existence.kills, left.account.repeated, wrong)


def too_early(left: Left, expected: Left) -> Iterator[str]:
    """Steps that began before the results of those before them were durable."""
    order = dict.fromkeys(path for path, what in expected.account.order if what == "begins")
    sequence = [path for path in order if not path.startswith(BESIDE)]
    for begun, durable in left.account.lives:
        last = max((i for i, path in enumerate(sequence) if path in begun), default=0)
        lost = [path for path in sequence[:last] if path not in durable]
        if lost:
            yield f"{sequence[last]} began before {lost} were durable"
