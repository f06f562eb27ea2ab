package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"limen/mrtd/ber"
)

// Kind is what a file holds.
type Kind string

// The kinds of files that can be imported.
const (
	KindCertificates  Kind = "certificates"
	KindMasterList    Kind = "master_list"
	KindCRL           Kind = "crl"
	KindDeviationList Kind = "deviation_list"
	KindLDIF          Kind = "ldif"
)

// Vouching is what an import rests on besides what the store holds.
type Vouching struct {
	// Roots are CSCA certificates obtained by another way. They vouch for master
	// lists; for deviation lists the CSCAs of the store do as well, since a state
	// speaks of its own documents there.
	Roots []*Certificate
	// LinksOnly takes certificates only where a CSCA of the store signed them as
	// its link certificates. Without it the caller vouches for those of a file of
	// their own.
	LinksOnly bool
}

// Imported is what became of a file.
type Imported struct {
	Kind       Kind
	Counts     Counts
	Held       bool           // the store has this very list already
	CRL        *CRL           // of a revocation list
	Deviations *DeviationList // of a deviation list
}

// Import is ImportFrom for a file's bytes and one root, which may be nil.
func (s *Store) Import(name string, b []byte, root *Certificate, at time.Time) (Counts, error) {
	i, err := s.ImportFrom(name, bytes.NewReader(b), Vouching{Roots: []*Certificate{root}}, at)
	return i.Counts, err
}

// ImportFrom takes a file: certificates in DER or PEM; a master list or a
// deviation list, whose signature must hold up to a root; a revocation list
// that a CSCA of the store signed; or LDIF as the ICAO PKD ships it, in which
// each of these must hold by itself and document signers must have been issued
// by a CSCA of the store. at is the day of import. A file is taken as a whole
// or, with an error, not at all; a store of a folder is written before
// ImportFrom returns. A list older than the one held is an error that wraps
// ErrOlder.
func (s *Store) ImportFrom(name string, r io.ReadSeeker, v Vouching, at time.Time) (Imported, error) {
	v.Roots = slices.DeleteFunc(slices.Clone(v.Roots), func(c *Certificate) bool { return c == nil })
	from := Source{Name: name, Imported: at.UTC().Truncate(time.Second)}
	next := s.clone()
	i, err := next.take(from, r, v, at)
	if err != nil {
		return Imported{}, fmt.Errorf("cannot import %s: %w", name, err)
	}
	next.prune()
	if next.dir != "" && !i.Held {
		if err := next.save(); err != nil {
			return Imported{}, fmt.Errorf("cannot store %s: %w", name, err)
		}
	}
	*s = *next
	return i, nil
}

// clone copies the store as far as adding changes it.
func (s *Store) clone() *Store {
	c := NewStore()
	c.dir, c.sources, c.signers.packs = s.dir, slices.Clone(s.sources), slices.Clone(s.signers.packs)
	for _, a := range s.anchors {
		c.insert(&anchor{a.Certificate, slices.Clone(a.sources)})
	}
	for key, h := range s.crls {
		c.crls[key] = &heldCRL{CRL: h.CRL, source: h.source}
	}
	for key, h := range s.deviations {
		c.deviations[key] = &heldDeviations{h.DeviationList, h.source}
	}
	for i, p := range s.signers.packs {
		copied := *p
		c.signers.packs[i] = &copied
	}
	return c
}

// prune forgets the sources of lists that others took the place of: a
// directory imported every day would otherwise leave one a day.
func (s *Store) prune() {
	used := map[int]bool{}
	s.eachSource(func(i *int) { used[*i] = true })
	moved := map[int]int{}
	var kept []Source
	for i, from := range s.sources {
		if used[i] || from.Kind == "" || from.Kind == KindCertificates || from.Kind == KindMasterList || i == len(s.sources)-1 {
			moved[i] = len(kept)
			kept = append(kept, from)
		}
	}
	s.eachSource(func(i *int) { *i = moved[*i] })
	s.sources = kept
}

// eachSource visits every index of a source.
func (s *Store) eachSource(visit func(*int)) {
	for _, a := range s.anchors {
		for i := range a.sources {
			visit(&a.sources[i])
		}
	}
	for _, h := range s.crls {
		visit(&h.source)
	}
	for _, h := range s.deviations {
		visit(&h.source)
	}
	for _, p := range s.signers.packs {
		visit(&p.Source)
	}
}

func (s *Store) take(from Source, r io.ReadSeeker, v Vouching, at time.Time) (Imported, error) {
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Imported{}, err
	}
	if looksLikeLDIF(head[:n]) {
		return s.takeLDIF(from, r, v, at)
	}
	b, err := io.ReadAll(io.MultiReader(bytes.NewReader(head[:n]), io.LimitReader(r, maxListBytes)))
	if err != nil {
		return Imported{}, err
	}
	if len(b) > maxListBytes {
		return Imported{}, fmt.Errorf("more than %d bytes, and no LDIF", maxListBytes)
	}
	digest := sha256.Sum256(b)
	from.SHA256 = hex.EncodeToString(digest[:])
	switch kind, der := kindOf(b); kind {
	case KindMasterList:
		return s.takeMasterList(from, der, v)
	case KindDeviationList:
		return s.takeDeviations(from, der, v, at)
	case KindCRL:
		return s.takeCRL(from, der, at)
	}
	return s.takeCertificates(from, b, v)
}

// kindOf tells by its outermost shape what a file is meant as, and returns the
// DER of a signed list that lies in PEM. What is none of the lists is judged
// as certificates.
func kindOf(b []byte) (Kind, []byte) {
	if block, _ := pem.Decode(b); block != nil && len(b) > 0 && b[0] != byte(ber.Sequence) {
		switch block.Type {
		case "X509 CRL":
			return KindCRL, b
		case "CMS", "PKCS7":
			return kindOf(block.Bytes)
		}
		return KindCertificates, b
	}
	outer, _, err := ber.Next(b)
	if err != nil || outer.Tag != ber.Sequence {
		return KindCertificates, b
	}
	first, rest, err := ber.Next(outer.Value)
	if err != nil {
		return KindCertificates, b
	}
	if first.Tag == ber.OID {
		return listKindOf(rest), b
	}
	// A revocation list has a time where a certificate has its issuer's name or validity.
	fields, err := ber.TLV{Value: first.Value, Tag: first.Tag}.AtMost(10)
	if err == nil && len(fields) > 0 && fields[0].Tag == ber.Integer {
		fields = fields[1:]
	}
	if err == nil && len(fields) > 2 && (fields[2].Tag == ber.UTCTime || fields[2].Tag == ber.GeneralizedTime) {
		return KindCRL, b
	}
	return KindCertificates, b
}

// listKindOf looks for the content type inside signed data; what states
// another is judged, and refused, as a master list.
func listKindOf(content []byte) Kind {
	oid := ber.EncodeOID(oidDeviationList)
	if i := bytes.Index(content[:min(len(content), 512)], oid); i >= 0 {
		return KindDeviationList
	}
	return KindMasterList
}

func (s *Store) takeCertificates(from Source, b []byte, v Vouching) (Imported, error) {
	certificates, err := ParseCertificates(b)
	if err != nil {
		return Imported{}, fmt.Errorf("neither a certificate (%w) nor a signed list, revocation list or LDIF", err)
	}
	from.Kind = KindCertificates
	i := Imported{Kind: from.Kind}
	if v.LinksOnly {
		i.Counts = s.link(len(s.sources), certificates)
		from.Counts = i.Counts
		s.sources = append(s.sources, from)
		if i.Counts.Added+i.Counts.Duplicates == 0 {
			return i, errors.New("no CSCA of the store signed it as its link certificate")
		}
		return i, nil
	}
	i.Counts = s.Add(from, certificates...)
	return i, nil
}

// link takes those certificates that the store vouches for, in whatever order
// they come: one may vouch for the next. source is where they came from.
func (s *Store) link(source int, certificates []*Certificate) Counts {
	n := Counts{Total: len(certificates)}
	left := certificates
	for again := true; again; {
		again = false
		var still []*Certificate
		for _, c := range left {
			known := s.byHash[c.digest]
			switch {
			case known != nil:
				n.Duplicates++
				if known.sources[len(known.sources)-1] != source {
					known.sources = append(known.sources, source)
				}
			case s.Linked(c):
				n.Added++
				s.insert(&anchor{c, []int{source}})
				again = true
			default:
				still = append(still, c)
			}
		}
		left = still
	}
	n.Refused = len(left)
	return n
}

func (s *Store) takeMasterList(from Source, b []byte, v Vouching) (Imported, error) {
	list, err := VerifyMasterList(b, v.Roots...)
	if err != nil {
		return Imported{}, err
	}
	if s.Revoked(list.Signer, from.Imported).Revoked {
		return Imported{}, fmt.Errorf("master list: %w: the certificate of %s has been revoked", ErrSignature, list.Signer.Subject)
	}
	from.Kind, from.MasterList, from.Signed, from.Signer = KindMasterList, true, list.SigningTime.UTC(), list.Signer.Subject.String()
	n := s.Add(from, list.Certificates...)
	n.Duplicates += list.Duplicates
	n.Unreadable += len(list.Unreadable)
	n.Total += list.Duplicates + len(list.Unreadable)
	s.sources[len(s.sources)-1].Counts = n
	return Imported{Kind: KindMasterList, Counts: n}, nil
}

func (s *Store) takeDeviations(from Source, b []byte, v Vouching, at time.Time) (Imported, error) {
	list, err := VerifyDeviationList(b, append(slices.Clone(v.Roots), s.Certificates()...)...)
	if err != nil {
		return Imported{}, err
	}
	added, err := s.addDeviations(list, len(s.sources), at)
	if added {
		from.Kind, from.Signed, from.Signer = KindDeviationList, list.SigningTime.UTC(), list.Signer.Subject.String()
		s.sources = append(s.sources, from)
	}
	return Imported{Kind: KindDeviationList, Deviations: &list, Held: !added}, err
}

func (s *Store) takeCRL(from Source, b []byte, at time.Time) (Imported, error) {
	l, err := ParseCRL(b)
	if err != nil {
		return Imported{}, err
	}
	added, err := s.addCRL(l, len(s.sources), at)
	if added {
		from.Kind, from.Signed, from.Signer = KindCRL, l.ThisUpdate.UTC(), l.Issuer.String()
		s.sources = append(s.sources, from)
	}
	return Imported{Kind: KindCRL, CRL: l, Held: !added}, err
}
