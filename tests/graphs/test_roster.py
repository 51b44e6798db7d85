"""Providers by name: registered once, found from any thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from assay.graphs import roster
from assay.graphs.errors import ProviderConflict, ProviderNotFound
from assay.graphs.providers.mock import MockProvider
from assay.graphs.roster import Providers


class Named(MockProvider):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def name(self) -> str:
        return self._name


def test_what_was_registered_is_found_and_listed_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    providers, mock = Providers(), MockProvider()

    with caplog.at_level(logging.INFO, "assay.providers"):
        providers.register(mock)
        providers.register(Named("another"))

    assert providers.get("mock") is mock
    assert (providers.has("mock"), providers.has("none")) == (True, False)
    assert providers.list() == ["another", "mock"]
    assert caplog.messages == ["provider mock is registered", "provider another is registered"]


def test_a_second_one_of_a_name_is_refused_and_the_first_stays() -> None:
    providers, first = Providers(), MockProvider()
    providers.register(first)

    with pytest.raises(ProviderConflict, match="'mock' is registered already"):
        providers.register(MockProvider())

    assert providers.get("mock") is first


def test_a_name_that_nobody_has_is_told_with_the_nearest() -> None:
    providers = Providers()
    providers.register(MockProvider())

    with pytest.raises(ProviderNotFound, match=r"'moc'; did you mean 'mock'\?"):
        providers.get("moc")


def test_of_threads_that_register_one_name_at_once_one_succeeds() -> None:
    providers, start = Providers(), threading.Barrier(16)

    def register(number: int) -> bool:
        start.wait()
        try:
            providers.register(Named(f"p{number % 4}"))
        except ProviderConflict:
            return False
        return providers.has(f"p{number % 4}")

    with ThreadPoolExecutor(16) as threads:
        done = list(threads.map(register, range(16)))

    assert (sum(done), providers.list()) == (4, ["p0", "p1", "p2", "p3"])


def test_readers_see_all_of_a_registration_or_nothing() -> None:
    providers, over = Providers(), threading.Event()
    providers.register(MockProvider())

    def read() -> bool:
        while not over.is_set():
            if any(providers.get(name).name() != name for name in providers.list()):
                return False
        return True

    with ThreadPoolExecutor(5) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        for number in range(200):
            providers.register(Named(f"p{number}"))
        over.set()
        assert [reader.result() for reader in readers] == [True] * 4

    assert len(providers.list()) == 201


def test_installed_providers_come_in_by_entry_points_and_replace_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Mapping[str, Any]] = []

    def installed(**of: Any) -> list[EntryPoint]:
        asked.append(of)
        return [EntryPoint("mock", f"{MockProvider.__module__}:MockProvider", roster.GROUP)]

    monkeypatch.setattr(roster, "entry_points", installed)
    own, providers = MockProvider(), Providers()
    providers.register(own)
    empty = Providers()

    assert providers.get("mock") is own
    assert asked == []
    assert empty.get("mock").name() == "mock"
    assert providers.list() == ["mock"]
    assert providers.get("mock") is own
    assert asked == [{"group": "assay.providers"}] * 2
