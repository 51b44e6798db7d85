"""What every test may ask for, and the one folder from which nothing may be imported."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from .deadlines import deadlines
from .emulators import emulated, emulators

__all__ = ["deadlines", "emulated", "emulators"]

HOUSE = Path(__file__).resolve().parent.parent

# The rooms stand at the root, so with the root on the path `import graphs` would
# succeed here and fail for whoever installs the wheel. `python -m pytest` puts
# it there; test_house.py checks that it is gone.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != HOUSE]


def pytest_runtest_setup() -> None:
    """Libraries put the current folder on the path, too."""
    if "" in sys.path or str(HOUSE) in sys.path:
        sys.path[:] = [entry for entry in sys.path if entry not in ("", str(HOUSE))]


# How long a test takes on a busy machine says nothing of what it tests.
settings.register_profile("assay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("assay")

# Who starts the tests in the background of a script leaves SIGINT ignored, and every program
# that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop that LangGraph runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The documents that Assay was commissioned by, in a folder beside the clone."""
    folder = HOUSE.parent / "shared"
    if not (folder / "seeds").is_dir():
        _absent(f"needs the commissioning documents in ../{folder.name}/seeds")
    return folder


def _absent(reason: str) -> NoReturn:
    """Skip aloud on a desk; in CI nothing that a test needs may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI that is a failure", pytrace=False)
    pytest.skip(reason)
