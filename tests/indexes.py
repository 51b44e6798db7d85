"""Holds queries and writes of a Firestore store against `deploy/firestore.indexes.json`.

The emulator answers every query; the real Firestore only those that an index serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.cloud.firestore_v1 import AsyncQuery
from google.cloud.firestore_v1.types import StructuredQuery

FILE = Path(__file__).resolve().parent.parent / "deploy" / "firestore.indexes.json"
NAME = "__name__"

LARGEST_INDEXED = 1500
"""Bytes of a field by which Firestore sorts and finds."""

SORTED_BYTES = {("checkpoints", f) for f in ("everywhere", "in_thread", "in_namespace")}
"""Bytes that are made to be sorted by; any others are data."""


class Unserved(AssertionError):
    """A query or a write that the real Firestore would refuse, or answer wrongly."""


def check(call: str, of: Any) -> None:
    """What `Database.watcher` is told of. Raises `Unserved`."""
    if call in ("query", "count"):
        query = of if isinstance(of, AsyncQuery) else of._query()  # a collection is all of it
        check_query(query._to_protobuf())
    elif call == "commit":
        for write in of._write_pbs:
            check_fields(write.update.name, write.update.fields)


def check_query(query: StructuredQuery) -> None:
    """One field, indexed by Firestore itself, is found by and sorted by; or an index is listed."""
    (source,) = query.from_
    collection = source.collection_id
    scope = "COLLECTION_GROUP" if source.all_descendants else "COLLECTION"
    found = [each for each in _filters(query.where) if each.field.field_path != NAME]
    order = [each.field.field_path for each in query.order_by]
    fields = {each.field.field_path for each in found} | {each for each in order if each != NAME}
    if len(fields) > 1:
        listed = [i["fields"] for i in _file()["indexes"] if i["collectionGroup"] == collection]
        if not any({f["fieldPath"] for f in index} >= fields for index in listed):
            raise Unserved(f"{collection}: no index serves {sorted(fields)} together")
    for field in fields:
        if field in _unindexed(collection):
            raise Unserved(f"{collection}: {field} is exempt from indexes, and looked for")
        if scope not in _scopes(collection, field):
            raise Unserved(f"{collection}: {field} has no index of the scope {scope}")
    scans_down = any(o.direction == StructuredQuery.Direction.DESCENDING for o in query.order_by)
    if scans_down and not fields:
        raise Unserved(f"{collection}: names are sorted upwards only")


def check_fields(document: str, fields: Any) -> None:
    """What is large has no index: an index takes room, and sees 1500 bytes of it."""
    collection = document.split("/")[-2] if document else ""
    for name, value in fields.items():
        if name in _unindexed(collection):
            continue
        is_data = "bytes_value" in value and (collection, name) not in SORTED_BYTES
        size = max(len(value.bytes_value), len(value.string_value.encode()))
        if is_data or size > LARGEST_INDEXED:
            raise Unserved(f"{collection}: {name} is large, and not exempt from indexes")


def _filters(where: Any) -> Iterator[Any]:
    if "composite_filter" in where:
        for each in where.composite_filter.filters:
            yield from _filters(each)
    elif "field_filter" in where:
        yield where.field_filter
    elif "unary_filter" in where:
        yield where.unary_filter


def _unindexed(collection: str) -> set[str]:
    return {field for field, indexes in _overrides(collection).items() if not indexes}


def _scopes(collection: str, field: str) -> set[str]:
    """Where the field is found by: what is not listed Firestore indexes by itself."""
    indexes = _overrides(collection).get(field)
    return {"COLLECTION"} if indexes is None else {each["queryScope"] for each in indexes}


def _overrides(collection: str) -> dict[str, list[dict[str, str]]]:
    overrides = _file()["fieldOverrides"]
    return {o["fieldPath"]: o["indexes"] for o in overrides if o["collectionGroup"] == collection}


@cache
def _file() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text())
    return read
