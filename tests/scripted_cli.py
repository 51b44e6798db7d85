"""A coding agent's command line that does what a script says, as the real one's stream is written.

Run as a program it does its next turn of the script: `scripted_cli.py FOLDER [its own arguments]`.
Imported it writes scripts, and reads what the program was asked.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any

Act = dict[str, Any]

SESSION = "5e551011-0000-4000-8000-000000000001"


def init(session: str = SESSION, model: str = "claude-sonnet-4-5") -> Act:
    tools = ["Bash", "Read", "Write"]
    return _line(type="system", subtype="init", session_id=session, model=model, tools=tools)


def answer(id: str, *blocks: Act, tokens: tuple[int, int] = (100, 10)) -> list[Act]:
    """One answer of the model: each block is a line of its own, all with the same usage."""
    usage = {"input_tokens": tokens[0], "output_tokens": tokens[1]}
    return [
        _line(type="assistant", parent_tool_use_id=None, message={
            "id": id, "role": "assistant", "content": [block], "usage": usage,
        })
        for block in blocks
    ]  # fmt: skip


def text(said: str) -> Act:
    return {"type": "text", "text": said}


def use(id: str, name: str, **arguments: Any) -> Act:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def used(id: str, *, failed: bool = False) -> Act:
    block = {"type": "tool_result", "tool_use_id": id, "content": "…", "is_error": failed}
    return _line(type="user", message={"role": "user", "content": [block]})


def result(
    said: str,
    *,
    subtype: str = "success",
    session: str = SESSION,
    tokens: tuple[int, int] | None = None,
    usd: float | None = None,
) -> Act:
    more: dict[str, Any] = {}
    if tokens is not None:
        more["usage"] = {"input_tokens": tokens[0], "output_tokens": tokens[1]}
    if usd is not None:
        more["total_cost_usd"] = usd
    wrong = subtype != "success"
    given = {"type": "result", "subtype": subtype, "is_error": wrong, "session_id": session}
    return _line(**given, **({} if wrong else {"result": said}), **more)


def simply(said: str, **more: Any) -> list[Act]:
    """A run that answers at once."""
    return [init(), *answer("m1", text(said)), result(said, **more)]


def _line(**fields: Any) -> Act:
    return {"line": fields}


@dataclass(frozen=True)
class Started:
    """One start of the program: its arguments, what it was told, its variables."""

    arguments: list[str]
    told: str
    environ: dict[str, str]
    pid: int

    def after(self, flag: str) -> str:
        return self.arguments[self.arguments.index(flag) + 1]


class ScriptedCli:
    """A script in a folder: what each start of the program does, in order."""

    def __init__(self, folder: Path, *starts: Sequence[Act]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(__file__, folder / "cli.py")  # Whoever may read the script may run it.
        (folder / "script.json").write_text(json.dumps([list(acts) for acts in starts]))

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(self.folder / "cli.py"), str(self.folder)]

    @property
    def starts(self) -> list[Started]:
        paths = (self.folder / f"{number}.json" for number in count())
        there = takewhile(Path.exists, paths)
        return [Started(**json.loads(path.read_text())) for path in there]


def _play(folder: Path, arguments: list[str]) -> int:
    told = "" if "--no-stdin" in arguments else sys.stdin.read()
    number = _number(folder, {
        "arguments": arguments, "told": told, "environ": dict(os.environ), "pid": os.getpid(),
    })  # fmt: skip
    for act in json.loads((folder / "script.json").read_text())[number]:
        [(what, given)] = act.items()
        match what:
            case "line":
                _write(json.dumps(given) + "\n")
            case "raw":
                _write(given)
            case "stderr":
                sys.stderr.write(given)
            case "file":
                Path(given[0]).write_text(given[1])
            case "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            case "child":
                command = [sys.executable, "-c", "import time; time.sleep(600)"]
                child = subprocess.Popen(command)
                (folder / given).write_text(str(child.pid))
            case "await":
                while not (folder / given).exists():
                    time.sleep(0.01)
            case "farewell":
                signal.signal(signal.SIGTERM, lambda *_: _farewell(folder))
            case "hang":
                time.sleep(600)
            case "exit":
                return int(given)
    return 0


def _farewell(folder: Path) -> None:
    """Last words, when it is asked to end."""
    (folder / "farewell").touch()
    os._exit(0)


def _number(folder: Path, start: dict[str, Any]) -> int:
    """Which start this is, counted over the lives of the folder."""
    for number in count():
        path = folder / f"{number}.json"
        if not path.exists():
            path.with_suffix(".new").write_text(json.dumps(start))
            path.with_suffix(".new").rename(path)
            return number
    raise AssertionError


def _write(written: str) -> None:
    sys.stdout.write(written)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(_play(Path(sys.argv[1]), sys.argv[2:]))
