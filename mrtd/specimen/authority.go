package specimen

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// Profile describes an issuing state's authority.
type Profile struct {
	Country string // alpha-2; "UT" is Utopia
	CSCA    KeyKind
	DS      KeyKind
	From    time.Time // start of both certificates; the CSCA's lasts 15 years, the signer's 10
	Name    string    // of the CSCA; "" is "CSCA"
	// Documents are the codes of the documents that the signer signs, as its
	// certificate lists them (Doc 9303-12, 7.1.1.6); nil is "P", passports.
	Documents []string
}

// DefaultProfile is Utopia with the keys most states use now, from a time.
func DefaultProfile(from time.Time) Profile {
	return Profile{
		Country: "UT", From: from,
		CSCA: KeyKind{Scheme: trust.ECDSA, Curve: "brainpoolP384r1", Explicit: true, Hash: crypto.SHA384},
		DS:   KeyKind{Scheme: trust.ECDSA, Curve: "brainpoolP256r1", Explicit: true, Hash: crypto.SHA256},
	}
}

// Authority is a CSCA and one document signer, with their keys.
type Authority struct {
	profile Profile
	random  io.Reader
	csca    *key
	ds      *key
	cscaDER []byte
	dsDER   []byte
	keyID   []byte // of an impostor: the CSCA's whose place it takes
}

// NewAuthority makes keys and certificates from random; the same bytes make the same authority.
func NewAuthority(p Profile, random io.Reader) (*Authority, error) {
	a := &Authority{profile: p, random: random}
	var err error
	if len(p.Country) != 2 {
		return nil, fmt.Errorf("cannot make an authority: country %q is not a code of two letters", p.Country)
	}
	if a.csca, err = newKey(p.CSCA, random); err != nil {
		return nil, fmt.Errorf("cannot make the CSCA's key: %w", err)
	}
	if a.ds, err = newKey(p.DS, random); err != nil {
		return nil, fmt.Errorf("cannot make the document signer's key: %w", err)
	}
	if a.cscaDER, err = a.certify(certificate{subject: a.cscaName(), key: a.csca, years: 15, ca: true}); err != nil {
		return nil, fmt.Errorf("cannot make the CSCA's certificate: %w", err)
	}
	if a.dsDER, err = a.certify(certificate{subject: a.name("Document Signer"), key: a.ds, years: 10, documents: true, types: p.Documents}); err != nil {
		return nil, fmt.Errorf("cannot make the document signer's certificate: %w", err)
	}
	return a, nil
}

// CSCA is the self-signed CSCA certificate, DER: what a trust store imports.
func (a *Authority) CSCA() []byte { return slices.Clone(a.cscaDER) }

// Signer is the document signer's certificate, DER.
func (a *Authority) Signer() []byte { return slices.Clone(a.dsDER) }

// Link is a link certificate, DER: the key of the authority that follows,
// signed with this one's (Doc 9303-12, 4.1).
func (a *Authority) Link(next *Authority) ([]byte, error) {
	return a.certify(certificate{subject: next.cscaName(), key: next.csca, years: 10, ca: true})
}

// MasterList signs a list of certificates (Doc 9303-12, 9) with a master list
// signer this authority certifies.
func (a *Authority) MasterList(signed time.Time, certificates ...[]byte) ([]byte, error) {
	content := ber.Encode(ber.Sequence, ber.EncodeInt(new(big.Int)), ber.Encode(ber.Set, certificates...))
	return a.SignedList("2.23.136.1.1.2", "2.23.136.1.1.3", "Master List Signer", content, signed)
}

func (a *Authority) name(common string) []byte { return nameOf(a.profile.Country, common) }

func (a *Authority) cscaName() []byte { return a.name(cmp.Or(a.profile.Name, "CSCA")) }

func nameOf(country, common string) []byte {
	part := func(oid string, tag ber.Tag, value string) []byte {
		return ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.Encode(tag, []byte(value))))
	}
	return ber.Encode(ber.Sequence,
		part("2.5.4.6", ber.PrintableString, country),
		part("2.5.4.10", ber.UTF8String, "Specimen Authority"),
		part("2.5.4.3", ber.UTF8String, common))
}

// certificate is what certify is asked for.
type certificate struct {
	subject   []byte
	key       *key
	years     int
	ca        bool
	documents bool   // a document signer: says which documents it signs
	usage     string // extended key usage, "" for none

	from, until time.Time // zero: from the profile's start, for years
	types       []string  // of documents it signs; nil is all but visas for a document signer, else none
	serial      *big.Int  // nil: one of randomness
}

// certify signs a certificate with the CSCA's key (Doc 9303-12, 7.1).
func (a *Authority) certify(c certificate) ([]byte, error) {
	serial := make([]byte, 8)
	if _, err := io.ReadFull(a.random, serial); err != nil {
		return nil, fmt.Errorf("source of randomness: %w", err)
	}
	serial[0] = serial[0]&0x7F | 0x40
	if c.serial == nil {
		c.serial = new(big.Int).SetBytes(serial)
	}
	if c.from.IsZero() {
		c.from = a.profile.From
	}
	if c.until.IsZero() {
		c.until = c.from.AddDate(c.years, 0, 0)
	}
	info, _ := c.key.publicKey()
	tbs := ber.Encode(ber.Sequence,
		ber.Encode(0xA0, ber.EncodeInt(big.NewInt(2))),
		ber.EncodeInt(c.serial),
		a.csca.algorithm(),
		a.cscaName(),
		ber.Encode(ber.Sequence, encodeTime(c.from), encodeTime(c.until)),
		c.subject,
		info,
		ber.Encode(0xA3, ber.Encode(ber.Sequence, a.extensions(c)...)))
	signature, err := a.csca.sign(tbs)
	if err != nil {
		return nil, err
	}
	der := ber.Encode(ber.Sequence, tbs, a.csca.algorithm(), ber.EncodeBits(signature))
	if _, err := trust.ParseCertificate(der); err != nil {
		return nil, errors.Join(errors.New("certificate made here does not parse"), err)
	}
	return der, nil
}

func (a *Authority) extensions(c certificate) [][]byte {
	usage := []byte{7, 0x80} // digitalSignature
	if c.ca {
		usage = []byte{1, 0x06} // keyCertSign, cRLSign
	}
	period := c.from.AddDate(0, 3, 0)
	if c.ca {
		period = c.from.AddDate(4, 0, 0)
	}
	out := [][]byte{
		extension("2.5.29.14", false, ber.Encode(ber.OctetString, a.identifier(c.key))),
		extension("2.5.29.35", false, ber.Encode(ber.Sequence, ber.Encode(0x80, a.identifier(a.csca)))),
		extension("2.5.29.15", true, ber.Encode(ber.BitString, usage)),
		extension("2.5.29.16", false, ber.Encode(ber.Sequence,
			ber.Encode(0x80, generalized(c.from)), ber.Encode(0x81, generalized(period)))),
	}
	if c.ca {
		out = append(out, extension("2.5.29.19", true, ber.Encode(ber.Sequence,
			ber.Encode(ber.Boolean, []byte{0xFF}), ber.EncodeInt(new(big.Int)))))
	}
	types := c.types
	if c.documents && types == nil {
		types = []string{"A", "C", "I", "P"} // every passport and card
	}
	if len(types) > 0 {
		out = append(out, extension("2.23.136.1.1.6.2", false, ber.Encode(ber.Sequence,
			ber.EncodeInt(new(big.Int)), ber.Encode(ber.Set, printables(types)...))))
	}
	if c.usage != "" {
		out = append(out, extension("2.5.29.37", true, ber.Encode(ber.Sequence, ber.EncodeOID(c.usage))))
	}
	return out
}

func extension(oid string, critical bool, value []byte) []byte {
	var flag []byte
	if critical {
		flag = ber.Encode(ber.Boolean, []byte{0xFF})
	}
	return ber.Encode(ber.Sequence, ber.EncodeOID(oid), flag, ber.Encode(ber.OctetString, value))
}

// identifier is a key's identifier (RFC 5280, 4.2.1.2, method 1).
func (a *Authority) identifier(k *key) []byte {
	if k == a.csca && a.keyID != nil {
		return a.keyID
	}
	_, bits := k.publicKey()
	sum := sha1.Sum(bits)
	return sum[:]
}

func printables(list []string) [][]byte {
	out := make([][]byte, len(list))
	for i, s := range list {
		out[i] = ber.Encode(ber.PrintableString, []byte(s))
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

func generalized(t time.Time) []byte { return []byte(t.UTC().Format("20060102150405Z")) }

// encodeTime writes UTCTime until 2049 and GeneralizedTime after (RFC 5280, 4.1.2.5).
func encodeTime(t time.Time) []byte {
	if y := t.UTC().Year(); y >= 1950 && y < 2050 {
		return ber.Encode(ber.UTCTime, []byte(t.UTC().Format("060102150405Z")))
	}
	return ber.Encode(ber.GeneralizedTime, generalized(t))
}
