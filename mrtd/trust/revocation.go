package trust

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Revocation is what the store's lists say of a certificate.
type Revocation struct {
	Covered bool // a list of the certificate's CSCA is in the store and its signature holds
	Revoked bool
	Reason  RevocationReason // "" where the list states none
	Since   time.Time

	// Invalid says that a list of this CSCA is in the store, and that no
	// certificate of the store bears out its signature.
	Invalid bool
	// ByCountry says that the list is of another name of the same country, which
	// no link certificate joins to the issuer's. Doc 9303-12, D.1.2.3 takes that
	// for enough, a country having one CSCA; some have several.
	ByCountry bool
	List      *CRL          // the newest that covers; nil where none does
	Age       time.Duration // of List, since its thisUpdate
	Overdue   bool          // a newer one must exist
}

// ErrOlder says that a list is older than the one the store holds.
var ErrOlder = errors.New("older than the list the store holds")

// heldCRL is a list of the store. It was judged when it was imported; it is
// judged again when first used, since the certificate that bore it out may no
// longer be there.
type heldCRL struct {
	*CRL
	source int
	judge  sync.Once
	err    error
}

// AddCRL takes a list that a CSCA of the store signed. It takes the place of
// an older one of the same issuer; an older list is refused with an error that
// wraps ErrOlder, one whose signature was judged wrong with ErrSignature. The
// list that is held already is no error, and added is false. A store opened
// from a folder keeps what is added only by Import.
func (s *Store) AddCRL(from Source, l *CRL, at time.Time) (added bool, err error) {
	if added, err = s.addCRL(l, len(s.sources), at); added {
		s.sources = append(s.sources, from)
	}
	return added, err
}

func (s *Store) addCRL(l *CRL, source int, at time.Time) (added bool, err error) {
	if l.ThisUpdate.After(at.Add(day)) {
		// Taken, it would keep every list until then from taking its place.
		return false, fmt.Errorf("CRL of %s is of %s, which is still to come", l.Issuer, l.ThisUpdate.Format(time.DateOnly))
	}
	issuer, err := s.crlIssuer(l)
	if err != nil {
		return false, err
	}
	held := s.crls[l.Issuer.key]
	if held != nil && held.digest == l.digest {
		return false, nil
	}
	if r := s.RevokedCSCA(issuer, at); r.Revoked { // Doc 9303-12, 4.1.5.1: its key signs its own revocation, and no more
		return false, fmt.Errorf("CRL of %s: %w: its CSCA's certificate has been revoked", l.Issuer, ErrSignature)
	}
	if held != nil && !newer(l, held.CRL) {
		return false, fmt.Errorf("CRL of %s of %s is %w, of %s", l.Issuer, moment(l), ErrOlder, moment(held.CRL))
	}
	s.crls[l.Issuer.key] = &heldCRL{CRL: l, source: source}
	s.revoked = &revokedKeys{}
	return true, nil
}

// newer goes by the time a list states, which is signed; numbers only part
// lists of the same time. A CSCA that counts anew would otherwise never again
// be believed.
func newer(l, held *CRL) bool {
	if !l.ThisUpdate.Equal(held.ThisUpdate) {
		return l.ThisUpdate.After(held.ThisUpdate)
	}
	return l.Number != nil && (held.Number == nil || l.Number.Cmp(held.Number) > 0)
}

func moment(l *CRL) string {
	s := l.ThisUpdate.Format(time.DateTime)
	if l.Number != nil {
		s += ", number " + l.NumberText()
	}
	return s
}

const day = 24 * time.Hour

// crlIssuer finds the CSCA certificate that bears a list out: of its country,
// for signing lists, and valid when the list was made.
func (s *Store) crlIssuer(l *CRL) (*Certificate, error) {
	err := fmt.Errorf("CRL of %s: no CSCA certificate of the store could have issued it", l.Issuer)
	for _, c := range s.Find(l.Issuer.Raw, l.AuthorityKeyID) {
		switch {
		case c.Subject.Country != l.Issuer.Country:
			err = fmt.Errorf("CRL of %s: %w: its key is that of %s", l.Issuer, ErrSignature, c.Subject)
		case c.HasKeyUsage && c.KeyUsage&CRLSign == 0:
			err = fmt.Errorf("CRL of %s: %w: the key is not one for signing lists", l.Issuer, ErrSignature)
		case l.ThisUpdate.Before(c.NotBefore.Add(-day)) || l.ThisUpdate.After(c.NotAfter):
			err = fmt.Errorf("CRL of %s: %w: the CSCA was not valid on %s, when it signed", l.Issuer, ErrSignature, l.ThisUpdate.Format(time.DateOnly))
		default:
			verr := l.VerifySignatureBy(c)
			if verr == nil {
				return c, nil
			}
			err = fmt.Errorf("CRL of %s: %w", l.Issuer, verr)
		}
	}
	return nil, err
}

func (s *Store) holds(h *heldCRL) bool {
	h.judge.Do(func() { _, h.err = s.crlIssuer(h.CRL) })
	return h.err == nil
}

// CRLs lists the revocation lists of the store, by issuer.
func (s *Store) CRLs() []*CRL {
	var out []*CRL
	for _, key := range sortedKeys(s.crls) {
		out = append(out, s.crls[key].CRL)
	}
	return out
}

// Revoked looks a certificate up in the lists of its CSCA, whatever name the
// CSCA signed it under (Doc 9303-12, D.1.2.3). Being listed counts, whatever
// date the entry states.
func (s *Store) Revoked(c *Certificate, at time.Time) Revocation {
	var r Revocation
	lists, byCountry := s.covering(c)
	for _, h := range lists {
		if !s.holds(h) {
			r.Invalid = true
			continue
		}
		r.Covered = true
		since, reason, listed := h.Lists(c.Serial)
		if listed && !r.Revoked {
			r.Revoked, r.Since, r.Reason = true, since, reason
		}
		if r.List == nil || h.ThisUpdate.After(r.List.ThisUpdate) {
			r.List = h.CRL
		}
	}
	if r.List != nil {
		r.Age, r.Overdue, r.ByCountry = at.Sub(r.List.ThisUpdate), r.List.Overdue(at), byCountry
		r.Invalid = false
	}
	return r
}

// covering are the lists of the certificate's own CSCA, or else those of its
// country. The CSCA is known by its key too: some issuers write another form
// of their own name into what they sign.
func (s *Store) covering(c *Certificate) (lists []*heldCRL, byCountry bool) {
	var others []*heldCRL
	families := map[string]bool{s.family(c.Issuer): true}
	for _, a := range s.byKey[string(c.AuthorityKeyID)] {
		if a.Subject.Country == c.Issuer.Country {
			families[s.family(a.Subject)] = true
		}
	}
	for _, key := range sortedKeys(s.crls) {
		h := s.crls[key]
		switch {
		case families[s.family(h.Issuer)], names(h.FormerIssuers, c.Issuer):
			lists = append(lists, h)
		case h.Issuer.Country != "" && h.Issuer.Country == c.Issuer.Country:
			others = append(others, h)
		}
	}
	if len(lists) == 0 {
		return others, true
	}
	return lists, false
}

func names(list []Name, n Name) bool {
	for _, m := range list {
		if m.Country == n.Country && m.Equal(n) {
			return true
		}
	}
	return false
}

// family is the name that stands for all names of one CSCA: those that its
// link certificates join (Doc 9303-12, 7.1.1.5).
func (s *Store) family(n Name) string {
	key := n.key
	for {
		up, joined := s.families[key]
		if !joined || up == key {
			return key
		}
		key = up
	}
}

func (s *Store) join(c *Certificate) {
	if c.Issuer.Equal(c.Subject) || c.Issuer.Country == "" || c.Issuer.Country != c.Subject.Country {
		return
	}
	if a, b := s.family(c.Issuer), s.family(c.Subject); a != b {
		s.families[a] = b
	}
}

// RevokedCSCA tells whether the key of a CSCA certificate of the store is
// revoked: a certificate that carries it is listed, or that of a key before it
// whose link certificate vouches for it (Doc 9303-12, 4.1.5.1). One that was
// only replaced, or whose CSCA closed, does not take those after it along.
func (s *Store) RevokedCSCA(c *Certificate, at time.Time) Revocation {
	r := s.Revoked(c, at)
	if e, revoked := s.revokedKeys()[c.digest]; revoked && !r.Revoked {
		r.Revoked, r.Since, r.Reason = true, e.date, e.reason
	}
	return r
}

// revokedKeys are the anchors whose key is revoked, found out when first asked for.
func (s *Store) revokedKeys() map[[sha256.Size]byte]revokedEntry {
	s.revoked.once.Do(func() { s.revoked.keys = s.findRevokedKeys() })
	return s.revoked.keys
}

type revokedKeys struct {
	once sync.Once
	keys map[[sha256.Size]byte]revokedEntry
}

func (s *Store) findRevokedKeys() map[[sha256.Size]byte]revokedEntry {
	found := map[[sha256.Size]byte]revokedEntry{}
	var next []*anchor
	mark := func(a *anchor, e revokedEntry) {
		for _, same := range s.byName[a.Subject.key] {
			if _, known := found[same.digest]; !known && (same == a || same.Key.Equal(a.Key)) {
				found[same.digest] = e
				next = append(next, same)
			}
		}
	}
	if len(s.crls) == 0 {
		return found
	}
	for _, a := range s.anchors {
		if r := s.Revoked(a.Certificate, time.Time{}); r.Revoked {
			mark(a, revokedEntry{r.Since, r.Reason})
		}
	}
	for len(next) > 0 {
		a := next[0]
		next = next[1:]
		e := found[a.digest]
		if e.reason == Superseded || e.reason == CessationOfOperation {
			continue
		}
		for _, l := range s.anchors {
			if l.Link() && l.Issuer.Equal(a.Subject) && !l.Key.Equal(a.Key) && l.VerifySignatureBy(a.Certificate) == nil {
				mark(l, e)
			}
		}
	}
	return found
}
