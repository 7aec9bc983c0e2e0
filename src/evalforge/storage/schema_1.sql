-- The embedded store, schema version 1. Times are RFC 3339 in UTC ('' where unknown), documents are JSON.

CREATE TABLE captures (
  trace_id       TEXT PRIMARY KEY,
  last_failed_at TEXT NOT NULL,
  service_name   TEXT,
  failure_type   TEXT NOT NULL,
  severity       TEXT NOT NULL,
  status         TEXT NOT NULL DEFAULT 'new',      -- status and processed belong to the backlog
  processed      INTEGER NOT NULL DEFAULT 0,
  document       BLOB NOT NULL
);
CREATE INDEX captures_newest_first ON captures (last_failed_at DESC, trace_id);

CREATE TABLE dead_letters (
  dead_letter_id TEXT PRIMARY KEY,
  first_seen_at  TEXT NOT NULL,
  document       BLOB NOT NULL
);

CREATE TABLE runs (
  run_id     TEXT PRIMARY KEY,
  started_at TEXT NOT NULL,
  document   BLOB NOT NULL
);

CREATE TABLE evaluators (
  name TEXT PRIMARY KEY
);

CREATE TABLE lease (
  only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
  holder     TEXT,
  fence      INTEGER NOT NULL,
  expires_at TEXT NOT NULL
);
INSERT INTO lease VALUES (1, NULL, 0, '');
