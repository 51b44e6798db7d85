"""Names to things: built-ins, what is registered by hand, and what plugins bring."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from assay.graphs import registry
from assay.graphs.errors import NotRegistered
from assay.graphs.registry import Registry

GROUP = "assay.test"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed distribution that brings a `new` thing, and a `known` one of its own."""
    (tmp_path / "bringing_things.py").write_text("thing = 'from the plugin'\n")
    info = tmp_path / "bringing_things-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bringing-things\nVersion: 1\n")
    points = f"[{GROUP}]\nnew = bringing_things:thing\nknown = bringing_things:thing\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bringing_things", raising=False)
    monkeypatch.setattr(registry, "_installed", registry._installed.__wrapped__)
    return "bringing_things"


def things() -> Registry[str]:
    return Registry("thing", {"known": "our own"}, group=GROUP)


def test_a_plugin_is_imported_when_a_name_is_not_among_the_others(plugin: str) -> None:
    found = things()
    assert found.get("known") == "our own"
    assert "known" in found
    assert plugin not in sys.modules
    assert "new" in found
    assert found.get("new") == "from the plugin"


def test_a_plugin_replaces_nothing(plugin: str) -> None:
    found = things()
    found.register("new", "by hand")
    assert list(found) == ["known", "new"]
    assert [found.get(name) for name in found] == ["our own", "by hand"]


def test_a_list_and_a_copy_hold_what_plugins_bring(plugin: str) -> None:
    assert len(things()) == 2
    assert list(things()) == ["known", "new"]
    assert things().copy().get("new") == "from the plugin"


def test_a_name_that_nobody_brings_is_answered_with_the_nearest(plugin: str) -> None:
    with pytest.raises(NotRegistered, match="no thing is named 'knwon'; did you mean 'known'"):
        things().get("knwon")
    with pytest.raises(NotRegistered, match="there are: known, new"):
        things().get("x")
