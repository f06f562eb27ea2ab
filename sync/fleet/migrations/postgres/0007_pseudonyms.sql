-- A search begins with a pseudonym, of whichever device.
CREATE INDEX mappings_pseudonym ON mappings(pseudonym);
