CREATE TABLE verdicts (  -- they outlive the executions that they were said in
    key       INTEGER PRIMARY KEY,  -- in the order they were said
    id        TEXT NOT NULL UNIQUE,
    workflow  TEXT NOT NULL,
    step      TEXT NOT NULL,
    model     TEXT NOT NULL,
    prompt    TEXT NOT NULL,        -- digest
    passed    INTEGER NOT NULL,
    source    TEXT NOT NULL,
    execution TEXT NOT NULL,        -- its id
    path      TEXT NOT NULL,
    at        TEXT NOT NULL,
    tokens    INTEGER NOT NULL,
    usd       REAL,                 -- NULL: nobody knows the price
    seconds   REAL NOT NULL,
    said_by   TEXT NOT NULL,
    comment   TEXT NOT NULL
) STRICT;
CREATE INDEX verdicts_by_step ON verdicts (workflow, step);
