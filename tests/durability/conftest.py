"""A fork server and a world outside, one each for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .forkserver import ForkServer
from .world import World, world


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def outside() -> Iterator[World]:
    with world() as outside:
        yield outside
