"""What would never end, and what would stay: ended, and nothing of it is left."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
import pytest

from assay.graphs.sandbox import Rung

from .conftest import RUNGS, World, named, users

EVERYWHERE = pytest.mark.parametrize(
    ("rung", "user"),
    [
        pytest.param(rung, user, id=f"{rung.label}-{named(user)}")
        for rung in RUNGS
        for user in users()
    ],
)


def gone(world: World, seconds: float = 20) -> bool:
    """Whether nothing of the world runs any more, after a while at most."""
    left = [psutil.Process(pid) for pid in world.left() if psutil.pid_exists(pid)]
    return not psutil.wait_procs(left, timeout=seconds)[1] and not world.left()


@EVERYWHERE
def test_a_spin_ends_at_its_seconds_of_cpu(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user, cpu_seconds=1)

    ended = world.attack("spin")

    # bubblewrap tells of a signal as shells do.
    assert ended.status in (-signal.SIGXCPU, 128 + signal.SIGXCPU), ended


@EVERYWHERE
def test_a_fork_bomb_is_ended_whole(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user, processes=60, cpu_seconds=60)

    ended = world.attack("fork_without_end")

    assert "more than its security profile allows" in ended.error, ended
    assert gone(world)


@EVERYWHERE
def test_memory_is_counted_over_all_processes(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user, memory=200 << 20)

    ended = world.attack("hold_memory_in_children")

    assert "200MiB that its security profile allows" in ended.error, ended
    assert gone(world)


@EVERYWHERE
def test_a_file_does_not_grow_without_end(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user, file_size=4 << 20)

    ended = world.attack("write_a_huge_file")

    assert ended.said.startswith("held: OSError: [Errno 27]"), ended
    assert (world.workspace / "huge").stat().st_size == 4 << 20


@EVERYWHERE
@pytest.mark.parametrize("way", ["leave_a_daemon", "leave_many_daemons"])
def test_a_daemon_does_not_survive_its_program(
    way: str, rung: Rung, user: int, make_world: Any
) -> None:
    world = make_world(rung, user)
    world.grace = 0.2

    ended = world.attack(way)

    assert ended.said == "out\n", ended
    assert gone(world)


@EVERYWHERE
def test_a_daemon_does_not_survive_a_cancellation(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user)
    world.grace = 0.2

    ended = world.attack("leave_a_daemon_and_wait", cancel=True)

    assert ended.error == "cancelled", ended
    assert gone(world)


@EVERYWHERE
def test_a_daemon_does_not_survive_assay(rung: Rung, user: int, make_world: Any) -> None:
    """Assay itself is killed, and has no time to end anything."""
    world = make_world(rung, user)
    driver = world.start(world.attacking("leave_a_daemon_and_wait"))
    assert driver.stderr.readline() == "ready\n"
    assert world.left()

    with driver:
        driver.kill()

    assert gone(world)
    assert list((world.folder / "tmp").iterdir()) == []


def test_a_daemon_survives_where_nothing_holds_it(make_world: Any) -> None:
    """Else the tests above would show nothing."""
    world = make_world(Rung.NONE, os.getuid())

    world.attack("leave_a_daemon")

    assert world.left()


@EVERYWHERE
def test_a_program_is_asked_before_it_is_ended(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user)
    script = "trap 'echo asked > told; exit' TERM; echo ready; while :; do sleep 0.05; done"

    ended = world.run(["bash", "-c", script], cancel=True)

    assert ended.error == "cancelled"
    assert (world.workspace / "told").read_text() == "asked\n"


@EVERYWHERE
def test_how_a_program_ended_is_told(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user)

    assert world.run(["bash", "-c", "echo one; echo two >&2; exit 7"]).status == 7
    assert world.run(["bash", "-c", "kill -KILL $$"]).status in (-9, 128 + 9)
    missing = world.run(["no-such-program"])
    assert "could not start 'no-such-program'" in missing.error
