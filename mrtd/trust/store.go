package trust

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"time"
)

// Store holds the CSCA certificates an inspection trusts. Every certificate in
// it is an anchor: a document signer is trusted when one of them signed it.
// Link certificates count as the CSCA whose key they carry.
//
// Finding is safe from several goroutines at once; adding is not. Open a new
// store and put it in the old one's place instead.
type Store struct {
	dir     string // "" for a store in memory
	anchors []*anchor
	byHash  map[[sha256.Size]byte]*anchor
	byKey   map[string][]*anchor // by subject key identifier
	byName  map[string][]*anchor // by subject
	sources []Source

	crls     map[string]*heldCRL // by issuer
	families map[string]string   // of an issuer's name to another of the same CSCA
	revoked  *revokedKeys        // of the anchors; made anew when they or the lists change

	deviations map[string]*heldDeviations // by signer
	signers    *signers
}

type anchor struct {
	*Certificate
	sources []int // into Store.sources
}

// Source is where certificates came from.
type Source struct {
	Name       string    `json:"name"`             // "DE_ML_2026-05-28.ml"
	SHA256     string    `json:"sha256,omitempty"` // of the imported file
	Imported   time.Time `json:"imported"`
	Signed     time.Time `json:"signed,omitzero"`  // signing time of a master list
	Signer     string    `json:"signer,omitempty"` // of a master list
	Kind       Kind      `json:"kind,omitempty"`   // "" in stores of before there were others than certificates and master lists
	MasterList bool      `json:"master_list"`
	Counts     Counts    `json:"counts"`
}

// Date is the age of the trust a source gives: the signing time of a list, the
// day of import of a certificate that came alone.
func (s Source) Date() time.Time {
	if !s.Signed.IsZero() {
		return s.Signed
	}
	return s.Imported
}

// Counts says what became of the CA certificates of one source, Total being
// the sum of the four after it, and of what else a directory holds.
type Counts struct {
	Total      int `json:"total"`
	Added      int `json:"added"`
	Duplicates int `json:"duplicates"` // in the store already, or twice in the source
	Refused    int `json:"refused"`    // no CA: would let any holder of its key issue passports; or nothing vouches for it
	Unreadable int `json:"unreadable"`

	Signers      int `json:"signers,omitzero"`       // document signers taken
	SignersHeld  int `json:"signers_held,omitzero"`  // … in the store already
	Unchained    int `json:"unchained,omitzero"`     // … left out: no CSCA of the store issued them
	Lists        int `json:"lists,omitzero"`         // master, revocation and deviation lists taken
	ListsHeld    int `json:"lists_held,omitzero"`    // … no newer than those in the store
	ListsRefused int `json:"lists_refused,omitzero"` // … that nothing vouches for
	Skipped      int `json:"skipped,omitzero"`       // change records and URLs
}

// NewStore makes an empty store in memory.
func NewStore() *Store {
	return &Store{
		byHash: map[[sha256.Size]byte]*anchor{}, byKey: map[string][]*anchor{}, byName: map[string][]*anchor{},
		crls: map[string]*heldCRL{}, families: map[string]string{}, revoked: &revokedKeys{},
		deviations: map[string]*heldDeviations{}, signers: &signers{},
	}
}

// Add takes certificates of one source and returns what became of them. The
// caller has verified a master list first. A store opened from a folder keeps
// what is added only by Import.
func (s *Store) Add(from Source, certificates ...*Certificate) Counts {
	index := len(s.sources)
	var n Counts
	for _, c := range certificates {
		n.Total++
		known := s.byHash[c.digest]
		switch {
		case known != nil:
			n.Duplicates++
			if known.sources[len(known.sources)-1] != index {
				known.sources = append(known.sources, index)
			}
		case !c.IsCA():
			n.Refused++
		default:
			n.Added++
			s.insert(&anchor{c, []int{index}})
		}
	}
	from.Counts = n
	s.sources = append(s.sources, from)
	return n
}

func (s *Store) insert(a *anchor) {
	s.anchors = append(s.anchors, a)
	s.byHash[a.digest] = a
	if len(a.SubjectKeyID) > 0 {
		s.byKey[string(a.SubjectKeyID)] = append(s.byKey[string(a.SubjectKeyID)], a)
	}
	s.byName[a.Subject.key] = append(s.byName[a.Subject.key], a)
	s.join(a.Certificate)
	s.revoked = &revokedKeys{}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Find returns the certificates that may have issued one whose issuer (a raw
// distinguished name) and authority key identifier (nil where there is none)
// are given: by key identifier first, then by name. Neither proves anything;
// the signature has to be verified.
func (s *Store) Find(issuer, authorityKeyID []byte) []*Certificate {
	var out []*Certificate
	if len(authorityKeyID) > 0 {
		for _, a := range s.byKey[string(authorityKeyID)] {
			out = append(out, a.Certificate)
		}
	}
	name, err := ParseName(issuer)
	if err != nil {
		return out
	}
	for _, a := range s.byName[name.key] {
		if len(authorityKeyID) == 0 || !bytes.Equal(a.SubjectKeyID, authorityKeyID) {
			out = append(out, a.Certificate)
		}
	}
	return out
}

// Date tells how fresh the trust in a certificate is: the latest of its
// sources. It is zero for one that is not in the store.
func (s *Store) Date(c *Certificate) time.Time {
	var latest time.Time
	if a := s.byHash[c.digest]; a != nil {
		for _, i := range a.sources {
			if d := s.sources[i].Date(); d.After(latest) {
				latest = d
			}
		}
	}
	return latest
}

// Len is the number of certificates, each counted once.
func (s *Store) Len() int { return len(s.anchors) }

// Certificates lists the store in the order of addition.
func (s *Store) Certificates() []*Certificate {
	out := make([]*Certificate, len(s.anchors))
	for i, a := range s.anchors {
		out[i] = a.Certificate
	}
	return out
}

// Sources lists where the certificates came from, in the order of addition.
func (s *Store) Sources() []Source { return append([]Source(nil), s.sources...) }

// Countries counts the certificates of each country of their subject.
func (s *Store) Countries() map[string]int {
	out := map[string]int{}
	for _, a := range s.anchors {
		out[a.Subject.Country]++
	}
	return out
}
