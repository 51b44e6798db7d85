"""JavaScript libraries that tests talk to the server with, installed once for all test runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
PINS = ("package.json", "package-lock.json")
OLDEST = 20


@pytest.fixture(scope="session")
def node() -> str:
    """A Node.js that is new enough."""
    found = shutil.which("node")
    if found is None:
        absent(f"needs Node.js {OLDEST} or newer (https://nodejs.org)")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.removeprefix("v").partition(".")[0]) < OLDEST:
        absent(f"needs Node.js {OLDEST} or newer, and this is {said.strip()}")
    return found


@pytest.fixture(scope="session")
def modules(node: str) -> Path:
    """`node_modules` as the lock pins them, outside of the tree."""
    pins = {name: (HERE / name).read_bytes() for name in PINS}
    digest = hashlib.sha256(b"".join(pins.values())).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay-tests"
    folder = cache / digest
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _install(folder, pins)
            (folder / "ready").touch()
    return folder / "node_modules"


def _install(folder: Path, pins: dict[str, bytes]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        absent("needs npm (it comes with Node.js)")
    for name, content in pins.items():
        (folder / name).write_bytes(content)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    if done.returncode != 0:
        absent(f"`npm ci` failed, perhaps there is no network: {done.stderr.strip()[-500:]}")


def absent(reason: str) -> NoReturn:
    """Skip aloud on a desk; in CI nothing that a test needs may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI that is a failure", pytrace=False)
    pytest.skip(reason)
