-- What the centre sends to devices.

-- Sets in versions: what was signed of each, and its packed forms in pieces.
-- Base is the number that a delta starts from; 0 is the full form.
CREATE TABLE sets (
  name     TEXT    NOT NULL,
  number   BIGINT  NOT NULL,
  manifest BYTEA   NOT NULL,             -- signed note
  issued   BIGINT  NOT NULL,
  expires  BIGINT  NOT NULL,
  size     BIGINT  NOT NULL,             -- bytes of the content
  repeats  BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (name, number)
);

CREATE TABLE set_forms (
  name   TEXT    NOT NULL,
  number BIGINT  NOT NULL,
  base   BIGINT  NOT NULL,
  size   BIGINT  NOT NULL,
  PRIMARY KEY (name, number, base)
);

CREATE TABLE set_pieces (
  name   TEXT    NOT NULL,
  number BIGINT  NOT NULL,
  base   BIGINT  NOT NULL,
  piece  BIGINT  NOT NULL,
  bytes  BYTEA   NOT NULL,
  PRIMARY KEY (name, number, base, piece)
);

-- Which number devices are to run, by site; '*' is every site that is not named.
CREATE TABLE rollouts (
  name   TEXT    NOT NULL,
  site   TEXT    NOT NULL,
  number BIGINT  NOT NULL,
  at     BIGINT  NOT NULL,
  PRIMARY KEY (name, site)
);

-- Which number each device says it runs, and which it refused last.
CREATE TABLE set_reports (
  device  TEXT    NOT NULL REFERENCES devices(name),
  name    TEXT    NOT NULL,
  site    TEXT    NOT NULL,
  number  BIGINT  NOT NULL,
  refused BIGINT  NOT NULL,
  why     TEXT    NOT NULL,
  at      BIGINT  NOT NULL,
  PRIMARY KEY (device, name)
);

-- Commands, and what became of each.
CREATE TABLE commands (
  device  TEXT    NOT NULL REFERENCES devices(name),
  number  BIGINT  NOT NULL,
  command BYTEA   NOT NULL,              -- signed note
  what    TEXT    NOT NULL,
  made    BIGINT  NOT NULL,
  expires BIGINT  NOT NULL,
  result  TEXT    NOT NULL DEFAULT '',   -- '' until the device tells
  detail  TEXT    NOT NULL DEFAULT '',
  told    BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (device, number)
);

CREATE INDEX commands_waiting ON commands(device, number) WHERE result = '';

-- The index of checks that devices of a region are sent, in numbered segments.
-- Segments can be made anew from this table, entries and mappings: what is
-- erased goes from those that are kept, and from devices by its handle.
CREATE TABLE index_state (
  id  BIGINT  PRIMARY KEY,               -- 1
  cut BIGINT  NOT NULL                   -- when entries were last taken into the index
);

CREATE TABLE index_progress (
  device TEXT    PRIMARY KEY REFERENCES devices(name),
  next   BIGINT  NOT NULL                -- entry of the device's to take next
);

CREATE TABLE index_segments (
  region TEXT    NOT NULL,
  number BIGINT  NOT NULL,
  made   BIGINT  NOT NULL,
  size   BIGINT  NOT NULL,               -- bytes, unpacked
  sha256 BYTEA   NOT NULL,
  PRIMARY KEY (region, number)
);

CREATE TABLE index_entries (
  handle  BYTEA   PRIMARY KEY,           -- random
  device  TEXT    NOT NULL,
  number  BIGINT  NOT NULL,
  region  TEXT    NOT NULL,
  segment BIGINT  NOT NULL,
  gone    BIGINT  NOT NULL DEFAULT 0     -- erased, and devices are to be told
);

CREATE INDEX index_entries_number ON index_entries(device, number);
CREATE INDEX index_entries_segment ON index_entries(region, segment);
CREATE INDEX index_entries_gone ON index_entries(region) WHERE gone = 1;

CREATE TABLE index_removed (
  region  TEXT    NOT NULL,
  segment BIGINT  NOT NULL,
  handle  BYTEA   NOT NULL,
  PRIMARY KEY (region, segment, handle)
);
