-- What leads from a document to the pseudonyms that devices know it by.
CREATE TABLE mappings (
  device    TEXT NOT NULL REFERENCES devices(name),
  pseudonym BLOB NOT NULL,               -- random, the device's own
  fleet_key BLOB NOT NULL,               -- names the key
  hash      BLOB NOT NULL,               -- of issuer and number, under that key
  PRIMARY KEY (device, pseudonym, fleet_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX mappings_hash ON mappings(fleet_key, hash);
