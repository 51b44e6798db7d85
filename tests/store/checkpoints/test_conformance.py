"""LangGraph's own conformance kit, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from assay.checkpoint import SqliteSaver

from .places import FirestorePlace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from langgraph.checkpoint.base import BaseCheckpointSaver

    from assay.store.checkpointing.saver import Saver

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("where", ["file", "memory", "firestore"])
async def test_all_eight_capabilities_are_there_and_every_check_passes(
    request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    def fresh() -> AbstractAsyncContextManager[Saver]:
        if where == "firestore":
            return FirestorePlace().open()
        return SqliteSaver.open(tmp_path / "s.db" if where == "file" else ":memory:")

    @checkpointer_test(name=f"Saver in {where}")
    async def savers() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        async with fresh() as saver:
            yield saver

    if where == "firestore":
        request.getfixturevalue("emulated")

    report = await validate(savers)

    results = report.results
    assert set(results) == {capability.value for capability in Capability}
    assert len(results) == 8
    assert {name: result.failures for name, result in results.items() if result.failures} == {}
    assert all(result.detected and result.passed for result in results.values())
    assert sum(result.tests_passed for result in results.values()) >= 81
