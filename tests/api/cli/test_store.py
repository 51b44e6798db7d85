"""`assay store`: executions that go from one store to another, and a store that is looked after."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assay.graphs.execution import timestamp
from assay.graphs.firing import Firing, FiringStatus
from assay.store.connect import connect
from assay.store.sqlite.database import known_version

from .conftest import Tell, Told

if TYPE_CHECKING:
    from tests.emulators import Emulators

ASKS = """\
name: asks
outputs: {said: {type: string, value: "{{ greet.output }}"}}
steps:
  - {id: note, type: shell, command: "echo once >> note.txt", artifacts: {note: note.txt}}
  - {id: ask, type: approval, message: "Go on?"}
  - {id: greet, type: skill, skill: echo, inputs: {message: hello}}
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    (desk / "asks.yaml").write_text(ASKS)


class Stores:
    """The command over one store or another, by URL."""

    def __init__(self, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tell, self._monkeypatch = tell, monkeypatch

    def at(self, url: str, *arguments: str) -> Told:
        with self._monkeypatch.context() as there:
            there.setenv("ASSAY_STORE", url)
            if url.startswith("sqlite"):
                there.setenv("ASSAY_HOME", str(Path(url.removeprefix("sqlite:///")).parent))
            return self._tell(*arguments)

    def status(self, url: str, id: str) -> str:
        told = self.at(url, "status", id, "--json")
        status: str = json.loads(told.out)["status"]
        return status

    def parked(self, url: str) -> str:
        """The id of an execution that waits for an approval there."""
        assert self.at(url, "run", "asks.yaml", "-q").code == 3
        listed = json.loads(self.at(url, "list", "--json").out)
        id: str = listed[0]["execution_id"]
        return id

    def approve(self, url: str) -> Told:
        (question,) = json.loads(self.at(url, "questions", "--json").out)
        return self.at(url, "answer", question["id"], "--approve")


@pytest.fixture
def stores(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> Stores:
    return Stores(tell, monkeypatch)


@pytest.fixture
def one(desk: Path) -> str:
    return f"sqlite:///{desk}/one/assay.db"


@pytest.fixture
def two(desk: Path) -> str:
    return f"sqlite:///{desk}/two/assay.db"


@pytest.fixture
def cloud(emulated: Emulators) -> str:
    return f"firestore://test-{secrets.token_hex(8)}"


def test_a_parked_execution_goes_to_the_cloud_and_back_and_ends_there_right(
    stores: Stores, one: str, cloud: str, desk: Path
) -> None:
    id = stores.parked(one)
    moved = stores.at(one, "store", "move", id, "--to", cloud)
    assert (moved.code, moved.out) == (0, f"moved {id} (waiting) to {cloud}\n"), moved.err
    assert stores.status(cloud, id) == "waiting"
    assert f"moved to {cloud}" in stores.at(one, "status", id).out
    assert json.loads(stores.at(one, "questions", "--json").out) == []
    assert "moved to" in stores.at(one, "resume", id).err + stores.at(one, "retry", id).err

    assert stores.at(cloud, "store", "move", id, "--to", one).code == 0
    assert stores.status(one, id) == "waiting"
    assert stores.at(one, "store", "move", id, "--to", cloud).code == 0

    assert stores.approve(cloud).code == 0
    assert stores.status(cloud, id) == "completed"
    assert (desk / "note.txt").read_text() == "once\n"
    ended = json.loads(stores.at(cloud, "status", id, "--json").out)
    assert ended["outputs"] == {"said": "hello"}
    assert stores.at(cloud, "store", "check", "--deep").code == 0


def test_an_archive_goes_into_the_cloud_and_its_execution_goes_on_there(
    stores: Stores, one: str, cloud: str
) -> None:
    id = stores.parked(one)
    written = stores.at(one, "store", "export", id, "--to", "one.jsonl")
    assert (written.code, written.err) == (0, "one.jsonl: 1 execution, 1 file\n")
    assert stores.at(cloud, "store", "import", "one.jsonl").out == f"imported {id}\n"
    assert stores.at(cloud, "store", "import", "one.jsonl").out == f"there already {id}\n"
    assert stores.approve(cloud).code == 0
    assert stores.status(cloud, id) == "completed"
    again = stores.at(cloud, "store", "import", "one.jsonl")
    assert (again.code, again.out) == (0, f"there already {id}\n")
    # The file of what has ended comes back as well, and replaces nothing that is behind it.
    stores.at(cloud, "store", "export", "--to", "all.jsonl")
    behind = stores.at(one, "store", "import", "all.jsonl")
    assert behind.code == 2
    assert "is there already, as it was earlier: waiting" in behind.err
    skipped = stores.at(one, "store", "import", "all.jsonl", "--skip-existing")
    assert (skipped.code, skipped.out) == (0, f"there already {id}\n")


def test_what_is_cut_off_or_changed_is_refused_with_its_place(
    stores: Stores, one: str, two: str, desk: Path
) -> None:
    stores.parked(one)
    stores.at(one, "store", "export", "--to", "all.jsonl")
    lines = (desk / "all.jsonl").read_text().splitlines(keepends=True)
    question = next(n for n, line in enumerate(lines) if '"question"' in line)
    spoiled = {
        "cut.jsonl": (lines[:question], question + 1, "was cut off"),
        "middle.jsonl": ([*lines[:question], lines[question][:50]], question + 1, "no JSON"),
        "left-out.jsonl": (
            lines[:question] + lines[question + 1 :],
            len(lines) - 2,
            "not what was written",
        ),
        "other.jsonl": (["hello\n"], 1, "no JSON"),
        "newer.jsonl": (['{"assay":"archive","format":99}\n'], 1, "upgrade"),
        "empty.jsonl": ([], 1, "was cut off"),
        "list.jsonl": (["[1]\n"], 1, "no line of an archive"),
        "twice.jsonl": (lines + lines[:1], len(lines) + 1, "more after the trailer"),
    }
    for name, (text, number, says) in spoiled.items():
        (desk / name).write_text("".join(text))
        refused = stores.at(two, "store", "import", name)
        assert refused.code == 2, name
        assert f"{name}, line {number}: " in refused.err, refused.err
        assert says in refused.err, refused.err
        if name != "twice.jsonl":
            assert json.loads(stores.at(two, "list", "--json").out) == [], name
    assert stores.at(two, "store", "import", "all.jsonl").code == 0


def test_an_execution_is_moved_to_one_place_only(
    stores: Stores, one: str, two: str, desk: Path
) -> None:
    id = stores.parked(one)
    assert stores.at(one, "store", "move", id, "--to", two).code == 0
    assert stores.at(one, "store", "move", id, "--to", two).code == 0  # once more does no harm
    third = f"sqlite:///{desk}/third/assay.db"
    refused = stores.at(one, "store", "move", id, "--to", third)
    assert refused.code == 2
    assert f"was moved to {two}; move it from there" in refused.err
    same = stores.at(one, "store", "move", id, "--to", one)
    assert "is the store they are in" in same.err


def test_what_has_ended_is_not_there_any_more_after_a_move(
    stores: Stores, one: str, two: str
) -> None:
    id = stores.parked(one)
    stores.approve(one)
    assert stores.at(one, "store", "move", id, "--to", two).code == 0
    assert stores.status(two, id) == "completed"
    assert json.loads(stores.at(one, "list", "--json").out) == []


def test_a_check_finds_nothing_and_then_a_file_that_is_gone(
    stores: Stores, one: str, desk: Path
) -> None:
    id = stores.parked(one)
    fine = stores.at(one, "store", "check", "--deep")
    assert (fine.code, fine.out) == (0, "nothing is wrong\n")
    (blob,) = [path for path in desk.glob("one/blobs/??/*") if path.is_file()]
    blob.write_bytes(b"other")
    wrong = stores.at(one, "store", "check", "--deep")
    assert wrong.code == 1
    assert f"file note.txt of execution {id}: " in wrong.out
    assert "put it back among the blobs" in wrong.out
    (finding,) = json.loads(stores.at(one, "store", "check", "--deep", "--json").out)
    assert set(finding) == {"of", "wrong", "remedy"}


def test_a_sweep_removes_what_a_deleted_execution_left(
    stores: Stores, one: str, desk: Path
) -> None:
    id = stores.parked(one)
    stores.at(one, "stop", id)
    (blob,) = [path for path in desk.glob("one/blobs/??/*") if path.is_file()]
    os.utime(blob, (1, 1))
    assert stores.at(one, "store", "sweep").out == "removed 0 files\n"
    stores.at(one, "store", "move", id, "--to", f"sqlite:///{desk}/two/assay.db")
    told = stores.at(one, "store", "sweep", "--check")
    assert (told.code, told.out) == (
        0,
        f"nobody refers to {blob.name}\nnobody refers to 1 file\n",
    )
    assert stores.at(one, "store", "sweep").out == f"removed {blob.name}\nremoved 1 file\n"
    assert not blob.exists()


def test_a_sweep_forgets_old_firings_with_the_files_that_they_name(
    stores: Stores, one: str, desk: Path
) -> None:
    async def fire() -> str:
        store = await connect(one)
        sha256 = await store.blobs(desk / "one" / "blobs").put(b"what came")
        times = {"old": "2020-01-01T00:00:00Z", "young": timestamp()}
        for id, at in times.items():
            firing = Firing(id, "t", "asks", at, id, {"sha256": sha256 if id == "old" else ""})
            await store.put_firing(replace(firing, status=FiringStatus.STARTED))
        await store.close()
        return sha256

    sha256 = asyncio.run(fire())
    (blob,) = [path for path in desk.glob("one/blobs/??/*") if path.is_file()]
    os.utime(blob, (1, 1))
    assert stores.at(one, "store", "sweep", "--check").out == "nobody refers to 0 files\n"
    told = stores.at(one, "store", "sweep").out
    assert told == f"forgot 1 old firing of triggers\nremoved {sha256}\nremoved 1 file\n"
    assert stores.at(one, "store", "sweep").out == "removed 0 files\n"


def test_a_migration_says_what_is_to_be_deployed(stores: Stores, one: str, cloud: str) -> None:
    nothing = stores.at(one, "store", "migrate", "--check")
    assert (nothing.code, nothing.out) == (0, f"{one}: there is nothing yet\n")
    done = stores.at(one, "store", "migrate")
    newest = known_version()
    assert (done.code, done.out) == (0, f"{one}: layout {newest} of {newest}\n")
    told = stores.at(cloud, "store", "migrate")
    assert told.code == 0
    assert told.out.startswith(f"{cloud}: layout 1 of 1\n")
    assert "gcloud firestore indexes fields update data --collection-group=parts" in told.out
