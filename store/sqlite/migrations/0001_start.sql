-- Documents are JSON text; the columns beside them are what queries look at.

PRAGMA application_id = 0x41535359;  -- "ASSY"

CREATE TABLE workflows (
    key           INTEGER PRIMARY KEY,  -- in order of registration
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    digest        TEXT NOT NULL,
    description   TEXT,
    document      TEXT NOT NULL,
    registered_at TEXT NOT NULL,
    UNIQUE (name, version)
) STRICT;
CREATE INDEX workflows_by_digest ON workflows (digest);

CREATE TABLE definitions (  -- what executions are pinned to, registered or not
    digest   TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
    key      INTEGER PRIMARY KEY,  -- short, because every journal entry repeats it
    id       TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    digest   TEXT NOT NULL,
    status   TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX executions_by_workflow ON executions (workflow, id);
CREATE INDEX executions_by_status ON executions (status, id);

CREATE TABLE results (
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    path      TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (execution, seq),
    UNIQUE (execution, path)
) STRICT;

CREATE TABLE decisions (
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    path      TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (execution, path, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    type      TEXT NOT NULL,
    at        TEXT NOT NULL,
    path      TEXT NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE cache (
    key        TEXT PRIMARY KEY,
    document   TEXT NOT NULL,
    expires_at REAL  -- seconds since 1970; NULL: never
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_by_expiry ON cache (expires_at) WHERE expires_at IS NOT NULL;
