package trust

import (
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// Extensions that are read (RFC 5280, 4.2.1; Doc 9303-12, 7.1.1).
const (
	oidSubjectKeyID     = "2.5.29.14"
	oidKeyUsage         = "2.5.29.15"
	oidPrivateKeyPeriod = "2.5.29.16"
	oidBasicConstraints = "2.5.29.19"
	oidAuthorityKeyID   = "2.5.29.35"
	oidExtendedKeyUsage = "2.5.29.37"
	oidDocumentTypes    = "2.23.136.1.1.6.2"
)

// Extensions that may be critical without bearing on anything judged here.
var harmless = map[string]bool{
	"2.5.29.17": true, // subject alternative name
	"2.5.29.18": true, // issuer alternative name
	"2.5.29.31": true, // CRL distribution points
	"2.5.29.32": true, // certificate policies
}

const maxExtensions = 64

func (c *Certificate) setExtensions(t ber.TLV) error {
	seq, err := ber.Parse(t.Value, ber.Sequence)
	if err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	return eachExtension(seq, func(oid string, critical bool, value []byte) error {
		known, err := c.setExtension(oid, value)
		if err == nil && critical && !known && !harmless[oid] {
			c.UnreadExtensions = append(c.UnreadExtensions, oid)
		}
		return err
	})
}

// eachExtension calls set for each of Extensions (RFC 5280, 4.1.2.9).
func eachExtension(seq ber.TLV, set func(oid string, critical bool, value []byte) error) error {
	list, err := seq.AtMost(maxExtensions)
	if err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	for _, e := range list {
		parts, err := e.AtMost(3)
		if err != nil {
			return fmt.Errorf("extension: %w", err)
		}
		if len(parts) < 2 {
			return errors.New("extension without a value")
		}
		oid, err := parts[0].OID()
		if err != nil {
			return fmt.Errorf("extension: %w", err)
		}
		critical := parts[1].Tag == ber.Boolean && len(parts[1].Value) == 1 && parts[1].Value[0] != 0
		value, err := parts[len(parts)-1].Octets()
		if err != nil {
			return fmt.Errorf("extension %s: %w", oid, err)
		}
		if err := set(oid, critical, value); err != nil {
			return fmt.Errorf("extension %s: %w", oid, err)
		}
	}
	return nil
}

func (c *Certificate) setExtension(oid string, value []byte) (known bool, err error) {
	t, _, err := ber.Next(value)
	if err != nil && (oid == oidSubjectKeyID || oid == oidAuthorityKeyID) {
		// Seen: the bare identifier without its octet string. It only helps to find the issuer.
		return true, nil
	}
	switch oid {
	case oidSubjectKeyID:
		c.SubjectKeyID = t.Value
	case oidAuthorityKeyID:
		if id, ok := t.Find(0x80); ok {
			c.AuthorityKeyID = id.Value
		}
	case oidKeyUsage:
		if err != nil || t.Tag != ber.BitString || len(t.Value) == 0 {
			return true, errors.New("no bit string")
		}
		for i, b := range t.Value[1:min(len(t.Value), 3)] {
			c.KeyUsage |= KeyUsage(b) << (8 - 8*i)
		}
		c.HasKeyUsage = true
	case oidBasicConstraints:
		return true, c.setConstraints(t, err)
	case oidExtendedKeyUsage:
		return true, c.setExtendedUsage(t, err)
	case oidPrivateKeyPeriod:
		// Informative: a form that does not parse is left unread.
		if from, ok := t.Find(0x80); ok {
			c.PrivateKeyFrom, _ = parseTime(from)
		}
		if until, ok := t.Find(0x81); ok {
			c.PrivateKeyUntil, _ = parseTime(until)
		}
	case oidDocumentTypes:
		if set, ok := t.Find(ber.Set); ok {
			types, _ := set.Children()
			for _, s := range types {
				c.DocumentTypes = append(c.DocumentTypes, printable(s))
			}
		}
	default:
		return false, nil
	}
	return true, nil
}

func (c *Certificate) setConstraints(t ber.TLV, err error) error {
	if err != nil || t.Tag != ber.Sequence {
		return errors.New("no sequence")
	}
	parts, err := t.Children()
	if err != nil {
		return err
	}
	c.HasConstraints = true
	for _, p := range parts {
		switch {
		case p.Tag == ber.Boolean && len(p.Value) == 1:
			c.CA = p.Value[0] != 0
		case p.Tag == ber.Integer && len(p.Value) == 1:
			c.PathLen = int(p.Value[0])
		}
	}
	return nil
}

func (c *Certificate) setExtendedUsage(t ber.TLV, err error) error {
	if err != nil {
		return err
	}
	list, err := t.Children()
	if err != nil {
		return err
	}
	for _, u := range list {
		oid, err := u.OID()
		if err != nil {
			return err
		}
		c.ExtendedKeyUsage = append(c.ExtendedKeyUsage, oid)
	}
	return nil
}
