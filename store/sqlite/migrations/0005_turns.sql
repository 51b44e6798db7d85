CREATE TABLE turns (  -- of conversations, which outlive the executions that they were held in
    number   INTEGER PRIMARY KEY,  -- in the order they were held
    id       TEXT NOT NULL,
    workflow TEXT NOT NULL,
    topic    TEXT NOT NULL,
    said     TEXT NOT NULL,
    answered TEXT NOT NULL,
    at       TEXT NOT NULL,
    UNIQUE (workflow, topic, id)
) STRICT;
CREATE INDEX turns_by_topic ON turns (workflow, topic);
