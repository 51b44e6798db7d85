ALTER TABLE verdicts ADD COLUMN example TEXT;  -- JSON of the case that it confirms, where there is one
