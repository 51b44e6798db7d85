"""Killed where large values were decided, an execution goes on with them, or undoes with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .existence import Existence
from .forkserver import ForkServer
from .test_damage import begun, blobs, error_of, truncate
from .verdict import broken

SIZE = 100_000
WORKFLOW = """
name: decided
context: {mutable: {log: ""}}
steps:
  - {id: large, type: python, function: bulk, inputs: {size: 100000}}
  - {id: keep, type: set, values: {log: "{{ large.output + 'more' }}"}}
  - id: each
    type: foreach
    concurrency: 1
    items: "[large.output, 'yy']"
    steps:
      - id: made
        type: python
        function: mark
        inputs: {value: "{{ size(item) }}"}
        rollback:
          - id: undo
            type: python
            function: mark
            inputs: {value: "{{ [size(item), size(context.log), size(large.output), output] }}"}
      - {id: cut, type: python, function: die, when: index == 0}
  - {id: bad, type: assert, condition: "size(each.output) != 2", on_error: rollback, message: x}
"""

BEGUN = {("large", 1): 1, ("each[0].made", 1): 1, ("each[0].cut", 1): 1}
"""What has happened of it when it is killed; paths, attempts, how often."""


@pytest.fixture
def cut_off(server: ForkServer, tmp_path: Path) -> Existence:
    """An execution that was killed within the first item."""
    existence = Existence(server, tmp_path / "e", {"decided.yaml": WORKFLOW}, {}, {})
    assert existence.live() is None
    return existence


def decided(home: Path) -> list[Path]:
    """The large values, the largest first: those that were decided are longer than `large`."""
    return sorted(blobs(home), key=lambda path: -path.stat().st_size)


def test_it_goes_on_and_undoes_with_what_was_decided(cut_off: Existence) -> None:
    before = decided(cut_off.home)
    cut_off.live_on()
    left = cut_off.left()

    undone = {p: r.output for p, r in left.history.results.items() if p.endswith("undo")}
    assert undone == {
        "each[0].made/rollback.undo": [SIZE, SIZE + 4, SIZE, SIZE],
        "each[1].made/rollback.undo": [2, SIZE + 4, SIZE, 2],
    }
    assert broken(left, cut_off.kills) == []
    assert decided(cut_off.home) == before


@pytest.mark.parametrize("damage", [truncate, Path.unlink], ids=["truncated", "gone"])
def test_what_is_damaged_is_named_and_nothing_is_guessed(
    cut_off: Existence, damage: Callable[[Path], None]
) -> None:
    items, *_ = decided(cut_off.home)
    damage(items)

    assert cut_off.live() == "failed"
    error = error_of(cut_off)
    assert error.startswith("state_corrupted: ")
    assert "the decision `items` of step each" in error
    assert items.name in error
    assert begun(cut_off) == BEGUN
