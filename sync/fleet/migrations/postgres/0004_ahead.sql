-- Entries sent ahead of others that the device still holds back, until those are here.
CREATE TABLE ahead (
  device   TEXT    NOT NULL REFERENCES devices(name),
  number   BIGINT  NOT NULL,
  leaf     BYTEA   NOT NULL,
  salt     BYTEA   NOT NULL,
  body     BYTEA   NOT NULL,
  received BIGINT  NOT NULL,
  document BYTEA,
  PRIMARY KEY (device, number)
);

CREATE INDEX ahead_document ON ahead(document) WHERE document IS NOT NULL;
