"""`assay create`: a definition made by answering questions, saved, and run if somebody wants."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import yaml

from ...graphs.errors import ConfigurationError
from .definitions import Reader
from .exits import CANCELLED, OK
from .output import Output
from .prompt import approve, ask_below, attended
from .run import Request, run
from .signals import signals
from .wizard import InputEndedError, Wizard


async def create(file: str | None) -> int:
    """Ask, show, save. Raises `ConfigurationError` when nobody sits at a terminal, or the file
    is there already."""
    if not attended():
        raise ConfigurationError(
            "assay create asks questions at a terminal, and there is none; write the definition "
            "yourself (`assay schema` helps an editor), then `assay validate` it"
        )
    if file is not None:
        _free(Path(file))
    out, reader = Output(), Reader()
    with signals() as stop:
        asking = asyncio.ensure_future(_asked(file, out, reader))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((asking, stopping), return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        stopping.cancel()
        (made, _) = await asyncio.gather(asking, stopping, return_exceptions=True)
    if isinstance(made, asyncio.CancelledError | InputEndedError):
        Output(sys.stderr).line("nothing was saved")
        return CANCELLED
    if isinstance(made, BaseException):
        raise made
    path, begin = made
    return await run(Request(str(path))) if begin else OK


async def _asked(file: str | None, out: Output, reader: Reader) -> tuple[Path, bool]:
    """Where it was saved, and whether it is to be run."""
    document = await Wizard(ask_below, out.line, reader).workflow()
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    out.line(f"\n{text}")
    path = Path(file or f"{document['name']}.yaml")
    _free(path)
    path.write_text(text)
    out.line(f"saved as {path}")
    for warning in reader.program(str(path)).warnings:
        out.line(str(warning))
    if document.get("triggers"):
        out.line(f"assay register {path} keeps it, and assay serve fires its trigger")
    if any(_must_be_given(declared) for declared in document.get("inputs", {}).values()):
        out.line(f"run it: assay run {path} -i NAME=VALUE …")
        return path, False
    return path, bool(await approve("Run it now?", ask_below))


def _must_be_given(declared: dict[str, Any]) -> bool:
    return bool(declared.get("required"))


def _free(path: Path) -> None:
    if path.exists():
        raise ConfigurationError(f"{path} is there already; name another file")
