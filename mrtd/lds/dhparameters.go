package lds

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/dh"
)

// Algorithms of Diffie-Hellman keys (Doc 9303-11, 9.5.2 and table 13).
const (
	oidDHPublicNumber = "1.2.840.10046.2.1"    // dhpublicnumber, ANSI X9.42: p, g, q
	oidDHKeyAgreement = "1.2.840.113549.1.3.1" // dhKeyAgreement, PKCS #3: p, g, length of the exponent

	// A group spelled out takes up to tenths of a second to be checked: the two
	// protocols and the keys of a document share one or two, each checked once.
	maxGroups = 2
)

// spelledOut is a group by its parameters, or why they are none.
type spelledOut struct {
	raw   []byte
	group *dh.Group
	err   error
}

// groupOf reads an AlgorithmIdentifier (9.5): a standardized number or explicit
// parameters. A nil group without error is an algorithm that is no
// Diffie-Hellman modulo a prime.
func (s *SecurityInfos) groupOf(t ber.TLV) (*dh.Group, error) {
	parts, err := t.Children()
	if err != nil || t.Tag != ber.Sequence || len(parts) == 0 {
		return nil, errUnknownInfo
	}
	oid, err := parts[0].OID()
	if err != nil {
		return nil, err
	}
	switch {
	case len(parts) < 2:
		return nil, nil
	case oid == oidStandard && parts[1].Tag == ber.Integer:
		id, err := smallInt(parts[1])
		if err != nil {
			return nil, err
		}
		return dh.ByParameterID(id), nil
	case oid == oidDHPublicNumber || oid == oidDHKeyAgreement:
		return s.explicitGroup(parts[1])
	}
	return nil, nil
}

// explicitGroup is the function explicitGroup for parameters not met before.
func (s *SecurityInfos) explicitGroup(t ber.TLV) (*dh.Group, error) {
	for _, had := range s.groups {
		if bytes.Equal(had.raw, t.Raw) {
			return had.group, had.err
		}
	}
	if len(s.groups) == maxGroups {
		return nil, errors.New("security info: more groups are spelled out than any document has")
	}
	group, err := explicitGroup(t)
	if err == nil && group.Name != "" { // of a table: it cost nothing
		return group, nil
	}
	s.groups = append(s.groups, spelledOut{t.Raw, group, err})
	return group, err
}

// explicitGroup reads DomainParameters of X9.42 or DHParameter of PKCS #3. The
// third number is told by its size: the order of a subgroup or the length of an
// exponent, which issuers have put under either identifier.
func explicitGroup(t ber.TLV) (*dh.Group, error) {
	parts, err := t.Children()
	if err != nil || t.Tag != ber.Sequence || len(parts) < 2 {
		return nil, errUnknownInfo
	}
	var numbers [3]*big.Int
	for i := range min(len(parts), len(numbers)) {
		if parts[i].Tag != ber.Integer {
			break
		}
		numbers[i] = unsigned(parts[i].Value)
	}
	p, g, q := numbers[0], numbers[1], numbers[2]
	if p == nil || g == nil {
		return nil, errUnknownInfo
	}
	if q != nil && q.BitLen() <= 16 {
		q = nil
	}
	return dh.Explicit(p, g, q)
}

// setGroup takes a key's group and public value from its SubjectPublicKeyInfo;
// the value is an INTEGER in the bit string (RFC 3279, 2.3.3).
func (s *SecurityInfos) setGroup(k *ChipAuthenticationPublicKeyInfo) error {
	info, err := ber.Parse(k.Raw, ber.Sequence)
	if err != nil {
		return err
	}
	parts, err := info.Children()
	if err != nil || len(parts) != 2 {
		return errUnknownInfo
	}
	group, err := s.groupOf(parts[0])
	if err != nil || group == nil {
		return err
	}
	bits, err := parts[1].Bits()
	if err != nil {
		return err
	}
	number, err := ber.Parse(bits, ber.Integer)
	if err != nil {
		return fmt.Errorf("public value: %w", err)
	}
	k.Group = group
	k.Value, err = group.Unmarshal(unsigned(number.Value).Bytes())
	return err
}
