package specimen

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// SignerSpec says what a further document signer is to be.
type SignerSpec struct {
	Key         KeyKind   // zero: as the profile's signers
	From, Until time.Time // zero: the profile's start, and ten years later
	Types       []string  // of documents it may sign; nil: all but visas
	Country     string    // "" is the CSCA's
	Usage       string    // extended key usage; document signers have none
	CA          bool      // the certificate of an authority, as no signer has
}

// NewSigner is the same CSCA with another document signer, which it certifies.
func (a *Authority) NewSigner(s SignerSpec) (*Authority, error) {
	if s.Key == (KeyKind{}) {
		s.Key = a.profile.DS
	}
	b := *a
	var err error
	if b.ds, err = newKey(s.Key, a.random); err != nil {
		return nil, fmt.Errorf("cannot make the document signer's key: %w", err)
	}
	b.dsDER, err = a.certify(certificate{
		subject: nameOf(cmp.Or(s.Country, a.profile.Country), "Document Signer"), key: b.ds, years: 10,
		from: s.From, until: s.Until, documents: !s.CA, types: s.Types, ca: s.CA, usage: s.Usage,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the document signer's certificate: %w", err)
	}
	return &b, nil
}

// Impostor is an authority that passes itself off as this one: names, serials,
// validity and key identifiers are this one's, the keys its own.
func (a *Authority) Impostor(random io.Reader) (*Authority, error) {
	csca, err := trust.ParseCertificate(a.cscaDER)
	if err != nil {
		return nil, err
	}
	ds, err := trust.ParseCertificate(a.dsDER)
	if err != nil {
		return nil, err
	}
	b := &Authority{profile: a.profile, random: random, keyID: a.identifier(a.csca)}
	if b.csca, err = newKey(a.profile.CSCA, random); err != nil {
		return nil, fmt.Errorf("cannot make the impostor's key: %w", err)
	}
	if b.ds, err = newKey(a.profile.DS, random); err != nil {
		return nil, fmt.Errorf("cannot make the impostor's signer's key: %w", err)
	}
	if b.cscaDER, err = b.certify(certificate{subject: csca.Subject.Raw, key: b.csca, from: csca.NotBefore, until: csca.NotAfter, ca: true, serial: csca.Serial}); err != nil {
		return nil, err
	}
	b.dsDER, err = b.certify(certificate{subject: ds.Subject.Raw, key: b.ds, from: ds.NotBefore, until: ds.NotAfter, documents: true, types: ds.DocumentTypes, serial: ds.Serial})
	return b, err
}

// Revoked is an entry of a revocation list.
type Revoked struct {
	Serial *big.Int
	At     time.Time
	Reason int // as RFC 5280, 5.3.1 numbers it; 0 states none
}

// Revoke is the entry that revokes a certificate, DER.
func Revoke(certificate []byte, at time.Time) (Revoked, error) {
	c, err := trust.ParseCertificate(certificate)
	if err != nil {
		return Revoked{}, err
	}
	return Revoked{Serial: c.Serial, At: at}, nil
}

// CRL is a revocation list (Doc 9303-12, 7.1.4), DER. A zero next update is left out.
func (a *Authority) CRL(number int64, this, next time.Time, revoked ...Revoked) ([]byte, error) {
	return a.CRLWith(number, this, next, nil, revoked...)
}

// CRLWith is CRL with further extensions, as Extension makes them.
func (a *Authority) CRLWith(number int64, this, next time.Time, extensions [][]byte, revoked ...Revoked) ([]byte, error) {
	fields := [][]byte{ber.EncodeInt(big.NewInt(1)), a.csca.algorithm(), a.cscaName(), encodeTime(this)}
	if !next.IsZero() {
		fields = append(fields, encodeTime(next))
	}
	var entries [][]byte
	for _, r := range revoked {
		entry := [][]byte{ber.EncodeInt(r.Serial), encodeTime(r.At)}
		if r.Reason != 0 {
			entry = append(entry, ber.Encode(ber.Sequence, extension("2.5.29.21", false, ber.Encode(0x0A, []byte{byte(r.Reason)}))))
		}
		entries = append(entries, ber.Encode(ber.Sequence, entry...))
	}
	if len(entries) > 0 {
		fields = append(fields, ber.Encode(ber.Sequence, entries...))
	}
	extensions = append([][]byte{
		extension("2.5.29.35", false, ber.Encode(ber.Sequence, ber.Encode(0x80, a.identifier(a.csca)))),
		extension("2.5.29.20", false, ber.EncodeInt(big.NewInt(number))),
	}, extensions...)
	fields = append(fields, ber.Encode(0xA0, ber.Encode(ber.Sequence, extensions...)))
	tbs := ber.Encode(ber.Sequence, fields...)
	signature, err := a.csca.sign(tbs)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the revocation list: %w", err)
	}
	return ber.Encode(ber.Sequence, tbs, a.csca.algorithm(), ber.EncodeBits(signature)), nil
}

// Extension is one of a certificate's or list's extensions (RFC 5280, 4.1.2.9).
func Extension(oid string, critical bool, value []byte) []byte {
	return extension(oid, critical, value)
}

// Deviation is an entry of a deviation list. Documents are those that meet
// every condition that is given.
type Deviation struct {
	DocumentType string // "P"
	Signer       []byte // the document signer's certificate, named as By says
	By           SignerName
	From, Until  time.Time // of issue
	Numbers      []string
	Type         string // object identifier of the deviation (Doc 9303-12, 10.2)
	Parameter    []byte // one element, or nil
	Description  string
}

// SignerName is how a deviation names a document signer.
type SignerName int

// The ways of Doc 9303-3, 7.3.6.
const (
	ByIssuerAndSerial SignerName = iota
	ByKeyID
	ByDigest // SHA-256 of the certificate
)

// DeviationList signs a deviation list (Doc 9303-12, 10) with a signer this
// authority certifies.
func (a *Authority) DeviationList(signed time.Time, deviations ...Deviation) ([]byte, error) {
	entries := make([][]byte, len(deviations))
	for i, d := range deviations {
		documents, err := d.documents()
		if err != nil {
			return nil, fmt.Errorf("cannot make deviation %d: %w", i+1, err)
		}
		var description, parameter []byte
		if d.Description != "" {
			description = ber.Encode(ber.PrintableString, []byte(d.Description))
		}
		if d.Parameter != nil {
			parameter = ber.Encode(0xA0, d.Parameter)
		}
		entries[i] = ber.Encode(ber.Sequence, documents,
			ber.Encode(ber.Set, ber.Encode(ber.Sequence, description, ber.EncodeOID(d.Type), parameter)))
	}
	content := ber.Encode(ber.Sequence, ber.EncodeInt(new(big.Int)), ber.Encode(ber.Sequence, ber.EncodeOID("2.16.840.1.101.3.4.2.1")), ber.Encode(ber.Set, entries...))
	return a.SignedList("2.23.136.1.1.7", "2.23.136.1.1.8", "Deviation List Signer", content, signed)
}

// SignedList signs any content as a list of a type, with a signer made for it
// of an extended key usage and a name.
func (a *Authority) SignedList(contentType, usage, name string, content []byte, signed time.Time) ([]byte, error) {
	signer, err := newKey(a.profile.DS, a.random)
	if err != nil {
		return nil, err
	}
	der, err := a.certify(certificate{subject: a.name(name), key: signer, years: 5, usage: usage})
	if err != nil {
		return nil, err
	}
	return message{contentType: contentType, content: content, key: signer, signer: der, at: signed, others: [][]byte{a.cscaDER}}.sign()
}

func (d Deviation) documents() ([]byte, error) {
	var fields [][]byte
	if d.DocumentType != "" {
		fields = append(fields, ber.Encode(0x80, []byte(d.DocumentType)))
	}
	if d.Signer != nil {
		c, err := trust.ParseCertificate(d.Signer)
		if err != nil {
			return nil, err
		}
		switch d.By {
		case ByKeyID:
			fields = append(fields, ber.Encode(0x82, c.SubjectKeyID))
		case ByDigest:
			sum := sha256.Sum256(d.Signer)
			fields = append(fields, ber.Encode(0x83, sum[:]))
		default:
			fields = append(fields, ber.Encode(0xA1, c.Issuer.Raw, ber.EncodeInt(c.Serial)))
		}
	}
	if !d.From.IsZero() {
		fields = append(fields, ber.Encode(0xA4, ber.Encode(ber.GeneralizedTime, generalized(d.From)), ber.Encode(ber.GeneralizedTime, generalized(d.Until))))
	}
	if d.Numbers != nil {
		fields = append(fields, ber.Encode(0xA5, printables(d.Numbers)...))
	}
	return ber.Encode(ber.Sequence, fields...), nil
}

// LDIFEntry is an entry as the ICAO PKD ships it.
type LDIFEntry struct {
	Branch    string // "dsc", "crl", "ml"
	Country   string
	Name      string
	Attribute string // "userCertificate;binary", "certificateRevocationList;binary", "pkdMasterListContent"
	Value     []byte
}

// LDIF writes entries as the ICAO PKD's download does (RFC 2849), lines folded
// at 76 characters.
func LDIF(entries ...LDIFEntry) []byte {
	var b bytes.Buffer
	b.WriteString("version: 1\n")
	const root = "dc=data,dc=download,dc=pkd,dc=icao,dc=int"
	b.WriteString("\ndn: " + root + "\nobjectClass: top\nobjectClass: domain\ndc: data\n")
	var seen []string
	for _, e := range entries {
		branch := fmt.Sprintf("o=%s,c=%s,%s", e.Branch, e.Country, root)
		if !slices.Contains(seen, branch) {
			seen = append(seen, branch)
			fmt.Fprintf(&b, "\ndn: %s\nobjectClass: top\nobjectClass: organization\no: %s\n", branch, e.Branch)
		}
		b.WriteString("\n")
		fold(&b, fmt.Sprintf("dn: cn=%s,%s", strings.ReplaceAll(e.Name, ",", "\\,"), branch))
		b.WriteString("pkdVersion: 1\n")
		fold(&b, e.Attribute+":: "+base64.StdEncoding.EncodeToString(e.Value))
		b.WriteString("objectClass: top\nobjectClass: pkdDownload\n")
	}
	return b.Bytes()
}

func fold(b *bytes.Buffer, line string) {
	for len(line) > 76 {
		b.WriteString(line[:76] + "\n ")
		line = line[76:]
	}
	b.WriteString(line + "\n")
}
