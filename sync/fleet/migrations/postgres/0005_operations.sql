-- What central operations see and who may see it.

ALTER TABLE devices ADD COLUMN site       TEXT    NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN since      BIGINT NOT NULL DEFAULT 0;  -- when the state last changed
ALTER TABLE devices ADD COLUMN health     BYTEA;                        -- as the device last said, CBOR
ALTER TABLE devices ADD COLUMN skew       BIGINT NOT NULL DEFAULT 0;  -- its clock then, less the centre's
ALTER TABLE devices ADD COLUMN journal    BIGINT NOT NULL DEFAULT 0;  -- entries it said it has
ALTER TABLE devices ADD COLUMN stored     BIGINT NOT NULL DEFAULT 0;  -- when entries were last stored
ALTER TABLE devices ADD COLUMN tallied    BIGINT NOT NULL DEFAULT 0;  -- entries counted below
ALTER TABLE devices ADD COLUMN last_check BIGINT NOT NULL DEFAULT 0;  -- start of the last inspection counted

-- Counts of what entries say, by hour: they speak of nobody and outlive erasure.
CREATE TABLE tally (
  device TEXT    NOT NULL REFERENCES devices(name),
  hour   BIGINT NOT NULL,
  site   TEXT    NOT NULL,
  what   TEXT    NOT NULL,                -- outcome, reason, officer, milliseconds
  code   TEXT    NOT NULL,
  count  BIGINT NOT NULL,
  PRIMARY KEY (device, hour, site, what, code)
);

CREATE INDEX tally_hour ON tally(hour);

CREATE TABLE alarms (
  device      TEXT    NOT NULL REFERENCES devices(name),
  kind        TEXT    NOT NULL,
  opened      BIGINT NOT NULL,
  cleared     BIGINT NOT NULL DEFAULT 0, -- 0: it still is so
  detail      TEXT    NOT NULL,
  answered    BIGINT NOT NULL DEFAULT 0, -- 0: nobody has acknowledged it
  answered_by TEXT    NOT NULL DEFAULT '',
  note        TEXT    NOT NULL DEFAULT '',
  PRIMARY KEY (device, kind, opened)
);

CREATE UNIQUE INDEX alarms_open ON alarms(device, kind) WHERE cleared = 0;

CREATE TABLE users (
  name     TEXT    PRIMARY KEY,
  roles    TEXT    NOT NULL,              -- with spaces between
  password TEXT    NOT NULL,              -- argon2id, PHC string
  created  BIGINT NOT NULL,
  disabled BIGINT NOT NULL DEFAULT 0,    -- when
  failures BIGINT NOT NULL DEFAULT 0,    -- wrong passwords in a row
  locked   BIGINT NOT NULL DEFAULT 0     -- until
);

CREATE TABLE sessions (
  id    BYTEA    PRIMARY KEY,              -- SHA-256 of what the browser holds
  name  TEXT    NOT NULL,
  roles TEXT    NOT NULL,                 -- of a user of an identity provider; a local user's are in users
  local BIGINT NOT NULL,
  begun BIGINT NOT NULL,
  used  BIGINT NOT NULL
);

-- Who read what and why. Each row's hash holds the row before it.
CREATE TABLE audit (
  number  BIGINT PRIMARY KEY,            -- 1, 2, 3 … without a gap
  at      BIGINT NOT NULL,
  name    TEXT    NOT NULL,
  roles   TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  reason  TEXT    NOT NULL,
  hash    BYTEA    NOT NULL
);

CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is only ever added to';
END $$;

CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_kept BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

CREATE TABLE audit_head (
  one    BIGINT PRIMARY KEY CHECK (one = 1),
  number BIGINT NOT NULL,
  hash   BYTEA    NOT NULL
);
