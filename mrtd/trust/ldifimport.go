package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"limen/mrtd/ber"
)

// directory imports one LDIF file. It is read twice: first what vouches for
// others, lists and link certificates, then what needs it.
type directory struct {
	store *Store
	from  Source
	index int // of from, once the lists that vouch have been taken
	v     Vouching
	at    time.Time

	counts Counts
	links  []*Certificate
	pack   *packWriter
	list   error // why the first list was refused
}

// maxLinkCandidates bounds the CA certificates of a directory.
const maxLinkCandidates = 10_000

func (s *Store) takeLDIF(from Source, r io.ReadSeeker, v Vouching, at time.Time) (Imported, error) {
	from.Kind = KindLDIF
	d := &directory{store: s, from: from, v: v, at: at}
	digest := sha256.New()
	skipped, err := eachEntry(r, digest, d.vouchers)
	if err != nil {
		return Imported{}, err
	}
	d.index = len(s.sources) // the sources of master lists came before
	s.sources = append(s.sources, d.from)
	d.counts.add(s.link(d.index, d.links))
	if d.pack, err = s.newPack(d.index); err != nil {
		return Imported{}, err
	}
	defer d.pack.close()
	again := sha256.New()
	if _, err = eachEntry(r, again, d.vouched); err != nil {
		return Imported{}, err
	}
	if !bytes.Equal(again.Sum(nil), digest.Sum(nil)) {
		return Imported{}, errors.New("the file changed while it was read")
	}
	if err := d.pack.finish(); err != nil {
		return Imported{}, err
	}
	d.counts.Skipped = skipped
	s.sources[d.index].SHA256, s.sources[d.index].Counts = hex.EncodeToString(digest.Sum(nil)), d.counts
	return Imported{Kind: KindLDIF, Counts: d.counts}, d.verdict()
}

// verdict is an error where nothing in the directory could be taken.
func (d *directory) verdict() error {
	n := d.counts
	took := n.Added + n.Duplicates + n.Signers + n.SignersHeld + n.Lists + n.ListsHeld
	refused := n.Refused + n.Unreadable + n.Unchained + n.ListsRefused
	if took > 0 || refused == 0 {
		return nil
	}
	err := fmt.Errorf("none of its %d certificates and lists is vouched for by the store or a root: import the CSCA certificates first", refused)
	if d.list != nil {
		err = fmt.Errorf("%w (%w)", err, d.list)
	}
	return err
}

func eachEntry(r io.ReadSeeker, digest io.Writer, each func(ldifValue) error) (skipped int, err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	in := newLDIF(io.TeeReader(r, digest))
	for {
		e, err := in.next()
		if errors.Is(err, io.EOF) {
			return in.skipped, nil
		}
		if err != nil {
			return 0, fmt.Errorf("LDIF: %w", err)
		}
		for _, value := range e.values {
			if err := each(value); err != nil {
				return 0, fmt.Errorf("LDIF: entry of line %d: %w", e.line, err)
			}
		}
	}
}

// What an attribute holds is told from its name, as the PKD's schema and RFC
// 4523 have them; a signed list is known by itself, under any name.
func (v ldifValue) revocationList() bool { return strings.HasSuffix(v.name, "revocationlist") }
func (v ldifValue) authority() bool {
	return v.name == "cacertificate" || v.name == "cscacertificate"
}
func (v ldifValue) signer() bool { return v.name == "usercertificate" }

func (v ldifValue) signedList() bool {
	return len(v.value) > 0 && v.value[0] == byte(ber.Sequence) &&
		bytes.Contains(v.value[:min(len(v.value), 32)], ber.EncodeOID(oidSignedData))
}

// vouchers takes the signed lists and collects the CA certificates.
func (d *directory) vouchers(v ldifValue) error {
	switch {
	case v.signedList():
		d.signedList(v.value)
	case v.authority():
		c, err := ParseCertificate(v.value)
		if err != nil {
			d.counts.Total++
			d.counts.Unreadable++
			return nil
		}
		if len(d.links) >= maxLinkCandidates {
			return fmt.Errorf("more than %d CA certificates", maxLinkCandidates)
		}
		d.links = append(d.links, c)
	}
	return nil
}

func (d *directory) signedList(b []byte) {
	var i Imported
	var err error
	b = bytes.Clone(b) // kept longer than the entry
	if kind, _ := kindOf(b); kind == KindDeviationList {
		i, err = d.store.takeDeviations(d.from, b, d.v, d.at)
	} else {
		i, err = d.store.takeMasterList(d.from, b, d.v)
	}
	d.note(i.Held, err)
	d.counts.add(i.Counts)
}

func (d *directory) note(held bool, err error) {
	switch {
	case errors.Is(err, ErrOlder):
		d.counts.ListsHeld++
	case err != nil:
		d.counts.ListsRefused++
		if d.list == nil {
			d.list = err
		}
	case held:
		d.counts.ListsHeld++
	default:
		d.counts.Lists++
	}
}

// vouched takes the revocation lists and document signers.
func (d *directory) vouched(v ldifValue) error {
	switch {
	case v.signedList():
		return nil
	case v.revocationList():
		l, err := ParseCRL(bytes.Clone(v.value))
		added := false
		if err == nil {
			added, err = d.store.addCRL(l, d.index, d.at)
		}
		d.note(!added, err)
		return nil
	case v.signer():
		c, err := ParseCertificate(v.value)
		if err != nil || len(c.Raw) > 1 && c.Raw[1] == 0x80 { // packs need definite lengths
			d.counts.Unreadable++
			d.counts.Total++
			return nil
		}
		return d.signer(c)
	}
	return nil
}

func (d *directory) signer(c *Certificate) error {
	switch {
	case c.IsCA():
		d.counts.add(d.store.link(d.index, []*Certificate{c}))
	case d.pack.holds(c):
		d.counts.SignersHeld++
	case !d.store.issued(c):
		d.counts.Unchained++
	default:
		d.counts.Signers++
		return d.pack.add(c)
	}
	return nil
}

// issued tells whether a CSCA of the store and of the same country signed a certificate.
func (s *Store) issued(c *Certificate) bool {
	for _, csca := range s.Find(c.Issuer.Raw, c.AuthorityKeyID) {
		if csca.Subject.Country == c.Subject.Country && c.VerifySignatureBy(csca) == nil {
			return true
		}
	}
	return false
}

func (n *Counts) add(m Counts) {
	n.Total += m.Total
	n.Added += m.Added
	n.Duplicates += m.Duplicates
	n.Refused += m.Refused
	n.Unreadable += m.Unreadable
}
