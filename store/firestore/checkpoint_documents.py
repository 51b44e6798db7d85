"""A checkpointer's rows as documents: their names, their fields, the order they are found in.

Names are made of SHA-256, so any text may be an id and no two ever meet. The plain text is kept
in the field `row`; what is searched for lies in fields of its own.
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...graphs.errors import InvalidInput
from ..checkpointing.rows import Head, Place, Value, Write
from ..checkpointing.values import apart
from .parts import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..checkpointing.rows import Blob, BlobKey, Query
    from .parts import Fields

THREADS: Final = "checkpoint_threads"
"""One document a thread, which every commit to the thread changes."""
CHECKPOINTS: Final = "checkpoints"
BLOBS: Final = "checkpoint_blobs"
WRITES: Final = "checkpoint_writes"
"""What one commit wrote on top of one checkpoint. These are added, and never changed."""
CHUNKS: Final = "checkpoint_chunks"

UNINDEXED: Final = {
    THREADS: ("thread", "number", "by"),
    CHECKPOINTS: ("row", "apart"),
    BLOBS: ("row", "apart"),
    WRITES: ("row", "apart"),
    CHUNKS: ("data",),
}
"""The fields that need no index and, being large, must have none: see `fieldOverrides`."""

SHARDS = 8
"""One index of ids, which grow with time, would take some 500 checkpoints a second in all."""

_PAGE = 800_000
"""Bytes of writes in one document, which holds 1 MiB."""
_COUNTED = 460
"""Bytes of a text that count for the order. Three of them fit the 1500 that an index sees."""


class Span(NamedTuple):
    """Ids of documents, or values of a field: from `start` to before `end`."""

    start: Any
    end: Any


def thread_name(thread: str) -> Name:
    return Name(THREADS, _key(thread))


def checkpoint_name(thread: str, namespace: str, id: str) -> Name:
    return Name(CHECKPOINTS, f"{_key(thread)}-{_key(namespace, id)}")


def blob_name(thread: str, namespace: str, key: BlobKey) -> Name:
    channel, version = key
    if isinstance(version, float) and version.is_integer():
        version = int(version)  # 1.0 is the version 1, as everywhere in Python
    kind = "text" if isinstance(version, str) else "number"
    within = _key(channel, kind, str(version))
    return Name(BLOBS, f"{_key(thread)}-{_key(namespace)}-{within}")


def chunk_name(thread: str, digest: bytes) -> Name:
    return Name(CHUNKS, f"{_key(thread)}-{_base32(digest)}")


def documents_of(thread: str, namespace: str | None = None) -> Span:
    """The ids of a thread's documents in any collection; of blobs also those of a namespace."""
    key = _key(thread) if namespace is None else f"{_key(thread)}-{_key(namespace)}"
    return Span(f"{key}-", f"{key}.")


def writes_of(thread: str, namespace: str, checkpoint: str) -> str:
    """The field `of` of the writes on top of a checkpoint: the id of its document."""
    return checkpoint_name(thread, namespace, checkpoint).id


def run_of(run: str) -> str:
    """The field `run` of the checkpoints that a run made."""
    return _key(run)


def places(query: Query, after: Place | None) -> tuple[str, list[Span]]:
    """A field of checkpoints, and the spans in which its values are those asked for.

    In a span the highest value is that of the first checkpoint of the listing.
    """
    if query.thread is None:
        field, prefixes = "everywhere", [b"%d" % shard for shard in range(SHARDS)]
    elif query.namespace is None:
        field, prefixes = "in_thread", [_key(query.thread).encode()]
    else:
        field, prefixes = "in_namespace", [_key(query.thread, query.namespace).encode()]
    spans = []
    for prefix in prefixes:
        start = prefix if query.id is None else prefix + _sortable(query.id)
        ends = [start + b"\xff"]  # no UTF-8 has this byte
        if query.before is not None:
            ends.append(prefix + _sortable(query.before))
        if after is not None:
            ends.append(prefix + _sort(field, after))
        spans.append(Span(start, min(ends)))
    return field, spans


def _sort(field: str, place: Place) -> bytes:
    id, thread, namespace = map(_sortable, place)
    if field == "everywhere":
        return id + thread + namespace
    return id + namespace if field == "in_thread" else id


def checkpoint_fields(head: Head) -> Fields:
    place = Place(head.id, head.thread, head.namespace)
    prefixes = {
        "everywhere": b"%d" % (sha256(_utf8(head.thread)).digest()[0] % SHARDS),
        "in_thread": _key(head.thread).encode(),
        "in_namespace": _key(head.thread, head.namespace).encode(),
    }
    return {
        **{field: prefix + _sort(field, place) for field, prefix in prefixes.items()},
        **({} if head.run is None else {"run": run_of(head.run)}),
        **_kept(
            [head.value],
            thread=head.thread,
            namespace=head.namespace,
            id=head.id,
            parent=head.parent,
            run=head.run,
            **head.value._asdict(),
        ),
    }


def checkpoint_of(fields: Fields) -> Head:
    row = fields["row"]
    return Head(
        row["thread"], row["namespace"], row["id"], row["parent"], row["run"], _value_of(row)
    )


def blob_fields(blob: Blob) -> Fields:
    return _kept(
        [blob.value],
        namespace=blob.namespace,
        channel=blob.channel,
        version=blob.version,
        **blob.value._asdict(),
    )


def blob_key_of(fields: Fields) -> BlobKey:
    return fields["row"]["channel"], fields["row"]["version"]


def blob_value_of(fields: Fields) -> Value:
    return _value_of(fields["row"])


def writes_documents(
    thread: str, writes: Iterable[Write], number: int
) -> Iterator[tuple[Name, Fields]]:
    """The documents of what one commit writes; later numbers are read after earlier ones."""
    ordered = sorted(writes, key=lambda write: write[:2])  # stable
    for (namespace, checkpoint), group in groupby(ordered, key=lambda write: write[:2]):
        of = writes_of(thread, namespace, checkpoint)
        for page, some in enumerate(_pages(group)):
            rows = [
                {
                    "node": write.node,
                    "position": write.position,
                    "path": write.path,
                    "channel": write.channel,
                    **write.value._asdict(),
                }
                for write in some
            ]
            values = [write.value for write in some]
            kept = _kept(values, namespace=namespace, checkpoint=checkpoint, writes=rows)
            yield Name(WRITES, f"{of}-{number:012}-{page:04}"), {"of": of, **kept}


def writes_in(documents: Iterable[Fields]) -> list[Write]:
    """The writes on top of one checkpoint, from all its documents, in the order of their ids."""
    found: dict[tuple[str, int], Write] = {}
    for fields in documents:
        page = fields["row"]
        for row in page["writes"]:
            key = row["node"], row["position"]
            if row["position"] < 0 or key not in found:
                found[key] = Write(
                    page["namespace"],
                    page["checkpoint"],
                    *key,
                    row["path"],
                    row["channel"],
                    _value_of(row),
                )
    return list(found.values())


def chunks_apart(fields: Fields) -> Iterator[bytes]:
    """The digests of the chunks that a document names."""
    return apart(Value("", fields["apart"], None))


def copied(name: Name, fields: Fields, source: str, target: str) -> tuple[Name, Fields]:
    """A document of one thread as that of another."""
    name = Name(name.collection, _key(target) + name.id.removeprefix(_key(source)))
    if name.collection == CHECKPOINTS:
        fields = checkpoint_fields(checkpoint_of(fields)._replace(thread=target))
    elif name.collection == WRITES:
        fields = {**fields, "of": _key(target) + fields["of"].removeprefix(_key(source))}
    return name, fields


def _pages(writes: Iterable[Write]) -> Iterator[list[Write]]:
    page: list[Write] = []
    held = 0
    for write in writes:
        texts = write.node, write.path, write.channel
        size = 200 + sum(4 * len(text) for text in texts) + len(write.value.data or b"")
        if page and held + size > _PAGE:
            yield page
            page, held = [], 0
        page.append(write)
        held += size
    if page:
        yield page


def _kept(values: Sequence[Value], **row: Any) -> Fields:
    """The fields that no query looks at. `apart` names the chunks for whoever sweeps them."""
    return {"apart": b"".join(v.digests for v in values if v.data is None), "row": row}


def _value_of(row: Fields) -> Value:
    return Value(row["type"], row["digests"], row["data"])


def _sortable(text: str) -> bytes:
    """Bytes in the order of the text, of which none is the beginning of another.

    Texts that agree in their first 428 bytes are told apart, in an order of no meaning.
    """
    data = _utf8(text).replace(b"\0", b"\0\xff")
    if len(data) > _COUNTED:
        data = data[: _COUNTED - 32] + sha256(_utf8(text)).digest()
    return data + b"\0\1"


def _key(*parts: str) -> str:
    """Of any texts 52 letters and digits, which no other texts in that order have."""
    digest = sha256()
    for part in map(_utf8, parts):
        digest.update(len(part).to_bytes(8, "big") + part)
    return _base32(digest.digest())


def _base32(digest: bytes) -> str:
    return b32encode(digest).decode().rstrip("=").lower()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"Not valid Unicode: {text!a}; give proper text.") from None
