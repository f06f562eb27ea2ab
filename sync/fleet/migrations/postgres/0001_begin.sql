-- The centre's records. Times are milliseconds since 1970, UTC.

CREATE TABLE devices (
  name       TEXT   PRIMARY KEY,
  public_key BYTEA  NOT NULL,            -- Ed25519, signs the device's checkpoints
  enrolled   BIGINT NOT NULL,
  size       BIGINT NOT NULL DEFAULT 0,  -- entries held
  root       BYTEA  NOT NULL,            -- of the tree of those
  seen       BIGINT NOT NULL DEFAULT 0,  -- last message
  state      TEXT   NOT NULL DEFAULT '', -- running, stopped, lost; '' before the first status
  session    TEXT   NOT NULL DEFAULT '',
  software   TEXT   NOT NULL DEFAULT '',
  refusal    TEXT   NOT NULL DEFAULT '', -- of the last batch; '' when it was stored
  detail     TEXT   NOT NULL DEFAULT '',
  refused    BIGINT NOT NULL DEFAULT 0,
  rewritten  BIGINT NOT NULL DEFAULT 0,  -- when the device first signed another history, and that checkpoint
  evidence   BYTEA
);

CREATE SEQUENCE entries_sequence;

-- Partitioned by the month of arrival; partitions are made ahead.
CREATE TABLE entries (
  sequence BIGINT NOT NULL DEFAULT nextval('entries_sequence'), -- order of arrival
  device   TEXT   NOT NULL REFERENCES devices(name),
  number   BIGINT NOT NULL,              -- index in the device's journal
  leaf     BYTEA  NOT NULL,
  salt     BYTEA,                        -- both NULL: erased
  body     BYTEA,
  received BIGINT NOT NULL,
  document BYTEA                         -- pseudonym
) PARTITION BY RANGE (received);

CREATE INDEX entries_number   ON entries(device, number);
CREATE INDEX entries_sequence_index ON entries(sequence);
CREATE INDEX entries_document ON entries(document, sequence) WHERE document IS NOT NULL;

-- A unique constraint of a partitioned table spans its partitions only where
-- it holds the time. This table spans them: no entry has a number twice,
-- whichever partition it lies in.
CREATE TABLE entry_numbers (
  device TEXT   NOT NULL,
  number BIGINT NOT NULL,
  PRIMARY KEY (device, number)
);

CREATE FUNCTION take_entry_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO entry_numbers (device, number) VALUES (NEW.device, NEW.number);
  RETURN NULL;
END $$;

CREATE TRIGGER entries_number_once AFTER INSERT ON entries FOR EACH ROW EXECUTE FUNCTION take_entry_number();

-- Hashes of each device's tree, numbered as tlog.StoredHashIndex numbers them.
CREATE TABLE hashes (
  device TEXT   NOT NULL REFERENCES devices(name),
  number BIGINT NOT NULL,
  hash   BYTEA  NOT NULL,
  PRIMARY KEY (device, number)
);

-- Signed checkpoints: the newest of each device, and the last of each block of 256 entries.
CREATE TABLE checkpoints (
  device TEXT   NOT NULL REFERENCES devices(name),
  size   BIGINT NOT NULL,
  note   BYTEA  NOT NULL,
  PRIMARY KEY (device, size)
);
