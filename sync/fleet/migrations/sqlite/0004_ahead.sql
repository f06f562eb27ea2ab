-- Entries sent ahead of others that the device still holds back, until those are here.
CREATE TABLE ahead (
  device   TEXT    NOT NULL REFERENCES devices(name),
  number   INTEGER NOT NULL,
  leaf     BLOB    NOT NULL,
  salt     BLOB    NOT NULL,
  body     BLOB    NOT NULL,
  received INTEGER NOT NULL,
  document BLOB,
  PRIMARY KEY (device, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX ahead_document ON ahead(document) WHERE document IS NOT NULL;
