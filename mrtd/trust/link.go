package trust

// oneCountry tells whether issuer and subject are of the same country, as
// those of every certificate of the eMRTD PKI are (Doc 9303-12, table 5).
func (c *Certificate) oneCountry() bool {
	return c.Subject.Country != "" && c.Subject.Country == c.Issuer.Country
}

// Linked tells whether the store itself vouches for a CA certificate: a CSCA
// in it signed it as its link certificate while valid, or it is the self-signed
// certificate of a name and key that is in it (Doc 9303-12, 6.1.1). What is
// linked needs no other vouching.
func (s *Store) Linked(c *Certificate) bool {
	if !c.IsCA() || !c.oneCountry() {
		return false
	}
	revoked := s.revokedKeys()
	for _, a := range s.byName[c.Subject.key] {
		if _, bad := revoked[a.digest]; !bad && a.Key.Equal(c.Key) && c.VerifySignatureBy(c) == nil {
			return true
		}
	}
	if !c.Link() {
		return false
	}
	for _, up := range s.Find(c.Issuer.Raw, c.AuthorityKeyID) {
		_, bad := revoked[up.digest]
		if !bad && up.Subject.Country == c.Issuer.Country && up.IsCA() &&
			!c.NotBefore.Before(up.NotBefore.Add(-day)) && !c.NotBefore.After(up.NotAfter) && c.VerifySignatureBy(up) == nil {
			return true
		}
	}
	return false
}
