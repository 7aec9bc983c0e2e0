-- Schema version 5: how far each backfill has come.

CREATE TABLE backfills (
  backfill_id TEXT PRIMARY KEY,
  created_at  TEXT NOT NULL,
  document    BLOB NOT NULL
);
