-- LangGraph's checkpoints: state as serialized bytes, each value with the SHA-256 of its chunks.
-- A value lies in its row (data) or, where that is NULL, in checkpoint_chunks.

CREATE TABLE checkpoint_threads (
    key INTEGER PRIMARY KEY,  -- short, because every row below repeats it
    id  TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE checkpoints (
    thread    INTEGER NOT NULL REFERENCES checkpoint_threads ON DELETE CASCADE,
    namespace TEXT NOT NULL,
    id        TEXT NOT NULL,
    parent    TEXT,
    run       TEXT,
    type      TEXT NOT NULL,
    digests   BLOB NOT NULL,
    data      BLOB,
    PRIMARY KEY (thread, namespace, id)
) STRICT;
CREATE INDEX checkpoints_by_id ON checkpoints (id);
CREATE INDEX checkpoints_by_run ON checkpoints (run) WHERE run IS NOT NULL;

CREATE TABLE checkpoint_blobs (  -- what a channel held at a version
    thread    INTEGER NOT NULL REFERENCES checkpoint_threads ON DELETE CASCADE,
    namespace TEXT NOT NULL,
    channel   TEXT NOT NULL,
    version   ANY NOT NULL,
    type      TEXT NOT NULL,
    digests   BLOB NOT NULL,
    data      BLOB,
    PRIMARY KEY (thread, namespace, channel, version)
) STRICT;

CREATE TABLE checkpoint_writes (  -- what nodes wrote on top of a checkpoint
    thread     INTEGER NOT NULL REFERENCES checkpoint_threads ON DELETE CASCADE,
    namespace  TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    node       TEXT NOT NULL,
    position   INTEGER NOT NULL,
    path       TEXT NOT NULL,
    channel    TEXT NOT NULL,
    type       TEXT NOT NULL,
    digests    BLOB NOT NULL,
    data       BLOB,
    PRIMARY KEY (thread, namespace, checkpoint, node, position)
) STRICT;

CREATE TABLE checkpoint_chunks (  -- shared inside a thread, never between two
    thread INTEGER NOT NULL REFERENCES checkpoint_threads ON DELETE CASCADE,
    digest BLOB NOT NULL,
    data   BLOB NOT NULL,
    PRIMARY KEY (thread, digest)
) STRICT;
