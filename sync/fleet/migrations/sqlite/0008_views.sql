-- Live views of cameras that are asked for now: a word between the page and the
-- process that speaks to devices. What was asked for stays in the audit.
CREATE TABLE views (
  id      BLOB    PRIMARY KEY,           -- random
  device  TEXT    NOT NULL REFERENCES devices(name),
  asker   TEXT    NOT NULL,
  why     TEXT    NOT NULL,
  made    INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  offer   TEXT    NOT NULL,              -- session descriptions (SDP)
  answer  TEXT    NOT NULL DEFAULT '',
  refused TEXT    NOT NULL DEFAULT '',
  ended   TEXT    NOT NULL DEFAULT '',
  sent    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
