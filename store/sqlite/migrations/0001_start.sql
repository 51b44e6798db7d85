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
    key      INTEGER PRIMARY KEY AUTOINCREMENT,  -- leases name it: never given out twice
    epoch    INTEGER NOT NULL,  -- grows with every lease
    worker   TEXT,              -- who holds the lease; NULL: nobody
    status   TEXT NOT NULL,
    priority INTEGER NOT NULL,
    id       TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    digest   TEXT NOT NULL,
    slot     TEXT,              -- the request, NULL: it needs none
    changing TEXT NOT NULL,
    given    TEXT NOT NULL
) STRICT;
CREATE INDEX executions_by_workflow ON executions (workflow, id);
CREATE INDEX executions_by_status ON executions (status, id);
CREATE INDEX executions_by_worker ON executions (worker) WHERE worker IS NOT NULL;

CREATE TABLE journal (  -- in order of commits, so that a commit writes few pages
    key       INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL,  -- no reference: every entry would look it up once more
    last      INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    data      BLOB NOT NULL,
    UNIQUE (execution, last)
) STRICT;

CREATE TABLE slots (  -- one unit of a concurrency key, held or waited for
    turn      INTEGER PRIMARY KEY,  -- in order of arrival
    key       TEXT NOT NULL,
    execution INTEGER NOT NULL UNIQUE REFERENCES executions ON DELETE CASCADE,
    held      INTEGER NOT NULL,
    priority  INTEGER NOT NULL,
    size      INTEGER NOT NULL,     -- how many may hold the key at once, says this one
    since     TEXT NOT NULL
) STRICT;
CREATE INDEX slots_in_turn ON slots (key, held DESC, priority DESC, turn);

CREATE TABLE inbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,  -- consumed by id: never given out twice
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    command   TEXT NOT NULL,
    data      TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_by_execution ON inbox (execution);

CREATE TABLE questions (
    key       INTEGER PRIMARY KEY,  -- in the order they were first asked
    id        TEXT NOT NULL UNIQUE,
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    status    TEXT NOT NULL,
    revision  INTEGER NOT NULL,
    due       REAL,                 -- seconds since 1970
    event     TEXT,
    event_key TEXT,
    document  TEXT NOT NULL
) STRICT;
CREATE INDEX questions_by_execution ON questions (execution, status);
CREATE INDEX questions_by_status ON questions (status);
CREATE INDEX questions_by_due ON questions (due) WHERE status = 'open' AND due IS NOT NULL;
CREATE INDEX questions_by_event ON questions (event)
    WHERE status = 'open' AND event IS NOT NULL;

CREATE TABLE signals (
    key       INTEGER PRIMARY KEY,  -- in order of arrival
    id        TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    event_key TEXT,
    at        REAL NOT NULL,        -- seconds since 1970
    document  TEXT NOT NULL
) STRICT;
CREATE INDEX signals_by_name ON signals (name, at);
CREATE INDEX signals_by_age ON signals (at);

CREATE TABLE artifacts (
    key       INTEGER PRIMARY KEY,  -- in the order they were kept
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    path      TEXT NOT NULL,
    name      TEXT NOT NULL,
    file      TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    size      INTEGER NOT NULL,
    kept_at   TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_execution ON artifacts (execution);

CREATE TABLE cache (
    key        TEXT PRIMARY KEY,
    path       TEXT NOT NULL,
    document   TEXT NOT NULL,
    expires_at REAL  -- seconds since 1970; NULL: never
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_by_expiry ON cache (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE schedules (
    id       TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    enabled  INTEGER NOT NULL,
    next_at  REAL,  -- seconds since 1970; NULL: never
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE principals (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    key_hash   TEXT UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    principal TEXT NOT NULL,
    action    TEXT NOT NULL,
    target    TEXT NOT NULL,
    allowed   INTEGER NOT NULL,
    rule      TEXT NOT NULL,
    data      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_target ON audit (target);
