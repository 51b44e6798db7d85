"""`assay store export import move`: executions from one store to another."""

from __future__ import annotations

import os
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ...graphs.errors import AssayError, InvalidInput
from ...store.archive.moving import move as move_one
from ...store.archive.reading import Taken, read
from ...store.archive.writing import write
from ...store.connect import connect
from ..settings import read_settings
from .exits import INVALID, OK
from .lookup import open_store, whole_id
from .output import Output
from .text import clean, plural

if TYPE_CHECKING:
    from ...graphs.ports import Blobs
    from ...store.upkeep import KeptStore


async def export(given: Sequence[str], to: str, *, wait: float) -> int:
    """A file appears as a whole or stays as it was. Raises `ExecutionNotFound`, `NotPossible`."""
    async with open_kept() as (store, blobs):
        ids = [await whole_id(store, each) for each in given]
        with _target(to) as stream:
            counts = await write(store, blobs, stream, ids, wait=wait)
    Output(sys.stderr).line(f"{_called(to)}: {_told(counts)}")
    return OK


async def import_archive(file: str, *, skip_existing: bool, json: bool) -> int:
    """What came whole before the place of an error stays; raises `InvalidInput` for it."""
    taken, failed = Taken(), False
    async with open_kept() as (store, blobs):
        try:
            with _source(file) as stream:
                await read(
                    store, blobs, stream, _called(file), skip_existing=skip_existing, taken=taken
                )
        except AssayError as error:
            failed = True
            Output(sys.stderr).line(f"error: {clean(error.message)}")
    out = Output()
    if json:
        beside = dict(taken.others)
        out.json({"executions": taken.executions, "there": taken.there, "beside": beside})
        return INVALID if failed else OK
    for id in taken.executions:
        out.line(f"imported {id}")
    for id in taken.there:
        out.line(f"there already {id}")
    for kind, count in taken.others.items():
        out.line(f"imported {plural(count, kind)}")
    return INVALID if failed else OK


async def move(given: Sequence[str], to: str, *, wait: float, json: bool) -> int:
    """One after the other; what was moved before an error stays so. Raises `NotPossible`."""
    out, moved = Output(), []
    settings = read_settings()
    async with open_kept() as here:
        target = cast("KeptStore", await connect(to))
        try:
            if target.name == here[0].name:
                raise InvalidInput(f"{to} is the store they are in; name another one (--to URL)")
            there = target, target.blobs(_blob_folder(to, settings.home / "blobs"))
            for each in given:
                id = await whole_id(here[0], each)
                execution = await move_one(here, there, id, to, wait=wait)
                moved.append({"execution_id": id, "status": execution.status.value, "to": to})
                if not json:
                    out.line(f"moved {id} ({execution.status}) to {to}")
        finally:
            await target.close()
    if json:
        out.json(moved)
    return OK


@asynccontextmanager
async def open_kept() -> AsyncIterator[tuple[KeptStore, Blobs]]:
    """The store of the settings, and where its large values lie. Raises `StoreError`."""
    async with open_store() as opened:
        store = cast("KeptStore", opened)
        yield store, store.blobs(read_settings().home / "blobs")


def _blob_folder(url: str, own: Path) -> Path:
    """Beside the file of the other store, as beside that of this one."""
    scheme, _, rest = url.partition("://")
    return Path(rest[1:]).absolute().parent / "blobs" if scheme == "sqlite" else own


@contextmanager
def _target(to: str) -> Iterator[BinaryIO]:
    if to == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(to).absolute()
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, target)
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _source(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}; check the path") from error
    with stream:
        yield stream


def _called(file: str) -> str:
    return "the archive" if file == "-" else file


def _told(counts: Counter[str]) -> str:
    return f"{plural(counts['execution'], 'execution')}, {plural(counts['blob'], 'file')}"
