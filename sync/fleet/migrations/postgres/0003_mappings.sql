-- What leads from a document to the pseudonyms that devices know it by.
CREATE TABLE mappings (
  device    TEXT  NOT NULL REFERENCES devices(name),
  pseudonym BYTEA NOT NULL,              -- random, the device's own
  fleet_key BYTEA NOT NULL,              -- names the key
  hash      BYTEA NOT NULL,              -- of issuer and number, under that key
  PRIMARY KEY (device, pseudonym, fleet_key)
);

CREATE INDEX mappings_hash ON mappings(fleet_key, hash);
