"""A worker is killed in the middle of a step, and one on another machine finds its files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

import assay
from assay.graphs.execution import Status

from ..running import mapping, store_url

pytestmark = pytest.mark.anyio

WORKFLOW = """
name: w
workspace: {mode: snapshot}
steps:
- id: make
  type: shell
  command: |
    mkdir -p src/empty; echo one > src/f; echo 'echo ran' > run; chmod 711 run; ln -s src/f link
    echo gone > gone; head -c 300000 /dev/zero > large
- {id: drop, type: shell, command: "rm gone; echo two >> src/f"}
- id: half
  type: shell
  command: |
    touch listed; find . | sort > listed; cat src/f >> listed; ./run >> listed
    stat -c %a run >> listed; cat listed; echo half > src/f; rm large run; mkdir new
    if test -e "$AGAIN"; then exit; fi
    touch "$AGAIN"; echo reached > "$AGAIN.pipe"; sleep 600
- {id: after, type: shell, command: "cat src/f; test ! -e large; test -d new; wc -l < listed"}
"""

FOUND = [".", "./large", "./link", "./listed", "./run", "./src", "./src/empty", "./src/f"]

FIRST = """
import asyncio, json, sys
import assay

async def main(url, home, document):
    async with assay.open(url, home=home, workspace=home) as app:
        started = await app.start(json.loads(document))
        print(started.id, flush=True)
        await app.wait(started.id)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.every_store
async def test_who_goes_on_elsewhere_has_the_files_as_they_were_before_the_step(
    tmp_path: Path,
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (two / "blobs").symlink_to(one / "blobs")  # as a store of one machine has them: elsewhere none
    url, sign = _url(one), tmp_path / "half is reached"
    pipe = tmp_path / f"{sign.name}.pipe"
    os.mkfifo(pipe)
    environ = {**os.environ, "AGAIN": str(sign)}
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FIRST, url, str(one), json.dumps(mapping(WORKFLOW))),
        stdout=asyncio.subprocess.PIPE,
        env=environ,
    )
    assert killed.stdout is not None
    id = (await killed.stdout.readline()).decode().strip()
    await asyncio.to_thread(pipe.read_text)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()

    async with assay.open(url, home=two, workspace=two, environ=environ) as app:
        app.manager.serve()
        done = await app.wait(id)

        assert done.status is Status.COMPLETED, done.error
        assert done.steps["half"].output.split() == [*FOUND, "one", "two", "ran", "711"]
        assert done.steps["after"].output.split()[0] == "half"
        await _until_gone(two / "workspaces" / id)
    assert os.listdir(one / "workspaces") == [id]

    async with assay.open(url, home=one, workspace=one) as app:
        # Whoever has left it there tidies up as soon as it works again.
        again = await app.start(
            {"name": "w", "steps": [{"id": "a", "type": "shell", "command": ":"}]}
        )
        await app.wait(again.id)
        await _until_gone(one / "workspaces" / id)


def _url(home: Path) -> str:
    url = store_url(home)
    return f"{url}?ttl=2" if url.startswith("firestore:") else url


async def _until_gone(folder: Path) -> None:
    async with asyncio.timeout(60):
        while folder.exists():  # noqa: ASYNC110 - what removes it says nothing of it
            await asyncio.sleep(0.02)
