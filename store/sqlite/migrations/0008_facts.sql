CREATE TABLE memories (  -- of what there are turns or facts
    workflow TEXT NOT NULL,
    topic    TEXT NOT NULL,
    at       TEXT NOT NULL,  -- when it was last added to
    PRIMARY KEY (workflow, topic)
) STRICT, WITHOUT ROWID;
INSERT INTO memories SELECT workflow, topic, max(at) FROM turns GROUP BY workflow, topic;
CREATE TABLE facts (
    number   INTEGER PRIMARY KEY,  -- in the order they were noted
    workflow TEXT NOT NULL,
    topic    TEXT NOT NULL,
    name     TEXT NOT NULL,
    fact     TEXT NOT NULL,
    at       TEXT NOT NULL,
    UNIQUE (workflow, topic, name)
) STRICT;
CREATE INDEX facts_by_topic ON facts (workflow, topic);
