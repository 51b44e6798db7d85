"""`assay register export import backup`: what is put into the store, and taken out of it."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.errors import AssayError, InvalidInput, InvalidSpec, Problem
from ...store.export import export as export_one
from ...store.export import export_all, load
from .exits import INVALID, OK
from .given import read_bytes
from .lookup import open_store, whole_id
from .opened import here_only, open_site
from .output import Output
from .text import clean, columns, plural
from .triggers import listed

if TYPE_CHECKING:
    from ...graphs.ports import Store


async def register(files: Sequence[str], *, json: bool) -> int:
    """Keep definitions under their names and versions: all of them, or none that is invalid.

    Raises `InvalidSpec`, or `WorkflowConflict` for a version that has other content.
    """
    async with open_site() as site:
        problems: list[Problem] = []
        for file in files:
            try:
                await site.check(Path(file))
            except InvalidSpec as error:
                problems += error.problems
        if problems:
            raise InvalidSpec(problems)
        kept = [await site.register(Path(file)) for file in files]
        starts = [[t async for t in site.triggers(name, None) if t.declared] for name, *_ in kept]
    out = Output()
    if json:
        names = ("name", "version", "digest", "triggers")
        told = [(*each, [t.id for t in its]) for each, its in zip(kept, starts, strict=True)]
        out.json([dict(zip(names, each, strict=True)) for each in told])
        return OK
    for (name, version, _), its in zip(kept, starts, strict=True):
        out.line(f"registered {name}@{version}")
        out.lines(f"  {line}" for line in columns([listed(each) for each in its]))
    if any(starts) and not site.far:
        Output(sys.stderr).line("triggers fire while somebody serves: assay serve")
    return OK


async def export(given: str | None, file: str | None) -> int:
    """One execution, or everything, as JSON: a document a line when there are several.

    A file appears as a whole or stays as it was. Raises `ExecutionNotFound`.
    """
    here_only("export")
    async with open_store() as store:
        documents = _documents(store, given)
        if file is None:
            out = Output()
            async for document in documents:
                out.json(document, indent=given is not None)
            return OK
        count = await _write(documents, Path(file).absolute(), indent=given is not None)
    Output(sys.stderr).line(f"{file}: {plural(count, 'document')}")
    return OK


async def load_file(file: str, *, json: bool) -> int:
    """Put exported documents into the store; one that cannot be is said, and the others are."""
    here_only("import")
    out, err = Output(), Output(sys.stderr)
    taken: list[str] = []
    failed = False
    async with open_store() as store:
        for number, document in _parsed(read_bytes(file), file):
            try:
                taken.append(await load(store, document))
            except AssayError as error:
                failed = True
                err.line(f"error: {file}, document {number}: {clean(error.message)}")
            else:
                if not json:
                    out.line(f"imported {document['assay']} {taken[-1]}")
    if json:
        out.json(taken)
    return INVALID if failed else OK


async def backup(file: str, *, json: bool) -> int:
    """Copy everything to a new file, while work goes on. Raises `StoreError`."""
    here_only("backup")
    async with open_store() as store:
        await store.backup(Path(file).absolute())
    out = Output()
    if json:
        out.json({"backup": file})
    else:
        out.line(f"backed up to {file}")
    return OK


async def _documents(store: Store, given: str | None) -> AsyncIterator[dict[str, Any]]:
    if given is not None:
        yield await export_one(store, await whole_id(store, given))
        return
    async for document in export_all(store):
        yield document


async def _write(documents: AsyncIterator[dict[str, Any]], target: Path, *, indent: bool) -> int:
    """How many were written. Raises `InvalidInput` where that cannot be."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    count = 0
    try:
        with part.open("wb") as stream:
            async for document in documents:
                option = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
                stream.write(orjson.dumps(document, option=option))
                count += 1
        os.replace(part, target)
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _parsed(data: bytes, file: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The documents with their numbers: one in all, or one a line. Raises `InvalidInput`."""
    try:
        documents = [orjson.loads(data)]
    except orjson.JSONDecodeError:
        try:
            documents = [orjson.loads(line) for line in data.splitlines() if line.strip()]
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"{file} is no export of Assay: not JSON: {error}") from error
    if not all(isinstance(document, Mapping) for document in documents):
        raise InvalidInput(f"{file} is no export of Assay: write it with: assay export")
    if documents and documents[0].get("assay") == "archive":
        raise InvalidInput(f"{file} is an archive; read it with: assay store import")
    return list(enumerate(documents, 1))
