package trust

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"limen/mrtd/ber"
)

// Certificate is an X.509 certificate as it lies, with what this system reads
// of it. Slices share memory with Raw.
type Certificate struct {
	Raw       []byte
	TBS       []byte
	Version   int      // 3, as X.509 counts
	Serial    *big.Int // any: real ones are negative, zero or longer than 20 octets
	Issuer    Name
	Subject   Name
	NotBefore time.Time
	NotAfter  time.Time
	Key       *PublicKey
	Algorithm Algorithm // of Signature
	Signature []byte

	SubjectKeyID     []byte
	AuthorityKeyID   []byte
	KeyUsage         KeyUsage
	HasKeyUsage      bool
	ExtendedKeyUsage []string // object identifiers
	CA               bool     // basicConstraints says so
	HasConstraints   bool
	PathLen          int // -1 where basicConstraints names none
	PrivateKeyFrom   time.Time
	PrivateKeyUntil  time.Time // zero where there is no private key usage period
	DocumentTypes    []string  // "P", "ID": the documents a signer may sign (Doc 9303-12, 7.1.1)
	UnreadExtensions []string  // extensions that are marked critical and not read here
	digest           [sha256.Size]byte
}

// KeyUsage is the bits of the key usage extension, the first bit highest.
type KeyUsage uint16

// The bits Doc 9303-12 speaks of (RFC 5280, 4.2.1.3).
const (
	DigitalSignature KeyUsage = 0x8000
	KeyCertSign      KeyUsage = 0x0400
	CRLSign          KeyUsage = 0x0200
)

// maxCertificate bounds one certificate; the longest in real lists is below 4 KiB.
const maxCertificate = 64 << 10

// ParseCertificate reads one certificate, DER or BER, with nothing after it.
func ParseCertificate(der []byte) (*Certificate, error) {
	c, err := parseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return c, nil
}

func parseCertificate(b []byte) (*Certificate, error) {
	if len(b) > maxCertificate {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxCertificate)
	}
	outer, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return nil, err
	}
	parts, err := outer.Children()
	if err != nil {
		return nil, err
	}
	if len(parts) != 3 || parts[0].Tag != ber.Sequence || parts[2].Tag != ber.BitString {
		return nil, errors.New("not a to-be-signed part, an algorithm and a signature")
	}
	c := &Certificate{Raw: outer.Raw, TBS: parts[0].Raw, Version: 1, PathLen: -1, digest: sha256.Sum256(outer.Raw)}
	if c.Algorithm, err = parseAlgorithm(parts[1]); err != nil {
		return nil, fmt.Errorf("signature algorithm: %w", err)
	}
	if c.Signature, err = parts[2].Bits(); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return c, c.setTBS(parts[0])
}

func (c *Certificate) setTBS(tbs ber.TLV) error {
	fields, err := tbs.Children()
	if err != nil {
		return err
	}
	if len(fields) > 0 && fields[0].Tag == 0xA0 {
		if v, ok := fields[0].Find(ber.Integer); ok && len(v.Value) == 1 {
			c.Version = int(v.Value[0]) + 1
		}
		fields = fields[1:]
	}
	if len(fields) < 6 || fields[0].Tag != ber.Integer {
		return errors.New("fields are missing: serial, algorithm, issuer, validity, subject and key belong")
	}
	if c.Serial, err = fields[0].Int(); err != nil {
		return fmt.Errorf("serial: %w", err)
	}
	// RFC 5280, 4.1.1.2: the algorithm inside the signed part must be the one outside.
	inner, err := parseAlgorithm(fields[1])
	if err != nil {
		return fmt.Errorf("signature algorithm: %w", err)
	}
	if inner != c.Algorithm {
		return fmt.Errorf("signature algorithm is %s inside the signed part and %s outside", inner, c.Algorithm)
	}
	if c.Issuer, err = ParseName(fields[2].Raw); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if c.NotBefore, c.NotAfter, err = parseValidity(fields[3]); err != nil {
		return fmt.Errorf("validity: %w", err)
	}
	if c.Subject, err = ParseName(fields[4].Raw); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	if c.Key, err = parseKey(fields[5]); err != nil {
		return fmt.Errorf("subject's key: %w", err)
	}
	for _, f := range fields[6:] {
		if f.Tag == 0xA3 {
			return c.setExtensions(f)
		}
	}
	return nil
}

func parseValidity(t ber.TLV) (from, until time.Time, err error) {
	times, err := t.Children()
	if err != nil {
		return from, until, err
	}
	if len(times) != 2 {
		return from, until, errors.New("not two times")
	}
	if from, err = parseTime(times[0]); err != nil {
		return from, until, err
	}
	until, err = parseTime(times[1])
	return from, until, err
}

// VerifySignatureBy judges the certificate's signature by its issuer's key,
// and nothing else: names, validity and usage are the caller's to judge.
func (c *Certificate) VerifySignatureBy(issuer *Certificate) error {
	// SHA-1 is the default of RSA-PSS where its parameters are absent (RFC 4055, 3.1).
	return Verify(issuer.Key, c.Algorithm, crypto.SHA1, c.TBS, c.Signature)
}

// SelfIssued tells whether issuer and subject are the same name.
func (c *Certificate) SelfIssued() bool { return c.Issuer.Equal(c.Subject) }

// Link tells whether c is a link certificate: a CSCA's new key or name signed
// with the old one (Doc 9303-12, 4.1).
func (c *Certificate) Link() bool {
	return c.IsCA() && (!c.SelfIssued() || len(c.AuthorityKeyID) > 0 && len(c.SubjectKeyID) > 0 && !bytes.Equal(c.AuthorityKeyID, c.SubjectKeyID))
}

// IsCA tells whether c may issue certificates. Key usage decides where it is
// present: real link certificates sign with their CSCA's key while their basic
// constraints deny being a CA, and no document signer has keyCertSign. Version
// 1 certificates of the first CSCAs say neither; being self-issued stands for it.
func (c *Certificate) IsCA() bool {
	switch {
	case c.HasKeyUsage:
		return c.KeyUsage&KeyCertSign != 0
	case c.HasConstraints:
		return c.CA
	}
	return c.SelfIssued()
}

// ValidAt tells whether at lies within the certificate's validity.
func (c *Certificate) ValidAt(at time.Time) bool {
	return !at.Before(c.NotBefore) && !at.After(c.NotAfter)
}

// LogValue names the certificate by its subject and serial.
func (c *Certificate) LogValue() slog.Value {
	return slog.GroupValue(slog.String("subject", c.Subject.String()), slog.String("serial", fmt.Sprintf("%X", c.Serial)))
}

// ParseCertificates reads the certificates of a file: one in DER, or any
// number in PEM.
func ParseCertificates(b []byte) ([]*Certificate, error) {
	if len(b) > 0 && b[0] == byte(ber.Sequence) {
		c, err := ParseCertificate(b)
		if err != nil {
			return nil, err
		}
		return []*Certificate{c}, nil
	}
	var out []*Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate found: give DER, or PEM with BEGIN CERTIFICATE")
	}
	return out, nil
}
