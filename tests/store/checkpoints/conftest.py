"""A saver in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.checkpoint import SqliteSaver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def saver(path: Path) -> AsyncIterator[SqliteSaver]:
    async with SqliteSaver.open(path) as opened:
        yield opened
