"""docs/api.md says what is so: its commands run and print what it prints, its tables are ours."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from assay.api.access import Operation, Role, decide
from assay.api.http.rest.routes import document
from assay.graphs.stored import Principal

from .conftest import Served

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- the end of a block ---"


@pytest.mark.anyio
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is missing: apt install jq")
async def test_its_commands_print_what_it_says(open_server: Served, tmp_path: Path) -> None:
    """In one shell, one after the other; `…` stands for anything."""
    commands, printed = zip(*pairs(), strict=True)
    script = f"\necho '{END}'\n".join(commands)
    done = await anyio.run_process(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "ASSAY_URL": open_server.url},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()

    for said, wanted in zip(done.stdout.decode().split(END), printed, strict=True):
        for one, other in zip(values(said), values(wanted), strict=True):
            assert alike(one, other), (one, other)


def pairs() -> Iterator[tuple[str, str]]:
    """Each block of commands, and the JSON below it, or nothing."""
    blocks = [(kind, body) for kind, body in BLOCK.findall(PAGE)]
    for (kind, body), (following, told) in zip(blocks, [*blocks[1:], ("sh", "")], strict=True):
        if kind == "sh":
            yield body, told if following == "json" else ""


def values(text: str) -> list[Any]:
    """Every JSON value in it; lines that are none are for people."""
    found, depth, value = [], 0, ""
    for line in text.replace("}{", "}\n{").splitlines():
        if depth or line.startswith("{"):
            value += line
            depth += line.count("{") - line.count("}")
            if not depth:
                found.append(orjson.loads(value))
                value = ""
    return found


def alike(said: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return said.keys() == wanted.keys() and all(alike(said[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list):
        return len(said) == len(wanted) and all(map(alike, said, wanted))
    if isinstance(wanted, str):
        parts = map(re.escape, wanted.split("…"))
        return isinstance(said, str) and re.fullmatch(".*".join(parts), said, re.DOTALL) is not None
    return bool(said == wanted)


def test_it_runs_something_and_says_what_comes_of_it() -> None:
    assert len(list(pairs())) >= 5
    assert not alike({"a": "b"}, {"a": "c"})
    assert not alike({"a": "b", "c": 1}, {"a": "…"})


def test_it_names_every_place_that_can_be_asked() -> None:
    """A row's later places stand behind its first one, or behind `/v1/executions`."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = set()
    for row in rows:
        first = ""
        for place in re.findall(r"`(?:[A-Z]+ )?(/[^`]*)`", row.split("|")[1]):
            first = first or place
            last = place.rpartition("/")[0]
            at = "/v1/executions" if place.startswith("/{id}/") else first
            named.add(place if place.startswith(("/v1/", "/hooks/")) else at + place)
            named.add(first.rpartition("/")[0] + place if last == "" else first)
    there = set(orjson.loads(document())["paths"])

    assert there - named == set()


@pytest.mark.parametrize("role", Role)
def test_its_table_of_roles_is_the_one_that_decides(role: Role) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{role}` | `"))
    said = set(row.split("|")[2].strip(" `").split())
    below = list(Role)[: list(Role).index(role)]

    def may(one: Role) -> set[str]:
        principal = Principal("x", "x", one)
        return {str(each) for each in Operation if decide(principal, each)}

    assert said == may(role) - {each for one in below for each in may(one)}
