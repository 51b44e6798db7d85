"""Files fire triggers: once each, whoever looks, and whenever nobody did."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assay.api.app import App, open_app
from assay.graphs.errors import LimitReached
from assay.graphs.firing import Firing, Trigger
from assay.graphs.listing import every
from assay.triggers import folder
from assay.triggers.file import Files, FileTrigger

from ..running import load, refused

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "graphs" / "examples"
WORKFLOW = {"name": "w", "steps": [{"id": "s", "type": "skill", "skill": "echo"}]}


class Looks:
    """A clock that stands still until the test moves it, and knows when it was looked at."""

    def __init__(self) -> None:
        self.time = 0.0
        self._looked = asyncio.Event()

    def __call__(self) -> float:
        self._looked.set()
        return self.time

    async def done(self) -> None:
        """When all that is so now has been seen, and has been told of if it was to be."""
        async with asyncio.timeout(60):
            for _ in range(3):  # one that began before now, one after, and the begin of a third
                self._looked.clear()
                await self._looked.wait()


class Watched:
    """A workspace, and a trigger that watches it as long as somebody does."""

    def __init__(self, app: App, workspace: Path) -> None:
        self.app, self.workspace = app, workspace
        self.trigger: Trigger

    async def watch(self, **fields: Any) -> None:
        fields = {"path": "in/*", "interval": "50ms", "settle": "0s", **fields}
        desk = self.app.triggers.desk
        self.trigger = await desk.create("w", {"type": "file", **fields})

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Looks]:
        """Within, one more looks at the files."""
        looks, desk = Looks(), self.app.triggers.desk
        files = Files(self.workspace, desk.store, looks)
        listen = files.listen(
            self.trigger, await desk.spec(self.trigger), partial(desk.fire, self.trigger)
        )
        task = asyncio.create_task(listen)
        try:
            await looks.done()
            yield looks
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def told(self) -> list[str]:
        """What came of files, as `event name`."""
        return sorted(f"{f.payload['event']} {f.payload['path']}" for f in await self.firings())

    async def firings(self) -> list[Firing]:
        read = self.app.triggers.desk.store.firings
        return [f async for f in every(read, trigger=self.trigger.id)]

    def write(self, name: str, text: str = "") -> None:
        """Another file in its place, complete at once."""
        path = self.workspace / "in" / name
        path.parent.mkdir(exist_ok=True)
        (self.workspace / "new").write_text(text)
        os.rename(self.workspace / "new", path)

    def remove(self, name: str) -> None:
        (self.workspace / "in" / name).unlink()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Watched]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    async with open_app(home=tmp_path / "home", workspace=workspace, environ={}) as app:
        await app.register(WORKFLOW)
        yield Watched(app, workspace)


ALL = ["created", "modified", "deleted"]


async def test_what_becomes_of_a_file_is_told_once(house: Watched) -> None:
    await house.watch(on=ALL)
    async with house.watching() as looks:
        house.write("a.csv", "1")
        await looks.done()
        house.write("a.csv", "22")
        await looks.done()
        house.remove("a.csv")
        await looks.done()

    gone, second, first = (firing.payload for firing in await house.firings())
    modified_at = first.pop("modified_at")
    assert first == {"path": "in/a.csv", "event": "created", "size": 1}
    assert modified_at.startswith("20")
    assert modified_at.endswith("Z")
    assert (second["event"], second["size"]) == ("modified", 2)
    assert gone == {"path": "in/a.csv", "event": "deleted", "size": None, "modified_at": None}


async def test_only_what_it_is_for_is_told(house: Watched) -> None:
    await house.watch(on=["modified"], path="in/*.csv")
    async with house.watching() as looks:
        house.write("a.csv", "1")
        house.write("b.txt", "1")
        await looks.done()
        house.write("a.csv", "2")
        house.write("b.txt", "2")
        await looks.done()
        house.remove("a.csv")
        await looks.done()

    assert await house.told() == ["modified in/a.csv"]


async def test_a_file_that_is_still_written_is_left_alone(house: Watched) -> None:
    await house.watch(settle="5s")
    async with house.watching() as looks:
        for text in ("1", "12", "123"):
            house.write("a.csv", text)
            await looks.done()
            looks.time += 4.9
        early = await house.told()
        looks.time += 0.1
        await looks.done()

    (firing,) = await house.firings()
    assert early == []
    assert firing.payload["size"] == 3


@pytest.mark.parametrize(("existing", "told"), [(False, []), (True, ["created in/old.csv"])])
async def test_files_that_were_there_before_are_created_only_if_it_says_so(
    house: Watched, existing: bool, told: list[str]
) -> None:
    house.write("old.csv")
    await house.watch(existing=existing)
    async with house.watching():
        pass
    async with house.watching() as looks:
        await looks.done()

    assert await house.told() == told


@pytest.mark.parametrize("patterns", [["in/*"], ["other/*", "in/*"]])
async def test_what_comes_between_the_definition_and_the_first_look_is_told(
    house: Watched, patterns: list[str]
) -> None:
    house.write("old.csv")
    for number, path in enumerate(patterns):
        one = {"type": "file", "path": path, "interval": "50ms", "settle": "0s"}
        await house.app.register({**WORKFLOW, "version": f"2.{number}", "triggers": [one]})
    house.trigger = await house.app.manager.store.trigger("w.file")
    house.write("new.csv")

    async with house.watching() as looks:
        await looks.done()

    assert await house.told() == ["created in/new.csv"]


async def test_what_happened_while_nobody_looked_is_told_afterwards(house: Watched) -> None:
    for name in ("kept", "changed", "gone"):
        house.write(name, "1")
    await house.watch(on=ALL)
    async with house.watching():
        pass
    house.write("changed", "22")
    house.write("new", "1")
    house.remove("gone")

    for _ in range(2):
        async with house.watching() as looks:
            await looks.done()

    assert await house.told() == ["created in/new", "deleted in/gone", "modified in/changed"]


async def test_a_pattern_that_was_changed_begins_anew(house: Watched) -> None:
    await house.watch(path="other/*")
    async with house.watching():
        pass
    house.write("a.csv")
    await house.app.triggers.desk.delete(house.trigger.id)
    await house.watch()
    async with house.watching() as looks:
        await looks.done()

    assert await house.told() == []


async def test_any_number_of_watchers_tell_of_a_file_once(house: Watched) -> None:
    await house.watch(on=ALL)
    async with AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(house.watching()) for _ in range(3)]
        for text in ("1", "22"):
            for name in "abcde":
                house.write(name, text)
            await asyncio.gather(*(looks.done() for looks in watchers))
        house.remove("a")
        await asyncio.gather(*(looks.done() for looks in watchers))

    expected = [f"{event} in/{name}" for event in ("created", "modified") for name in "abcde"]
    assert await house.told() == sorted([*expected, "deleted in/a"])


async def test_who_is_late_does_not_tell_of_what_others_have_told(house: Watched) -> None:
    house.write("a", "1")
    await house.watch(on=ALL, settle="5s")
    async with house.watching() as looks, house.watching() as late:
        for change in (partial(house.write, "a", "22"), partial(house.remove, "a")):
            change()
            await looks.done()
            looks.time += 5
            await looks.done()
        for _ in range(2):
            await late.done()
            late.time += 5
        await late.done()

    assert await house.told() == ["deleted in/a", "modified in/a"]


async def test_more_files_than_can_be_watched_are_said(
    house: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "LIMIT", 2)
    await house.watch()
    for name in "abc":
        house.write(name)

    with pytest.raises(LimitReached, match=r"more than 2 files fit 'in/\*'"):
        await listened(house)


async def test_more_names_than_can_be_remembered_are_said(house: Watched) -> None:
    await house.watch(path="in/**")
    (house.workspace / "in").mkdir()
    for _ in range(3000):
        (house.workspace / "in" / os.urandom(120).hex()).touch()

    with pytest.raises(LimitReached, match="the names of the files that fit"):
        await listened(house)


async def listened(house: Watched) -> None:
    files, desk = Files(house.workspace, house.app.triggers.desk.store), house.app.triggers.desk
    spec = await desk.spec(house.trigger)
    async with asyncio.timeout(60):
        await files.listen(house.trigger, spec, partial(desk.fire, house.trigger))


async def test_whoever_is_bound_learns_nothing_of_the_folder(
    house: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Their executions work elsewhere, and the names of files are somebody else's."""
    house.write("payroll.csv")
    await house.watch(existing=True)
    house.trigger = replace(house.trigger, profile="trusted")

    with caplog.at_level(logging.WARNING, "assay.triggers"):
        await listened(house)

    assert await house.told() == []
    assert caplog.messages[0].startswith(
        "trigger w.file watches no files: it is bound to the security profile 'trusted'"
    )


async def test_what_is_left_out_is_said_once(
    house: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    await house.watch()
    house.write("a")
    (house.workspace / "in" / "out").symlink_to(house.workspace.parent / "home")
    with caplog.at_level(logging.WARNING, "assay.triggers"):
        async with house.watching() as looks:
            await looks.done()

    assert caplog.messages == [
        "trigger w.file: in/out leads out of the workspace; it is not watched"
    ]


async def test_a_folder_that_is_not_there_yet_is_waited_for(house: Watched) -> None:
    """What is in it when it comes was there before."""
    house.write("old")
    away = house.workspace.with_name("away")
    os.rename(house.workspace, away)
    await house.watch()
    missed, looks, desk = asyncio.Event(), Looks(), house.app.triggers.desk
    noting = logging.getLogger("assay.triggers")

    def hear(record: logging.LogRecord) -> bool:
        missed.set()
        return True

    noting.addFilter(hear)
    files = Files(house.workspace, desk.store, looks)
    spec = await desk.spec(house.trigger)
    task = asyncio.create_task(files.listen(house.trigger, spec, partial(desk.fire, house.trigger)))
    async with asyncio.timeout(60):
        await missed.wait()
    os.rename(away, house.workspace)
    await looks.done()
    house.write("new")
    await looks.done()
    task.cancel()
    noting.removeFilter(hear)

    assert await house.told() == ["created in/new"]


async def test_the_example_counts_what_comes(house: Watched) -> None:
    desk, looks = house.app.triggers.desk, Looks()
    desk.kinds.register("file", Files(house.workspace, desk.store, looks))
    fired = asyncio.Queue[Firing]()
    async with house.app.triggers.running():
        heard = desk.fired

        def hear(firing: Firing) -> None:
            heard(firing)
            fired.put_nowait(firing)

        desk.fired = hear
        await house.app.register(EXAMPLES / "on-files.yaml")
        await looks.done()
        (house.workspace / "inbox").mkdir()
        (house.workspace / "inbox" / "a b.csv").write_text("1\n2\n3\n")
        await looks.done()
        looks.time += 1
        async with asyncio.timeout(60):
            firing = await fired.get()
        begun = await desk.settled(firing, 30)
        execution = await house.app.wait(begun.execution_id)

    assert execution.outputs == {"lines": 3}
    assert execution.inputs == {"path": "inbox/a b.csv"}


WRONG = [
    ("path: ¶/etc/passwd", "'path': '/etc/passwd' is absolute"),
    ("path: ¶../x", "leaves the workspace"),
    ("path: x, on: ¶[]", "'on' is empty"),
    ("path: x, on: [¶renamed]", "'renamed' is not one of 'created', 'modified' or 'deleted'"),
    ("path: x, interval: ¶1ms", "greater than or equal to 0.05"),
    ("path: x, settle: ¶-1s", "is not a duration"),
]


@pytest.mark.parametrize(("fields", "says"), WRONG)
def test_what_is_wrong_is_told_where_it_is(fields: str, says: str) -> None:
    refused(workflow(fields), says)


def test_it_means_what_the_page_of_fields_says() -> None:
    (trigger,) = load(workflow("path: in/*.csv")).workflow.triggers

    assert isinstance(trigger, FileTrigger)
    assert (trigger.on, trigger.settle, trigger.interval, trigger.existing) == (
        ("created", "modified"), 1.0, 1.0, False,
    )  # fmt: skip


def workflow(fields: str) -> str:
    return f"""
        name: w
        triggers: [{{type: file, {fields}}}]
        steps: [{{id: s, type: sleep, duration: 1s}}]
        """
