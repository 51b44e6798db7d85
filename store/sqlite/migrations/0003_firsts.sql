CREATE TABLE firsts (  -- what was said first under a key, such as which execution a request began
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    expires_at REAL NOT NULL  -- seconds since 1970
) STRICT, WITHOUT ROWID;
CREATE INDEX firsts_by_expiry ON firsts (expires_at);
