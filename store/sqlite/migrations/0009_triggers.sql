DROP TABLE schedules;  -- triggers are in its place; nothing ever wrote one

CREATE TABLE triggers (
    id         TEXT PRIMARY KEY,
    workflow   TEXT NOT NULL,
    type       TEXT NOT NULL,
    version    TEXT,              -- NULL: the newest
    declared   INTEGER NOT NULL,  -- by a definition
    enabled    INTEGER NOT NULL,
    made_by    TEXT NOT NULL,
    profile    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    next_at    REAL,              -- seconds since 1970; NULL: never
    revision   INTEGER NOT NULL,
    document   TEXT NOT NULL,
    memory     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX triggers_by_workflow ON triggers (workflow, id);
CREATE INDEX triggers_by_type ON triggers (type, id);
CREATE INDEX triggers_by_due ON triggers (next_at, id) WHERE enabled AND next_at IS NOT NULL;

CREATE TABLE firings (  -- they outlive the triggers that fired
    key        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    trigger_id TEXT NOT NULL,
    status     TEXT NOT NULL,
    at         TEXT NOT NULL,
    due        REAL,              -- seconds since 1970; NULL: nobody has to look at it
    lane       TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    document   TEXT NOT NULL,     -- all else but what came
    payload    TEXT NOT NULL,
    attributes TEXT NOT NULL
) STRICT;
CREATE INDEX firings_by_age ON firings (at);
CREATE INDEX firings_by_trigger ON firings (trigger_id, at);
CREATE INDEX firings_by_status ON firings (status, at);
CREATE INDEX firings_by_outcome ON firings (trigger_id, status, at);
CREATE INDEX firings_by_due ON firings (due) WHERE due IS NOT NULL;
CREATE INDEX firings_by_lane ON firings (lane) WHERE status IN ('pending', 'waiting');

CREATE TABLE lanes (
    id         TEXT PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    at         TEXT NOT NULL,
    lasting    INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_by_trigger ON lanes (trigger_id);
CREATE INDEX lanes_by_age ON lanes (at) WHERE NOT lasting;
