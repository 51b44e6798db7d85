"""The emulators of a test run: one pair for all, gone with the last who uses it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from .emulators import Emulators, private, shared

HOUSE = Path(__file__).resolve().parent.parent
VISITOR = """
import sys
from pathlib import Path
from tests.emulators import shared
with shared(Path(sys.argv[1])) as pair:
    print(pair.pubsub, flush=True)
    sys.stdin.read()
"""


def test_processes_share_one_pair_that_outlives_all_but_the_last(
    emulators: Emulators, tmp_path: Path
) -> None:
    """Even when they are killed; the session's own fixture says that there are emulators."""
    one, other = _visitor(tmp_path), _visitor(tmp_path)
    try:
        assert one.stdout
        assert other.stdout
        address = one.stdout.readline().strip()
        pair = Emulators(pubsub=address)
        assert other.stdout.readline().strip() == address
        one.kill()
        one.wait()
        with shared(tmp_path) as mine:
            assert mine.pubsub == address
            assert mine.answer()
        other.kill()
        other.wait()
        deadline = time.monotonic() + 60
        while pair.answer():
            assert time.monotonic() < deadline, "it outlived the last who used it"
            time.sleep(0.05)
    finally:
        for each in (one, other):
            each.kill()
            each.communicate()


def test_an_emulator_of_ones_own_is_started_again_at_the_same_address(
    emulators: Emulators, tmp_path: Path
) -> None:
    with private(tmp_path, "pubsub") as address:
        assert Emulators(pubsub=address).answer()
    assert not Emulators(pubsub=address).answer()
    with private(tmp_path, "pubsub", int(address.rpartition(":")[2])) as again:
        assert again == address
        assert Emulators(pubsub=again).answer()


def _visitor(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", VISITOR, str(folder)],
        cwd=HOUSE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
