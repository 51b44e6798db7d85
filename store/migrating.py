"""The layout of a store, looked at and brought up to date without opening it for work."""

from __future__ import annotations

import json
import shlex
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .connect import connect, firestore_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .upkeep import KeptStore, Layout


async def layout_of(url: str) -> Layout | None:
    """None: there is nothing yet. Raises `ConfigurationError` or `StoreError`."""
    if url.startswith("firestore://"):
        from .firestore import layout
        from .firestore.database import Database

        database = Database(*firestore_place(url))
        try:
            return await layout.read(database)
        finally:
            await database.close()
    from .sqlite.faults import layout_of as layout_of_file

    path = Path(url.removeprefix("sqlite:///"))
    return layout_of_file(str(path)) if path.exists() else None


async def migrate(url: str) -> Layout:
    """Bring it up to date; once more does no harm. Raises `StoreError`."""
    if url.startswith("firestore://"):
        from .firestore import layout
        from .firestore.database import Database

        database = Database(*firestore_place(url))
        try:
            await layout.upgrade(database)
            return await layout.read(database)
        finally:
            await database.close()
    store = cast("KeptStore", await connect(url))  # which is all that a file needs
    try:
        return await store.layout()
    finally:
        await store.close()


def index_commands(url: str) -> list[str]:
    """What deploys the indexes that a Firestore database needs; nothing for a file."""
    if not url.startswith("firestore://"):
        return []
    project, database, _ = firestore_place(url)
    where = f"--project={shlex.quote(project)} --database={shlex.quote(database)}"
    listed = json.loads(files("assay.store").joinpath("firestore", "indexes.json").read_text())
    commands = [
        "gcloud firestore indexes composite create "
        f"--collection-group={index['collectionGroup']} "
        + " ".join(f"--field-config=field-path={f['fieldPath']}" for f in index["fields"])
        + f" {where}"
        for index in listed["indexes"]
    ]
    for field in listed["fieldOverrides"]:
        if field["indexes"]:
            commands.append(_put(field, project, database))
        else:
            commands.append(
                f"gcloud firestore indexes fields update {field['fieldPath']} "
                f"--collection-group={field['collectionGroup']} --disable-indexes {where}"
            )
    return commands


def _put(field: Mapping[str, Any], project: str, database: str) -> str:
    """By the API that gcloud calls: gcloud itself knows no group of collections here."""
    path = field["fieldPath"]
    indexes = [
        {"queryScope": each["queryScope"], "fields": [{"fieldPath": path, "order": each["order"]}]}
        for each in field["indexes"]
    ]
    url = (
        f"https://firestore.googleapis.com/v1/projects/{project}/databases/{database}"
        f"/collectionGroups/{field['collectionGroup']}/fields/{path}?updateMask=indexConfig"
    )
    body = json.dumps({"indexConfig": {"indexes": indexes}})
    return (
        'curl -sS --fail-with-body -X PATCH -H "Authorization: Bearer $(gcloud auth '
        "print-access-token)\" -H 'Content-Type: application/json' "
        f"-d {shlex.quote(body)} {shlex.quote(url)}"
    )
