-- What the centre sends to devices.

-- Sets in versions: what was signed of each, and its packed forms in pieces.
-- Base is the number that a delta starts from; 0 is the full form.
CREATE TABLE sets (
  name     TEXT    NOT NULL,
  number   INTEGER NOT NULL,
  manifest BLOB    NOT NULL,             -- signed note
  issued   INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  size     INTEGER NOT NULL,             -- bytes of the content
  repeats  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_forms (
  name   TEXT    NOT NULL,
  number INTEGER NOT NULL,
  base   INTEGER NOT NULL,
  size   INTEGER NOT NULL,
  PRIMARY KEY (name, number, base)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_pieces (
  name   TEXT    NOT NULL,
  number INTEGER NOT NULL,
  base   INTEGER NOT NULL,
  piece  INTEGER NOT NULL,
  bytes  BLOB    NOT NULL,
  PRIMARY KEY (name, number, base, piece)
) STRICT;

-- Which number devices are to run, by site; '*' is every site that is not named.
CREATE TABLE rollouts (
  name   TEXT    NOT NULL,
  site   TEXT    NOT NULL,
  number INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (name, site)
) STRICT, WITHOUT ROWID;

-- Which number each device says it runs, and which it refused last.
CREATE TABLE set_reports (
  device  TEXT    NOT NULL REFERENCES devices(name),
  name    TEXT    NOT NULL,
  site    TEXT    NOT NULL,
  number  INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  why     TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (device, name)
) STRICT, WITHOUT ROWID;

-- Commands, and what became of each.
CREATE TABLE commands (
  device  TEXT    NOT NULL REFERENCES devices(name),
  number  INTEGER NOT NULL,
  command BLOB    NOT NULL,              -- signed note
  what    TEXT    NOT NULL,
  made    INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  result  TEXT    NOT NULL DEFAULT '',   -- '' until the device tells
  detail  TEXT    NOT NULL DEFAULT '',
  told    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (device, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX commands_waiting ON commands(device, number) WHERE result = '';

-- The index of checks that devices of a region are sent, in numbered segments.
-- Segments can be made anew from this table, entries and mappings: what is
-- erased goes from those that are kept, and from devices by its handle.
CREATE TABLE index_state (
  id  INTEGER PRIMARY KEY,               -- 1
  cut INTEGER NOT NULL                   -- when entries were last taken into the index
) STRICT;

CREATE TABLE index_progress (
  device TEXT    PRIMARY KEY REFERENCES devices(name),
  next   INTEGER NOT NULL                -- entry of the device's to take next
) STRICT, WITHOUT ROWID;

CREATE TABLE index_segments (
  region TEXT    NOT NULL,
  number INTEGER NOT NULL,
  made   INTEGER NOT NULL,
  size   INTEGER NOT NULL,               -- bytes, unpacked
  sha256 BLOB    NOT NULL,
  PRIMARY KEY (region, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE index_entries (
  handle  BLOB    PRIMARY KEY,           -- random
  device  TEXT    NOT NULL,
  number  INTEGER NOT NULL,
  region  TEXT    NOT NULL,
  segment INTEGER NOT NULL,
  gone    INTEGER NOT NULL DEFAULT 0     -- erased, and devices are to be told
) STRICT, WITHOUT ROWID;

CREATE INDEX index_entries_number ON index_entries(device, number);
CREATE INDEX index_entries_segment ON index_entries(region, segment);
CREATE INDEX index_entries_gone ON index_entries(region) WHERE gone = 1;

CREATE TABLE index_removed (
  region  TEXT    NOT NULL,
  segment INTEGER NOT NULL,
  handle  BLOB    NOT NULL,
  PRIMARY KEY (region, segment, handle)
) STRICT, WITHOUT ROWID;
