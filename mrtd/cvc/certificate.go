package cvc

import (
	"errors"
	"fmt"
	"time"

	"limen/mrtd/ber"
)

// Certificate is a card-verifiable certificate (BSI TR-03110-3, C.1).
type Certificate struct {
	// Authority is the certification authority reference (CAR): which key
	// verifies the signature.
	Authority string
	// Holder is the certificate holder reference (CHR): the name of this key,
	// country, mnemonic and sequence number run together.
	Holder        string
	Key           PublicKey
	Authorization Authorization
	Effective     time.Time // midnight UTC of the day of issue
	Expires       time.Time // midnight UTC of the last day it is valid on

	Body      []byte // as signed: tag 7F4E and all
	Signature []byte
	Raw       []byte // tag 7F21 and all
}

// Tags of a certificate (D.2).
const (
	tagCertificate   ber.Tag = 0x7F21
	tagBody          ber.Tag = 0x7F4E
	tagProfile       ber.Tag = 0x5F29
	tagAuthority     ber.Tag = 0x42
	tagHolder        ber.Tag = 0x5F20
	tagAuthorization ber.Tag = 0x7F4C
	tagEffective     ber.Tag = 0x5F25
	tagExpires       ber.Tag = 0x5F24
	tagExtensions    ber.Tag = 0x65
	tagSignature     ber.Tag = 0x5F37
)

const (
	maxCertificate = 8 << 10 // bytes; a chain of RSA 4096 stays below 2 kB each
	maxReference   = 16      // A.7.1
)

// Parse reads one certificate with nothing after it. It verifies nothing.
func Parse(b []byte) (*Certificate, error) {
	c, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("card-verifiable certificate: %w", err)
	}
	return c, nil
}

func parse(b []byte) (*Certificate, error) {
	if len(b) > maxCertificate {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxCertificate)
	}
	outer, err := ber.Parse(b, tagCertificate)
	if err != nil {
		return nil, err
	}
	parts, err := outer.Children()
	if err != nil {
		return nil, err
	}
	if len(parts) != 2 || parts[0].Tag != tagBody || parts[1].Tag != tagSignature || len(parts[1].Value) == 0 {
		return nil, errors.New("not a body and a signature")
	}
	c := &Certificate{Body: parts[0].Raw, Signature: parts[1].Value, Raw: outer.Raw}
	objects, err := fieldsOf(parts[0], tagProfile, tagAuthority, tagPublicKey, tagHolder, tagAuthorization, tagEffective, tagExpires)
	if err != nil {
		return nil, err
	}
	if c.Authority, err = reference(objects[tagAuthority]); err != nil {
		return nil, fmt.Errorf("certification authority reference: %w", err)
	}
	if c.Holder, err = reference(objects[tagHolder]); err != nil {
		return nil, fmt.Errorf("certificate holder reference: %w", err)
	}
	if c.Key, err = parseKey(objects[tagPublicKey]); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if c.Authorization, err = parseAuthorization(objects[tagAuthorization]); err != nil {
		return nil, fmt.Errorf("authorization template: %w", err)
	}
	if c.Effective, err = date(objects[tagEffective].Value); err != nil {
		return nil, fmt.Errorf("effective date: %w", err)
	}
	if c.Expires, err = date(objects[tagExpires].Value); err != nil {
		return nil, fmt.Errorf("expiration date: %w", err)
	}
	return c, nil
}

// fieldsOf takes a body apart: version 1 of the profile, each object at most
// once, in any order, and all that are required there.
func fieldsOf(body ber.TLV, required ...ber.Tag) (map[ber.Tag]ber.TLV, error) {
	list, err := body.Children()
	if err != nil {
		return nil, err
	}
	objects := make(map[ber.Tag]ber.TLV, len(list))
	for _, t := range list {
		if _, twice := objects[t.Tag]; twice {
			return nil, fmt.Errorf("object %X stands twice in the body", t.Tag)
		}
		switch t.Tag {
		case tagProfile, tagAuthority, tagPublicKey, tagHolder, tagAuthorization, tagEffective, tagExpires, tagExtensions:
			objects[t.Tag] = t
		default:
			return nil, fmt.Errorf("object %X in the body is none of the profile", t.Tag)
		}
	}
	for _, tag := range required {
		if _, there := objects[tag]; !there {
			return nil, fmt.Errorf("no object %X in the body", tag)
		}
	}
	if p := objects[tagProfile].Value; len(p) != 1 || p[0] != 0 {
		return nil, errors.New("profile is not version 1")
	}
	return objects, nil
}

// reference reads the name of a key: ISO/IEC 8859-1 without control characters (D.2.1.4).
func reference(t ber.TLV) (string, error) {
	if len(t.Value) == 0 || len(t.Value) > maxReference {
		return "", fmt.Errorf("%d characters where 1 to %d belong", len(t.Value), maxReference)
	}
	for _, c := range t.Value {
		if c < 0x20 || c >= 0x7F && c < 0xA0 {
			return "", errors.New("a character that is none of ISO/IEC 8859-1")
		}
	}
	return string(t.Value), nil
}

// date reads six digits YYMMDD, one to an octet, of the years 2000 to 2099 (D.2.1.3).
func date(b []byte) (time.Time, error) {
	if len(b) != 6 {
		return time.Time{}, fmt.Errorf("%d digits where 6 belong", len(b))
	}
	for _, d := range b {
		if d > 9 {
			return time.Time{}, errors.New("an octet that is no digit")
		}
	}
	year, month, day := 2000+10*int(b[0])+int(b[1]), 10*int(b[2])+int(b[3]), 10*int(b[4])+int(b[5])
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if t.Year() != year || t.Month() != time.Month(month) || t.Day() != day {
		return time.Time{}, errors.New("no day of the calendar")
	}
	return t, nil
}

func encodeDate(t time.Time) ([]byte, error) {
	y, m, d := t.UTC().Date()
	if y < 2000 || y > 2099 {
		return nil, fmt.Errorf("year %d is outside 2000 to 2099", y)
	}
	y -= 2000
	return []byte{byte(y / 10), byte(y % 10), byte(m / 10), byte(m % 10), byte(d / 10), byte(d % 10)}, nil
}

// SelfSigned tells a CVCA's own certificate from one that another key signed.
func (c *Certificate) SelfSigned() bool { return c.Authority == c.Holder }

// Expired tells whether the certificate's last day is before the day of a time.
func (c *Certificate) Expired(at time.Time) bool {
	y, m, d := at.UTC().Date()
	return c.Expires.Before(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
}

// String names holder, role and rights.
func (c *Certificate) String() string {
	return fmt.Sprintf("%s (%s, %s)", c.Holder, c.Authorization.Role, c.Key)
}

// VerifySignatureBy judges the signature alone, by the issuer's key. The errors
// are those of PublicKey.Verify.
func (c *Certificate) VerifySignatureBy(issuer PublicKey) error {
	return issuer.Verify(c.Body, c.Signature)
}
