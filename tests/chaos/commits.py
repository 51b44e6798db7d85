"""What a worker has written to Firestore, as it is told by the answers: for the verdict.

A line of JSON for each commit: the worker, the server's time, the documents, and the epoch of
each fence among them. A worker that is killed before it can note a commit leaves none of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.store.firestore.database import Batch, Database

_CONTENT = ("executions/", "journal/", "fences/", "checkpoint")
"""Where nobody writes but who has the lease."""


@dataclass(frozen=True, slots=True)
class Written:
    """A commit: `at` sorts as the server's time does; `epochs` are by document of a fence."""

    worker: str
    at: str
    documents: Sequence[str]
    epochs: Mapping[str, int]

    def touches(self, names: Iterable[str]) -> bool:
        """Whether it wrote content of an execution; the names under which that lies."""
        parts = [document.split("/")[1] for document in self.documents if _is_content(document)]
        return any(part.startswith(name) for part in parts for name in names)


def note_commits(file: Path, worker: str) -> None:
    """From now on, in this process."""
    plain = Database.commit
    notes = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    async def commit(database: Database, batch: Batch, what: str) -> Sequence[Any]:
        documents, epochs = [], {}
        for write in batch.writes._write_pbs:
            place = (write.update.name or write.delete).partition("/documents/")[2]
            documents.append(place)
            if place.startswith("fences/"):
                epochs[place.partition("/")[2]] = write.update.fields["epoch"].integer_value
        times = await plain(database, batch, what)
        at = batch.writes.commit_time
        told = {
            "worker": worker,
            "at": f"{int(at.timestamp()):012}.{at.nanosecond:09}",
            "documents": documents,
            "epochs": epochs,
        }
        os.write(notes, json.dumps(told).encode() + b"\n")
        return times

    Database.commit = commit  # type: ignore[method-assign, assignment]


def read(files: Iterable[Path]) -> list[Written]:
    """All commits, in the order of the server."""
    lines = (line for file in files for line in file.read_text().splitlines())
    return sorted((Written(**json.loads(line)) for line in lines), key=lambda each: each.at)


def _is_content(document: str) -> bool:
    # The parts of an entry come before it, each writer's under names of its own.
    return document.startswith(_CONTENT) and "/parts/" not in document
