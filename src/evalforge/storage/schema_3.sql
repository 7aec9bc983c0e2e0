-- Schema version 3: a user who was erased, so that what is learnt later of what that user did before is erased too.

CREATE TABLE erased_users (
  user_hash TEXT PRIMARY KEY,
  erased_at TEXT NOT NULL
);
