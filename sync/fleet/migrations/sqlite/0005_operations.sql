-- What central operations see and who may see it.

ALTER TABLE devices ADD COLUMN site       TEXT    NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN since      INTEGER NOT NULL DEFAULT 0;  -- when the state last changed
ALTER TABLE devices ADD COLUMN health     BLOB;                        -- as the device last said, CBOR
ALTER TABLE devices ADD COLUMN skew       INTEGER NOT NULL DEFAULT 0;  -- its clock then, less the centre's
ALTER TABLE devices ADD COLUMN journal    INTEGER NOT NULL DEFAULT 0;  -- entries it said it has
ALTER TABLE devices ADD COLUMN stored     INTEGER NOT NULL DEFAULT 0;  -- when entries were last stored
ALTER TABLE devices ADD COLUMN tallied    INTEGER NOT NULL DEFAULT 0;  -- entries counted below
ALTER TABLE devices ADD COLUMN last_check INTEGER NOT NULL DEFAULT 0;  -- start of the last inspection counted

-- Counts of what entries say, by hour: they speak of nobody and outlive erasure.
CREATE TABLE tally (
  device TEXT    NOT NULL REFERENCES devices(name),
  hour   INTEGER NOT NULL,
  site   TEXT    NOT NULL,
  what   TEXT    NOT NULL,                -- outcome, reason, officer, milliseconds
  code   TEXT    NOT NULL,
  count  INTEGER NOT NULL,
  PRIMARY KEY (device, hour, site, what, code)
) STRICT, WITHOUT ROWID;

CREATE INDEX tally_hour ON tally(hour);

CREATE TABLE alarms (
  device      TEXT    NOT NULL REFERENCES devices(name),
  kind        TEXT    NOT NULL,
  opened      INTEGER NOT NULL,
  cleared     INTEGER NOT NULL DEFAULT 0, -- 0: it still is so
  detail      TEXT    NOT NULL,
  answered    INTEGER NOT NULL DEFAULT 0, -- 0: nobody has acknowledged it
  answered_by TEXT    NOT NULL DEFAULT '',
  note        TEXT    NOT NULL DEFAULT '',
  PRIMARY KEY (device, kind, opened)
) STRICT;

CREATE UNIQUE INDEX alarms_open ON alarms(device, kind) WHERE cleared = 0;

CREATE TABLE users (
  name     TEXT    PRIMARY KEY,
  roles    TEXT    NOT NULL,              -- with spaces between
  password TEXT    NOT NULL,              -- argon2id, PHC string
  created  INTEGER NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0,    -- when
  failures INTEGER NOT NULL DEFAULT 0,    -- wrong passwords in a row
  locked   INTEGER NOT NULL DEFAULT 0     -- until
) STRICT;

CREATE TABLE sessions (
  id    BLOB    PRIMARY KEY,              -- SHA-256 of what the browser holds
  name  TEXT    NOT NULL,
  roles TEXT    NOT NULL,                 -- of a user of an identity provider; a local user's are in users
  local INTEGER NOT NULL,
  begun INTEGER NOT NULL,
  used  INTEGER NOT NULL
) STRICT;

-- Who read what and why. Each row's hash holds the row before it.
CREATE TABLE audit (
  number  INTEGER PRIMARY KEY,            -- 1, 2, 3 … without a gap
  at      INTEGER NOT NULL,
  name    TEXT    NOT NULL,
  roles   TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  reason  TEXT    NOT NULL,
  hash    BLOB    NOT NULL
) STRICT;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is only ever added to'); END;
CREATE TRIGGER audit_kept  BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is only ever added to'); END;

CREATE TABLE audit_head (
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  number INTEGER NOT NULL,
  hash   BLOB    NOT NULL
) STRICT;
