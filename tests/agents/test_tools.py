"""The tools themselves: what they give, and what they refuse."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.agents.tools import Reach, Tool, clean
from assay.agents.tools.files import ListFiles, ReadFile, SearchFiles, WriteFile
from assay.agents.tools.programs import RunCommand, RunTests
from assay.agents.tools.reach import RESULT_LIMIT
from assay.agents.tools.web import HttpGet
from assay.graphs.errors import AssayError, HttpFailed, LimitReached, NotAllowed
from assay.graphs.profiles import profile

from .conftest import alive

pytestmark = pytest.mark.anyio

Write = Callable[[str, str], Path]


@pytest.fixture
def reach(tmp_path: Path) -> Reach:
    return _reach(tmp_path, "trusted")


def _reach(workspace: Path, name: str) -> Reach:
    environ = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "sk-secret"}
    return Reach(workspace, profile(name), environ)


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.txt").write_text("secret")
    return folder


async def test_what_is_written_can_be_read_listed_and_found(reach: Reach) -> None:
    wrote = await WriteFile(path="src/a.py", content="one\ntwo\n").work(reach)
    assert wrote == "wrote 8 bytes to src/a.py"
    assert await ReadFile(path="src/a.py").work(reach) == "one\ntwo"
    assert await ListFiles().work(reach) == "src/a.py (8)"
    assert await SearchFiles(text="TWO").work(reach) == "src/a.py:2: two"


async def test_some_lines_of_a_file_say_which_they_are(reach: Reach, write: Write) -> None:
    write("long.txt", "\n".join(str(n) for n in range(1, 11)))
    some = await ReadFile(path="long.txt", first_line=3, lines=2).work(reach)
    assert some == "3\n4\n[lines 3 to 4 of 10]"


class Overtaken(Reach):
    """A program of the agent's puts a link in place of a folder once its path was judged."""

    def inside(self, path: str, *, write: bool = False) -> Path:
        target = super().inside(path, write=write)
        folder = self.workspace / "folder"
        if not folder.is_symlink():
            folder.rename(self.workspace / "was")
            folder.symlink_to(self.workspace.parent / "elsewhere")
        return target


@pytest.mark.parametrize(
    "call",
    [
        ReadFile(path="folder/secret.txt"),
        ListFiles(path="folder"),
        SearchFiles(text="secret", path="folder"),
        WriteFile(path="folder/made.txt", content="mine"),
    ],
)
async def test_a_link_that_comes_after_its_path_was_judged_leads_nowhere(
    tmp_path: Path, call: Tool
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.txt").write_text("secret")
    (tmp_path / "workspace" / "folder").mkdir(parents=True)
    (tmp_path / "workspace" / "folder" / "secret.txt").write_text("harmless")
    reach = Overtaken(tmp_path / "workspace", profile("restricted"), {})

    with pytest.raises((NotAllowed, OSError)):
        await call.work(reach)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["secret.txt"]


async def test_folders_without_end_are_not_gone_through_without_end(reach: Reach) -> None:
    folder = reach.workspace
    for _ in range(150):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "bottom.txt").write_text("deep")
    (reach.workspace / "top.txt").write_text("deep")

    assert await ListFiles().work(reach) == "top.txt (4)"
    assert await SearchFiles(text="deep").work(reach) == "top.txt:1: deep"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "link/secret.txt", "loop/x"])
async def test_a_path_that_leads_outside_is_refused(reach: Reach, outside: Path, path: str) -> None:
    (reach.workspace / "link").symlink_to(outside)
    (reach.workspace / "loop").symlink_to(reach.workspace / "loop")
    before = sorted(outside.iterdir())
    for call in (ReadFile(path=path), WriteFile(path=path, content="x"), ListFiles(path=path)):
        with pytest.raises(NotAllowed, match=r"outside the workspace|cannot be followed|no 'loop"):
            await call.work(reach)
    assert sorted(outside.iterdir()) == before


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(st.sampled_from(["..", ".", "a", "up", "~", "/", "\0", "é"]), max_size=6))
def test_no_path_leads_outside(tmp_path: Path, parts: list[str]) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir(exist_ok=True)
    if not (workspace / "up").is_symlink():
        (workspace / "up").symlink_to("..")
    reach = _reach(workspace, "trusted")
    try:
        target = reach.inside("/".join(parts))
    except NotAllowed:
        return
    assert target.resolve().is_relative_to(workspace.resolve())


async def test_a_link_within_the_workspace_is_followed(reach: Reach, write: Write) -> None:
    write("real.txt", "real")
    (reach.workspace / "link.txt").symlink_to("real.txt")
    assert await ReadFile(path="link.txt").work(reach) == "real"


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", ".GIT/config", "sub/.assay/x"])
async def test_what_others_execute_or_believe_is_not_written(reach: Reach, path: str) -> None:
    with pytest.raises(NotAllowed, match="protected"):
        await WriteFile(path=path, content="#!/bin/sh").work(reach)


@pytest.mark.parametrize("path", [".assay/blobs/x", "./.ASSAY/blobs/x", "link"])
async def test_what_others_were_told_is_not_read(reach: Reach, write: Write, path: str) -> None:
    write(".assay/blobs/x", "of another execution")
    (reach.workspace / ".ASSAY").symlink_to(".assay")
    (reach.workspace / "link").symlink_to(".assay/blobs/x")
    for tool in (ReadFile(path=path), ListFiles(path=path), SearchFiles(text="of", path=path)):
        with pytest.raises(NotAllowed, match="Assay's own"):
            await tool.work(reach)


async def test_what_is_no_text_in_a_plain_file_is_refused(reach: Reach) -> None:
    (reach.workspace / "image").write_bytes(b"\x89PNG\0")
    (reach.workspace / "folder").mkdir()
    os.mkfifo(reach.workspace / "pipe")
    for path, why in [("image", "binary"), ("folder", "a folder"), ("pipe", "not a plain file")]:
        with pytest.raises(NotAllowed, match=why):
            await ReadFile(path=path).work(reach)
    with pytest.raises(NotAllowed, match="not a plain file"):
        await WriteFile(path="folder", content="x").work(reach)


async def test_a_large_result_is_cut_and_says_how_much_is_missing(
    reach: Reach, write: Write
) -> None:
    write("wide.txt", "x" * (RESULT_LIMIT + 5))
    text = await ReadFile(path="wide.txt").work(reach)
    assert text.endswith("[… 5 characters left out …]\n")
    with pytest.raises(LimitReached):
        await WriteFile(path="big.txt", content="x" * (1024 * 1024 + 1)).work(reach)


async def test_a_search_passes_over_what_it_cannot_read(reach: Reach, write: Write) -> None:
    write("a.txt", "needle")
    write("node_modules/b.txt", "needle")
    (reach.workspace / "c.bin").write_bytes(b"needle\0")
    assert await SearchFiles(text="needle").work(reach) == "a.txt:1: needle"
    assert "was not found" in await SearchFiles(text="thread").work(reach)


def test_text_for_a_model_has_no_nul_and_no_half_characters() -> None:
    assert clean("a\0b\ud800c\udcff") == "a\u2400b?c?"


async def test_a_command_tells_its_status_and_all_it_wrote(reach: Reach) -> None:
    told = await RunCommand(command="echo out; echo err >&2; exit 3").work(reach)
    assert told.startswith("[exit status 3]\n")
    assert "out" in told
    assert "err" in told


async def test_a_command_that_takes_too_long_is_stopped_with_what_it_started(
    reach: Reach,
) -> None:
    command = "echo begun; sleep 60 & echo $! > pid; wait"
    told = await RunCommand(command=command, timeout_seconds=1).work(reach)
    assert told == "[stopped after 1 seconds, with all it had started]\nbegun\n"
    assert not alive(int((reach.workspace / "pid").read_text()))


async def test_only_trusted_programs_see_the_keys(tmp_path: Path) -> None:
    seen = [
        await RunCommand(command="echo ${OPENAI_API_KEY-none}").work(_reach(tmp_path, name))
        for name in ("standard", "trusted")
    ]
    assert [s.splitlines()[1] for s in seen] == ["none", "sk-secret"]


async def test_the_tests_of_the_workspace_are_run(reach: Reach, write: Write) -> None:
    write("test_a.py", "def test_yes(): pass\ndef test_no(): assert 0\n")
    told = await RunTests().work(reach)
    assert told.startswith("[exit status 1]")
    assert "1 failed, 1 passed" in told
    assert "1 passed" in await RunTests(path="test_a.py::test_yes").work(reach)


@pytest.mark.parametrize("path", ["--version", "../x", "absent.py"])
async def test_what_is_tested_lies_in_the_workspace(reach: Reach, path: str) -> None:
    with pytest.raises(NotAllowed):
        await RunTests(path=path).work(reach)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/page")
            self.end_headers()
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("location", "/loop")
            self.end_headers()
        else:
            kind = "image/png" if self.path == "/image" else "text/plain; charset=utf-8"
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            host = self.headers["host"]
            self.wfile.write("grüezi".encode() if host.startswith("127.") else host.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_page_is_fetched_through_a_redirect(reach: Reach, site: str) -> None:
    told = await HttpGet(url=f"{site}/moved").work(reach)
    assert told == "[status 200, text/plain; charset=utf-8]\ngrüezi"
    assert "[not text; left out]" in await HttpGet(url=f"{site}/image").work(reach)
    with pytest.raises(LimitReached, match="redirected"):
        await HttpGet(url=f"{site}/loop").work(reach)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]",
                                  "169.254.169.254", "10.0.0.1", "0x7f.1"])  # fmt: skip
async def test_a_standard_agent_reaches_no_private_address(tmp_path: Path, host: str) -> None:
    with pytest.raises((NotAllowed, HttpFailed), match=r"not a public address|got no answer"):
        await HttpGet(url=f"http://{host}:9/").work(_reach(tmp_path, "standard"))


async def test_a_page_is_fetched_from_the_address_that_was_judged(
    tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again, the name could lead elsewhere: here, nowhere at all."""

    async def found(host: str, port: int | None) -> list[str]:
        return {"pages.invalid": ["127.0.0.1"], "inside.invalid": ["127.0.0.2"]}[host]

    monkeypatch.setattr("assay.agents.tools.web.addresses_of", found)
    monkeypatch.setattr("assay.agents.tools.web.is_public", lambda at: at == "127.0.0.1")
    reach = _reach(tmp_path, "standard")
    port = site.rpartition(":")[2]

    told = await HttpGet(url=f"http://pages.invalid:{port}/moved").work(reach)
    assert told == f"[status 200, text/plain; charset=utf-8]\npages.invalid:{port}"
    with pytest.raises(NotAllowed, match=r"inside\.invalid is not a public address"):
        await HttpGet(url=f"http://inside.invalid:{port}/moved").work(reach)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "http://", "page.html"])
async def test_only_web_addresses_are_fetched(reach: Reach, url: str) -> None:
    with pytest.raises(AssayError):
        await HttpGet(url=url).work(reach)
