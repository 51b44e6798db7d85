"""A working copy that is made anew is the one that was recorded last, whatever was done to it."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.errors import StateCorrupted, StoreUnavailable, WorkspaceRefused
from assay.graphs.execution import Status, StepResult
from assay.graphs.history import History
from assay.graphs.workspace import copy as copies
from assay.graphs.workspace.bounds import Bounds, Workspaces
from assay.graphs.workspace.copy import WorkingCopy
from assay.graphs.workspace.keeping import PACK, SMALL
from assay.store.blobs import FolderBlobs

pytestmark = pytest.mark.anyio

NAMES = ("a", "b", "c/d", "c/e/f", "c/e/g", "h h/ü", "h h/-rf")


async def at_once(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


@dataclass
class Story:
    """An execution whose steps work in one folder after the other, on one machine or two."""

    root: Path
    results: dict[str, StepResult] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def blobs(self) -> FolderBlobs:
        return FolderBlobs(self.root / "blobs")

    async def copy(self, home: str = "one") -> WorkingCopy:
        """As a process makes it that has read the journal."""
        workspaces = Workspaces(self.root / home, self.bounds)
        history = History(dict(self.results))
        made = WorkingCopy(workspaces, "x", history, self.blobs, at_once)
        await made.ready()
        return made

    async def record(self, copy: WorkingCopy, path: str = "") -> Mapping[str, Any]:
        path = path or f"s{len(self.results)}"
        left: list[Mapping[str, Any]] = []
        await copy.record(path, left.append)
        files = orjson.loads(orjson.dumps(left[0]))
        self.results[path] = result(path, len(self.results) + 1, files)
        return dict(files)


def result(path: str, seq: int, files: Mapping[str, Any]) -> StepResult:
    return StepResult(path, path, "shell", Status.COMPLETED, seq=seq, files=files)


def seen(folder: Path) -> dict[str, Any]:
    """Everything in a folder, looked at in the plainest way."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name, mode = str(path.relative_to(folder)), path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[name] = ("link", os.readlink(path))
        elif stat.S_ISDIR(mode):
            found[name] = ("folder", stat.S_IMODE(mode))
        else:
            found[name] = ("file", stat.S_IMODE(mode), path.read_bytes())
    return found


@dataclass(frozen=True)
class Do:
    """One thing that a step does to its files."""

    what: str
    name: str
    other: str
    size: int
    mode: int

    def to(self, folder: Path) -> None:
        path, other = folder / self.name, folder / self.other
        try:
            self._do(path, other)
        except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError):
            pass  # it is not in the state for that
        except OSError as error:
            if error.errno not in (22, 39, 40):  # into itself, not empty, in a circle
                raise

    def _do(self, path: Path, other: Path) -> None:
        match self.what:
            case "write":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(bytes([self.size % 251]) * self.size)
                path.chmod(self.mode | 0o600)
            case "sneak":  # other bytes of the same size, and the time as it was
                before = path.stat()
                path.write_bytes(bytes([self.mode % 251]) * before.st_size)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            case "folder":
                path.mkdir(parents=True)
            case "remove":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            case "mode":
                if not path.is_symlink():
                    path.chmod(self.mode | (0o700 if path.is_dir() else 0o600))
            case "move":
                other.parent.mkdir(parents=True, exist_ok=True)
                path.rename(other)
            case "link":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(os.path.relpath(other, path.parent))


DOINGS = st.builds(
    Do,
    st.sampled_from(["write", "write", "sneak", "folder", "remove", "mode", "move", "link"]),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from([0, 1, 100, SMALL, SMALL + 1]),
    st.sampled_from([0o600, 0o644, 0o755, 0o700]),
)

THEN = st.sampled_from(["go on", "go on", "killed", "elsewhere"])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.lists(DOINGS, max_size=6), THEN), min_size=1, max_size=6))
def test_whatever_steps_do_is_there_again_exactly(steps: list[tuple[list[Do], str]]) -> None:
    """A step that was killed in the middle has changed nothing."""

    async def play(root: Path) -> None:
        story = Story(root)
        copy = await story.copy()
        recorded: dict[str, Any] = {}
        for number, (doings, then) in enumerate(steps):
            for doing in doings:
                doing.to(copy.folder)
            if then != "killed":
                try:
                    await story.record(copy)
                except WorkspaceRefused:  # a link that leads in a circle of links, outside
                    assert seen(copy.folder) == recorded
                recorded = seen(copy.folder)
            if then != "go on":
                copy = await story.copy("one" if then == "killed" else f"home{number}")
            assert seen(copy.folder) == recorded

    with tempfile.TemporaryDirectory() as root:
        asyncio.run(play(Path(root)))


async def test_only_what_is_missing_is_fetched(tmp_path: Path) -> None:
    """What a killed process left is used where its bytes are right, and then it is removed."""
    story = Story(tmp_path)
    left = await story.copy()
    for name in ("same", "other"):
        (left.folder / name).write_bytes(name.encode() * SMALL)
    await story.record(left)
    (left.folder / "other").write_text("half written")
    blobs = {p.name: p for p in (tmp_path / "blobs").rglob("*") if p.is_file()}
    same = story.results["s0"].files["changed"]["same"][3]
    blobs[same].unlink()

    again = await story.copy()

    assert seen(again.folder).keys() == {"same", "other"}
    assert (again.folder / "other").read_bytes() == b"other" * SMALL
    assert list((tmp_path / "one" / "x").iterdir()) == [again.folder]


async def test_many_small_files_are_few_blobs(tmp_path: Path) -> None:
    story = Story(tmp_path)
    copy = await story.copy()
    for number in range(1000):
        (copy.folder / f"f{number}").write_text(f"{number}\n" * 200)
    files = await story.record(copy)
    total = sum(entry[2] for entry in files["changed"].values())

    kept = [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]
    assert len(kept) <= total // (PACK - SMALL) + 1
    assert seen((await story.copy("two")).folder) == seen(copy.folder)


async def test_what_has_been_kept_is_not_kept_again(tmp_path: Path) -> None:
    """Renamed, copied, touched and made executable: the bytes are there."""
    story = Story(tmp_path)
    copy = await story.copy()
    for name in ("a", "b", "c"):
        (copy.folder / name).write_text(f"this is {name}")
    await story.record(copy)
    before = sorted((tmp_path / "blobs").rglob("*"))
    (copy.folder / "a").rename(copy.folder / "moved")
    shutil.copy(copy.folder / "b", copy.folder / "copied")
    (copy.folder / "b").chmod(0o755)
    (copy.folder / "c").touch()
    files = await story.record(copy)

    assert sorted((tmp_path / "blobs").rglob("*")) == before
    assert files["changed"].keys() == {"a", "moved", "copied", "b"}
    assert seen((await story.copy("two")).folder) == seen(copy.folder)


async def test_a_file_that_is_written_to_while_it_is_kept_is_whole(tmp_path: Path) -> None:
    """What another branch writes may be kept half, but as one moment had it."""
    story = Story(tmp_path)
    copy = await story.copy()
    busy = copy.folder / "busy"
    done = asyncio.Event()

    def write() -> None:
        for number in range(400):
            busy.write_bytes(bytes([number % 251]) * (SMALL + number))

    async def writing() -> None:
        await asyncio.to_thread(write)
        done.set()

    writer = asyncio.create_task(writing())
    while not done.is_set():
        await story.record(copy)
    await writer
    await story.record(copy)

    assert seen((await story.copy("two")).folder) == seen(copy.folder)


async def test_a_change_shows_although_size_and_time_are_as_they_were(tmp_path: Path) -> None:
    """Of a file that was left alone for a while, and that is not read at every step."""
    story = Story(tmp_path)
    copy = await story.copy()
    (copy.folder / "f").write_text("old")
    (copy.folder / "g").write_text("new")
    await asyncio.sleep(0.15)  # a tick of the file system's clock
    await story.record(copy)
    assert copy._signs.keys() == {"f", "g"}

    Do("sneak", "f", "", 0, 7).to(copy.folder)
    files = await story.record(copy)

    assert files["changed"].keys() == {"f"}
    assert (copy.folder / "f").read_bytes() == b"\7\7\7"


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("../x", ["f", 0o644, 1, "0" * 64]),
        ("a/../../x", ["d", 0o755]),
        ("/etc/x", ["d", 0o755]),
        ("a//b", ["d", 0o755]),
        ("", ["d", 0o755]),
        ("nul\0", ["d", 0o755]),
        ("no/folder", ["f", 0o644, 1, "0" * 64]),
        ("l/x", ["f", 0o644, 1, "0" * 64]),
        ("f", ["f", "rw", 1, "0" * 64]),
        ("f", ["?"]),
    ],
)
async def test_a_journal_that_somebody_has_forged_leads_nowhere(
    path: str, entry: list[Any], tmp_path: Path
) -> None:
    story = Story(tmp_path)
    changed = {"l": ["l", ".."], path: entry}
    story.results["s"] = result("s", 1, {"changed": changed, "with": []})

    with pytest.raises(StateCorrupted, match="in the workspace"):
        await story.copy()


async def test_a_hostile_id_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for id in ("../../x", "..", ".", "a/b"):
        made = WorkingCopy(
            Workspaces(tmp_path / "home"), id, History(), FolderBlobs(tmp_path), at_once
        )
        await made.ready()

        assert made.folder.parent.parent == tmp_path / "home"


async def test_names_that_are_not_text_are_refused(tmp_path: Path) -> None:
    story = Story(tmp_path)
    copy = await story.copy()
    (copy.folder / "ok").write_text("kept")
    await story.record(copy)
    (copy.folder / os.fsdecode(b"\xff")).touch()

    with pytest.raises(WorkspaceRefused, match="not UTF-8"):
        await story.record(copy)
    assert seen(copy.folder) == {
        "ok": ("file", stat.S_IMODE((copy.folder / "ok").stat().st_mode), b"kept")
    }


async def test_a_copy_is_out_of_the_way_at_once(tmp_path: Path) -> None:
    story = Story(tmp_path)
    copy = await story.copy()
    (copy.folder / "locked").mkdir()
    (copy.folder / "locked" / "f").touch()
    (copy.folder / "locked").chmod(0)
    copy.remove()

    assert [p.name.startswith(copies._GONE) for p in (tmp_path / "one").iterdir()] in ([True], [])


class Full(FolderBlobs):
    """A disk that has no room for a while."""

    room = False

    async def put(self, data: bytes | Path) -> str:
        if not self.room:
            raise StoreUnavailable("no space left on device")
        return await super().put(data)


async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """What is recorded then is what is there by then."""
    blobs, waits = Full(tmp_path / "blobs"), 0

    async def patiently(work: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal waits
        while True:
            try:
                return await work()
            except StoreUnavailable:
                waits += 1
                (copy.folder / "late").touch()
                blobs.room = waits > 1

    copy = WorkingCopy(Workspaces(tmp_path / "home"), "x", History(), blobs, patiently)
    await copy.ready()
    (copy.folder / "f").write_text("f")
    left: list[Mapping[str, Any]] = []
    await copy.record("s", left.append)

    assert waits == 2
    assert left[0]["changed"].keys() == {"f", "late"}
