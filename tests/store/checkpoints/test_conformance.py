"""LangGraph's own conformance kit, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from assay.checkpoint import SqliteSaver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from langgraph.checkpoint.base import BaseCheckpointSaver

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("place", ["file", "memory"])
async def test_all_eight_capabilities_are_there_and_every_check_passes(
    tmp_path: Path, place: str
) -> None:
    @checkpointer_test(name=f"SqliteSaver in {place}")
    async def savers() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        async with SqliteSaver.open(tmp_path / "s.db" if place == "file" else ":memory:") as saver:
            yield saver

    report = await validate(savers)

    results = report.results
    assert set(results) == {capability.value for capability in Capability}
    assert len(results) == 8
    assert {name: result.failures for name, result in results.items() if result.failures} == {}
    assert all(result.detected and result.passed for result in results.values())
    assert sum(result.tests_passed for result in results.values()) >= 81
