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
