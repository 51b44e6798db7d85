"""The image as its file describes it: what enters, who runs, what is told to stop it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """The keyword and the rest of each instruction, with its lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (HOUSE / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(keyword, " ".join(rest.split())) for keyword, rest in pairs]


def last_stage() -> list[Instruction]:
    """What the image is made of; the stages before it only lend their files."""
    found = instructions()
    start = max(n for n, (keyword, _) in enumerate(found) if keyword == "FROM")
    return found[start:]


def values(found: list[Instruction], keyword: str) -> list[str]:
    return [rest for name, rest in found if name == keyword]


def sources() -> list[str]:
    """What is copied from this tree, and not from a stage."""
    copies = [shlex.split(rest) for rest in values(instructions(), "COPY")]
    return [source for words in copies if "--from=build" not in words for source in words[:-1]]


def test_every_stage_stands_on_one_base_that_can_be_given_by_digest() -> None:
    found = instructions()

    assert values(found, "ARG") == ["PYTHON=python:3.11-slim-bookworm"]
    assert values(found, "FROM") == ["${PYTHON} AS build", "${PYTHON}"]


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_is_there_and_is_not_ignored(source: str) -> None:
    assert (HOUSE / source).exists()
    assert not ignored(source.rstrip("/"))


@pytest.mark.parametrize("name", [".git", ".venv", ".assay", ".env", "tests", "assay.toml"])
def test_nothing_else_enters_a_build(name: str) -> None:
    assert ignored(name)


def test_every_room_and_the_front_door_are_copied() -> None:
    rooms = {path.resolve().name for path in (HOUSE / "src/assay").iterdir() if path.is_symlink()}

    assert {f"{room}/" for room in rooms} | {"src/", "pyproject.toml"} <= set(sources())


def test_the_scripts_that_it_runs_can_be_executed() -> None:
    named = set(re.findall(r"deploy/\w+\.sh", " ".join(values(instructions(), "RUN"))))

    assert named == {f"deploy/{n}.sh" for n in ("libraries", "program", "trim", "proof")}
    for script in (HOUSE / "deploy").glob("*.sh"):
        assert os.access(script, os.X_OK), script
        assert script.read_text().startswith("#!/bin/sh\n")
        assert "set -eu" in script.read_text()


def test_it_runs_as_a_numbered_user_who_is_not_root() -> None:
    """By number, so that an orchestrator that forbids root can see that it is not."""
    (user,) = values(last_stage(), "USER")

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert last_stage().index(("USER", user)) > max(
        n for n, (keyword, _) in enumerate(last_stage()) if keyword in ("RUN", "COPY")
    )


def test_all_that_it_writes_lies_on_the_mounted_folder() -> None:
    stage = last_stage()
    environment = dict(word.split("=", 1) for word in shlex.split(values(stage, "ENV")[0]))

    assert values(stage, "VOLUME") == ['["/data"]']
    assert values(stage, "WORKDIR") == ["/data"]
    assert environment["HOME"] == "/data"
    assert environment["ASSAY_HOME"].startswith("/data/")
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_signals_reach_the_program_and_any_command_is_passed_on() -> None:
    """A shell between them would keep SIGTERM to itself."""
    (entry,) = values(last_stage(), "ENTRYPOINT")
    (command,) = values(last_stage(), "CMD")

    assert json.loads(entry) == ["tini", "--", "assay"]
    assert json.loads(command) == ["worker"]
    assert "install -y --no-install-recommends tini" in " ".join(values(last_stage(), "RUN"))


def test_its_health_is_asked_without_a_shell() -> None:
    (health,) = values(last_stage(), "HEALTHCHECK")

    program, *_ = json.loads(health.partition(" CMD ")[2])

    assert program == "python"
    assert "--timeout=" in health


@pytest.mark.parametrize("path", ["/healthz", "/else"])
def test_its_health_is_what_the_worker_says(path: str) -> None:
    """The command of the image, asked of a server on another port."""
    (health,) = values(last_stage(), "HEALTHCHECK")
    _, *arguments = json.loads(health.partition(" CMD ")[2])
    with HTTPServer(("127.0.0.1", 0), Alive) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        there = [
            a.replace("8080", str(server.server_port)).replace("/healthz", path) for a in arguments
        ]
        asked = subprocess.run([sys.executable, *there], timeout=60, check=False)

    assert asked.returncode == (0 if path == "/healthz" else 1)


class Alive(BaseHTTPRequestHandler):
    """Alive, and nothing else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:
        """Nothing to standard error."""


def test_what_runs_in_production_is_what_is_tested() -> None:
    """The pins of run.txt and build.txt are those of dev.txt, and all that Assay names is there."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["google"]]
    tested, runs, builds = pins("dev"), pins("run"), pins("build")

    assert {re.split(r"[\[<>=~!]", line)[0] for line in named} <= set(runs)
    assert {*runs.items(), *builds.items()} <= set(tested.items())
    assert {"pytest", "mypy", "ruff", "hatchling"} & set(runs) == set()
    assert "hatchling" in builds


def test_the_page_on_it_says_what_its_files_say() -> None:
    page = (HOUSE / "docs" / "deploy.md").read_text()
    stage = last_stage()

    assert page.count(values(instructions(), "ARG")[0].partition("=")[2]) == 2
    assert page.count(values(stage, "USER")[0]) == 1
    assert "`ASSAY_HEALTH=:8080`" in page
    assert [s for s in re.findall(r"deploy/\w+\.sh", page) if not (HOUSE / s).exists()] == []
    assert {p.name for p in (HOUSE / "deploy").glob("*.sh")} <= set(re.findall(r"\w+\.sh", page))


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((HOUSE / "requirements" / f"{name}.txt").read_text()))


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a path out; of the lines that fit, the last one counts."""
    out = False
    for line in (HOUSE / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("/")
        tops = (name, name.split("/")[0])
        if line and not line.startswith("#") and any(fnmatchcase(top, pattern) for top in tops):
            out = not line.startswith("!")
    return out
