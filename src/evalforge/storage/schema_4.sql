-- Schema version 4: what was read, hour by hour and slice by slice, so that it is not read again for nothing.

CREATE TABLE manifests (
  hour     TEXT PRIMARY KEY,
  salt     TEXT NOT NULL,
  entries  BLOB NOT NULL,
  checksum BLOB NOT NULL
);
CREATE TABLE coverage (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  document BLOB NOT NULL
);
