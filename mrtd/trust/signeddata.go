package trust

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"time"

	"limen/mrtd/ber"
)

// SignedData is a CMS signed message (RFC 5652, 5), DER or BER.
type SignedData struct {
	Version      int
	ContentType  string // object identifier
	Content      []byte
	Certificates [][]byte // as they lie
	Signers      []SignerInfo
}

// SignerInfo is one signature over the content (RFC 5652, 5.3). The signer is
// named by issuer and serial, or by SubjectKeyID.
type SignerInfo struct {
	Issuer       Name
	Serial       *big.Int
	SubjectKeyID []byte

	DigestOID string
	Digest    crypto.Hash // zero where the digest algorithm is not known
	Algorithm Algorithm
	Signature []byte

	// SignedAttrs is the SET OF attributes, its tag 31, otherwise as it lies;
	// nil where the content itself is signed. What follows is read from it.
	SignedAttrs   []byte
	ContentType   string
	MessageDigest []byte
	SigningTime   time.Time // zero where not stated
}

// The identifiers of CMS.
const (
	oidSignedData    = "1.2.840.113549.1.7.2"
	oidContentType   = "1.2.840.113549.1.9.3"
	oidMessageDigest = "1.2.840.113549.1.9.4"
	oidSigningTime   = "1.2.840.113549.1.9.5"
)

// More than any issuer needs: a signer or two, and their chain. Every signer may
// have to be tried with every certificate, so the two bound the time a message
// costs; a message that repeats the fields does not get more.
const (
	maxSigners    = 4
	maxEmbedded   = 16
	maxAttributes = 64
	maxFields     = 64 // of a message or a signer, repeated ones counted each

	maxAttributeBytes = 64 << 10
)

// ParseSignedData reads a ContentInfo that holds signed data. Nothing is
// verified yet.
func ParseSignedData(b []byte) (*SignedData, error) {
	info, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return nil, fmt.Errorf("signed message: %w", err)
	}
	content, oid, err := explicit(info)
	if err != nil {
		return nil, fmt.Errorf("signed message: %w", err)
	}
	if oid != oidSignedData {
		return nil, fmt.Errorf("signed message: content type %s where signed data (%s) belongs", oid, oidSignedData)
	}
	s := &SignedData{}
	if err := s.parse(content); err != nil {
		return nil, fmt.Errorf("signed data: %w", err)
	}
	return s, nil
}

// explicit splits SEQUENCE { OID, [0] EXPLICIT content }.
func explicit(t ber.TLV) (content ber.TLV, oid string, err error) {
	parts, err := t.AtMost(maxFields)
	if err != nil {
		return content, "", err
	}
	if t.Tag != ber.Sequence || len(parts) != 2 || parts[1].Tag != 0xA0 {
		return content, "", errors.New("not a content type and a content")
	}
	if oid, err = parts[0].OID(); err != nil {
		return content, "", err
	}
	content, _, err = ber.Next(parts[1].Value)
	return content, oid, err
}

func (s *SignedData) parse(t ber.TLV) error {
	fields, err := t.AtMost(maxFields)
	if err != nil {
		return err
	}
	if t.Tag != ber.Sequence || len(fields) < 4 || fields[1].Tag != ber.Set {
		return errors.New("fields are missing: version, digest algorithms, content and signers belong")
	}
	version, err := fields[0].Int()
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	// Doc 9303-10 asks for 3; the number is not signed and decides nothing.
	if !version.IsInt64() || version.Int64() < 0 || version.Int64() > 5 {
		return errors.New("version is not one of CMS")
	}
	s.Version = int(version.Int64())
	if err := s.setContent(fields[2]); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	for _, f := range fields[3:] {
		switch f.Tag {
		case 0xA0:
			if err := s.setCertificates(f); err != nil {
				return fmt.Errorf("certificates: %w", err)
			}
		case ber.Set:
			if err := s.setSigners(f); err != nil {
				return err
			}
		}
	}
	if len(s.Signers) == 0 {
		return errors.New("no signer")
	}
	return nil
}

func (s *SignedData) setContent(t ber.TLV) error {
	content, oid, err := explicit(t)
	if err != nil {
		return err
	}
	s.ContentType = oid
	if content.Tag != ber.OctetString && content.Tag != 0x24 {
		// PKCS#7 1.5 also allowed content without its octet string; no document seen has it.
		return fmt.Errorf("tag %X where an octet string belongs", content.Tag)
	}
	s.Content, err = content.Octets()
	return err
}

func (s *SignedData) setCertificates(t ber.TLV) error {
	list, err := t.AtMost(maxEmbedded)
	if err != nil {
		return err
	}
	if n := len(s.Certificates) + len(list); n > maxEmbedded {
		return fmt.Errorf("%d are more than %d", n, maxEmbedded)
	}
	for _, c := range list {
		if c.Tag == ber.Sequence { // others are attribute certificates
			s.Certificates = append(s.Certificates, c.Raw)
		}
	}
	return nil
}

func (s *SignedData) setSigners(t ber.TLV) error {
	list, err := t.AtMost(maxSigners)
	if err != nil {
		return fmt.Errorf("signers: %w", err)
	}
	if n := len(s.Signers) + len(list); n > maxSigners {
		return fmt.Errorf("%d signers are more than %d", n, maxSigners)
	}
	for i, t := range list {
		signer, err := parseSigner(t)
		if err != nil {
			return fmt.Errorf("signer %d: %w", i+1, err)
		}
		s.Signers = append(s.Signers, signer)
	}
	return nil
}

func parseSigner(t ber.TLV) (SignerInfo, error) {
	var s SignerInfo
	fields, err := t.AtMost(maxFields)
	if err != nil {
		return s, err
	}
	if t.Tag != ber.Sequence || len(fields) < 5 || fields[0].Tag != ber.Integer {
		return s, errors.New("fields are missing: version, identifier, digest, algorithm and signature belong")
	}
	if err := s.setIdentifier(fields[1]); err != nil {
		return s, fmt.Errorf("identifier: %w", err)
	}
	if s.DigestOID, _, err = identifier(fields[2]); err != nil {
		return s, fmt.Errorf("digest algorithm: %w", err)
	}
	s.Digest = HashByOID(s.DigestOID)
	rest := fields[3:]
	if rest[0].Tag == 0xA0 {
		s.SignedAttrs = ber.Encode(ber.Set, rest[0].Value)
		if err := s.setAttributes(rest[0]); err != nil {
			return s, fmt.Errorf("signed attributes: %w", err)
		}
		rest = rest[1:]
	}
	if len(rest) < 2 {
		return s, errors.New("no signature")
	}
	if s.Algorithm, err = parseAlgorithm(rest[0]); err != nil {
		return s, fmt.Errorf("signature algorithm: %w", err)
	}
	if rest[1].Tag != ber.OctetString && rest[1].Tag != 0x24 {
		return s, fmt.Errorf("tag %X where the signature belongs", rest[1].Tag)
	}
	s.Signature, err = rest[1].Octets()
	return s, err
}

func (s *SignerInfo) setIdentifier(t ber.TLV) error {
	switch t.Tag {
	case 0x80:
		s.SubjectKeyID = t.Value
		return nil
	case 0xA0: // seen with an explicit octet string inside
		id, _, err := ber.Next(t.Value)
		s.SubjectKeyID = id.Value
		return err
	case ber.Sequence:
		parts, err := t.AtMost(2)
		if err != nil {
			return err
		}
		if len(parts) != 2 {
			return errors.New("not an issuer and a serial")
		}
		if s.Issuer, err = ParseName(parts[0].Raw); err != nil {
			return err
		}
		s.Serial, err = parts[1].Int()
		return err
	}
	return fmt.Errorf("tag %X is neither issuer and serial nor a key identifier", t.Tag)
}

func (s *SignerInfo) setAttributes(t ber.TLV) error {
	if len(t.Value) > maxAttributeBytes {
		return fmt.Errorf("%d bytes are longer than %d", len(t.Value), maxAttributeBytes)
	}
	list, err := t.AtMost(maxAttributes)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, a := range list {
		parts, err := a.AtMost(2)
		if err != nil {
			return err
		}
		if len(parts) != 2 || parts[1].Tag != ber.Set {
			return errors.New("attribute is not a type and a set of values")
		}
		oid, err := parts[0].OID()
		if err != nil {
			return err
		}
		if oid != oidContentType && oid != oidMessageDigest && oid != oidSigningTime {
			continue
		}
		// One attribute with one value (RFC 5652, 11): two would let two readers see two digests.
		values, err := parts[1].AtMost(maxAttributes)
		if err != nil {
			return err
		}
		if len(values) != 1 || seen[oid] {
			return fmt.Errorf("attribute %s has not exactly one value", oid)
		}
		seen[oid] = true
		if err := s.setAttribute(oid, values[0]); err != nil {
			return fmt.Errorf("attribute %s: %w", oid, err)
		}
	}
	if !seen[oidContentType] || !seen[oidMessageDigest] {
		return errors.New("content type or message digest is missing")
	}
	return nil
}

func (s *SignerInfo) setAttribute(oid string, value ber.TLV) (err error) {
	switch oid {
	case oidContentType:
		s.ContentType, err = value.OID()
	case oidMessageDigest:
		s.MessageDigest, err = value.Octets()
	case oidSigningTime:
		s.SigningTime, err = parseTime(value)
	}
	return err
}

// Identifies tells whether the signer names this certificate.
func (s *SignerInfo) Identifies(c *Certificate) bool {
	if s.Serial != nil {
		return s.Serial.Cmp(c.Serial) == 0 && s.Issuer.Equal(c.Issuer)
	}
	return len(s.SubjectKeyID) > 0 && bytes.Equal(s.SubjectKeyID, c.SubjectKeyID)
}

// Verify judges one signer's signature over the content by the key of c
// (RFC 5652, 5.4 and 5.6). Errors are those of the function Verify.
func (s *SignedData) Verify(signer SignerInfo, c *Certificate) error {
	if signer.SignedAttrs == nil {
		// The content is signed as it is. It must not be a set: signed attributes
		// of another message could be passed off as content (RFC 5652, 5.3 forbids
		// bare signatures over typed content for this).
		if len(s.Content) == 0 || s.Content[0] == byte(ber.Set) {
			return fmt.Errorf("%w: no signed attributes", ErrSignature)
		}
		return Verify(c.Key, signer.Algorithm, signer.Digest, s.Content, signer.Signature)
	}
	if signer.Digest == 0 {
		return fmt.Errorf("digest algorithm %s is not known to this version", signer.DigestOID)
	}
	h := signer.Digest.New()
	h.Write(s.Content)
	if !bytes.Equal(h.Sum(nil), signer.MessageDigest) {
		return fmt.Errorf("%w: the content is not the one that was signed", ErrSignature)
	}
	if signer.ContentType != s.ContentType {
		return fmt.Errorf("%w: content of type %s was signed, %s is stated", ErrSignature, signer.ContentType, s.ContentType)
	}
	err := Verify(c.Key, signer.Algorithm, signer.Digest, signer.SignedAttrs, signer.Signature)
	if errors.Is(err, ErrSignature) {
		// RFC 5652, 5.4 signs the DER encoding; issuers that send BER, or the set
		// unsorted, have signed the one or the other. Both hold the same attributes.
		if der, derr := canonical(signer.SignedAttrs); derr == nil && !bytes.Equal(der, signer.SignedAttrs) {
			err = Verify(c.Key, signer.Algorithm, signer.Digest, der, signer.Signature)
		}
	}
	return err
}
