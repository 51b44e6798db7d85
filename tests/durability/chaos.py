"""`make chaos`: kills many executions in many ways, and says in one line what came of them.

Half of them are the workflow with every kind of step, killed at commit boundaries; the others
are random workflows, killed at random moments.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp

from . import every_kind
from .every_kind import Scene, Way, boundaries
from .existence import Killed, Left
from .forkserver import ForkServer
from .random_workflow import kill_at_moments
from .world import World, world


@dataclass(frozen=True)
class Plot:
    """One execution to be killed; `name` says how to find it again."""

    name: str
    act: Callable[[ForkServer, Path], Killed]


def main() -> int:
    """0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="executions to kill")
    parser.add_argument("--seed", type=int, default=0, help="another choice of them")
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="assay-chaos-"))
    began = time.monotonic()
    with world() as outside:
        plots = list(chosen(outside, folder, options.runs, options.seed))
        came = list(played(plots, folder))
    wrong = [(plot, killed) for plot, killed in zip(plots, came, strict=True) if killed.wrong]
    for plot, killed in wrong:
        say(f"{plot.name}: " + "; ".join(killed.wrong))
    say(
        f"{len(came)} runs, {sum(k.kills for k in came)} kills, "
        f"{sum(k.repeated for k in came)} repeated effects, {len(wrong)} failures "
        f"in {time.monotonic() - began:.0f} s" + (f"; see {folder}" if wrong else "")
    )
    if not wrong:
        rmtree(folder)
    return 1 if wrong else 0


def chosen(outside: World, folder: Path, runs: int, seed: int) -> Iterator[Plot]:
    """So many plots, the same for the same seed."""
    random = Random(seed)
    places = [
        (scene, place, way, expected)
        for scene, expected, commits in scenes(outside, folder)
        for place in boundaries(commits)
        for way in Way
    ]
    some = random.sample(places, min(runs // 2, len(places)))
    for number, (scene, place, way, expected) in enumerate(some):
        yield at_boundary(number, scene, place, way, expected)
    for number in range(len(some), runs):
        yield at_moments(number, seed * runs + number)


def scenes(outside: World, folder: Path) -> Iterator[tuple[Scene, Left, int]]:
    """Each form of the workflow, with what it leaves when nobody kills it."""
    with ForkServer() as server:
        for rollback in (False, True):
            for fuse in (True, False):
                name = f"{'rollback' if rollback else 'complete'}-{'' if fuse else 'un'}fused"
                scene = Scene(server, outside, folder / name, rollback, fuse)
                yield scene, *scene.undisturbed()


def at_boundary(number: int, scene: Scene, place: str, way: Way, expected: Left) -> Plot:
    def act(server: ForkServer, folder: Path) -> Killed:
        own = Scene(server, scene.outside, folder, scene.rollback, scene.fuse)
        return every_kind.kill(own, place, way, expected)

    return Plot(f"{number}: {scene.folder.name}, {place}, {way}", act)


def at_moments(number: int, seed: int) -> Plot:
    def act(server: ForkServer, folder: Path) -> Killed:
        return kill_at_moments(server, folder / "random", seed)

    return Plot(f"{number}: random workflow {seed}", act)


def played(plots: list[Plot], folder: Path) -> Iterator[Killed]:
    """What came of each plot, in order; as many at once as there are processors."""
    own = threading.local()
    servers: list[ForkServer] = []

    def begin() -> None:
        own.server = ForkServer()
        servers.append(own.server)

    def play(number: int) -> Killed:
        place = folder / str(number)
        try:
            killed = plots[number].act(own.server, place)
        except Exception as error:
            return Killed(0, 0, [f"{type(error).__name__}: {error}"])
        if not killed.wrong:
            rmtree(place)
        return killed

    try:
        with ThreadPoolExecutor(os.cpu_count() or 1, initializer=begin) as pool:
            for number, killed in enumerate(pool.map(play, range(len(plots))), 1):
                yield killed
                if number % 100 == 0:
                    say(f"{number} of {len(plots)}")
    finally:
        for server in servers:
            server.close()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
