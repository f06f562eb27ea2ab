-- Who erased: a device's tombstone, a signed note, for each entry held without content.
CREATE TABLE erased (
  device TEXT   NOT NULL REFERENCES devices(name),
  number BIGINT NOT NULL,
  note   BYTEA  NOT NULL,
  PRIMARY KEY (device, number)
);
