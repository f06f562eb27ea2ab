-- The centre's records. Times are milliseconds since 1970, UTC.

CREATE TABLE IF NOT EXISTS devices (
  name       TEXT    PRIMARY KEY,
  public_key BLOB    NOT NULL,            -- Ed25519, signs the device's checkpoints
  enrolled   INTEGER NOT NULL,
  size       INTEGER NOT NULL DEFAULT 0,  -- entries held
  root       BLOB    NOT NULL,            -- of the tree of those
  seen       INTEGER NOT NULL DEFAULT 0,  -- last message
  state      TEXT    NOT NULL DEFAULT '', -- running, stopped, lost; '' before the first status
  session    TEXT    NOT NULL DEFAULT '',
  software   TEXT    NOT NULL DEFAULT '',
  refusal    TEXT    NOT NULL DEFAULT '', -- of the last batch; '' when it was stored
  detail     TEXT    NOT NULL DEFAULT '',
  refused    INTEGER NOT NULL DEFAULT 0,
  rewritten  INTEGER NOT NULL DEFAULT 0,  -- when the device first signed another history, and that checkpoint
  evidence   BLOB
) STRICT;

CREATE TABLE IF NOT EXISTS entries (
  sequence INTEGER PRIMARY KEY,           -- order of arrival
  device   TEXT    NOT NULL REFERENCES devices(name),
  number   INTEGER NOT NULL,              -- index in the device's journal
  leaf     BLOB    NOT NULL,
  salt     BLOB,                          -- both NULL: erased
  body     BLOB,
  received INTEGER NOT NULL,
  document BLOB,                          -- pseudonym
  UNIQUE (device, number)
) STRICT;

CREATE INDEX IF NOT EXISTS entries_document ON entries(document, sequence) WHERE document IS NOT NULL;

-- Hashes of each device's tree, numbered as tlog.StoredHashIndex numbers them.
CREATE TABLE IF NOT EXISTS hashes (
  device TEXT    NOT NULL REFERENCES devices(name),
  number INTEGER NOT NULL,
  hash   BLOB    NOT NULL,
  PRIMARY KEY (device, number)
) STRICT, WITHOUT ROWID;

-- Signed checkpoints: the newest of each device, and the last of each block of 256 entries.
CREATE TABLE IF NOT EXISTS checkpoints (
  device TEXT    NOT NULL REFERENCES devices(name),
  size   INTEGER NOT NULL,
  note   BLOB    NOT NULL,
  PRIMARY KEY (device, size)
) STRICT, WITHOUT ROWID;
