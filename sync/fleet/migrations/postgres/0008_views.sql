-- Live views of cameras that are asked for now: a word between the page and the
-- process that speaks to devices. What was asked for stays in the audit.
CREATE TABLE views (
  id      BYTEA   PRIMARY KEY,           -- random
  device  TEXT    NOT NULL REFERENCES devices(name),
  asker   TEXT    NOT NULL,
  why     TEXT    NOT NULL,
  made    BIGINT  NOT NULL,
  expires BIGINT  NOT NULL,
  offer   TEXT    NOT NULL,              -- session descriptions (SDP)
  answer  TEXT    NOT NULL DEFAULT '',
  refused TEXT    NOT NULL DEFAULT '',
  ended   TEXT    NOT NULL DEFAULT '',
  sent    BIGINT  NOT NULL DEFAULT 0
);
