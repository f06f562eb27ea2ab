package lds

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// Arcs under which SecurityInfos are told apart (Doc 9303-11, 9.2).
const (
	oidPACE       = "0.4.0.127.0.7.2.2.4" // id-PACE
	oidCA         = "0.4.0.127.0.7.2.2.3" // id-CA
	oidTA         = "0.4.0.127.0.7.2.2.2" // id-TA (BSI TR-03110-3, A.1.1.3)
	oidPublicKey  = "0.4.0.127.0.7.2.2.1" // id-PK
	oidStandard   = "0.4.0.127.0.7.1.2"   // standardizedDomainParameters
	oidECKey      = "1.2.840.10045.2.1"   // ecPublicKey
	oidPrimeField = "1.2.840.10045.1.1"   // prime-field
	maxInfos      = 64                    // no document announces more
	maxInfosBytes = 64 << 10              // nor at greater length
)

// SecurityInfos is what a chip announces of its protocols: EF.CardAccess
// unsigned, and again in the signed DG14 (Doc 9303-11, 9.2).
type SecurityInfos struct {
	PACE       []PACEInfo
	Domains    []PACEDomainParameterInfo
	ChipAuth   []ChipAuthenticationInfo
	PublicKeys []ChipAuthenticationPublicKeyInfo
	ActiveAuth []ActiveAuthenticationInfo
	TermAuth   []TerminalAuthenticationInfo
	// Unknown keeps the infos of other protocols, and those of the above that
	// did not parse, as they came.
	Unknown []SecurityInfo

	groups []spelledOut // Diffie-Hellman groups met
}

// SecurityInfo is one info as it came.
type SecurityInfo struct {
	OID string
	Raw []byte
}

// PACEInfo is one PACE variant the chip bears (9.2.1).
type PACEInfo struct {
	OID         string
	Version     int
	ParameterID int // -1 where the info names none
}

// PACEDomainParameterInfo carries parameters beyond the standardized ones (9.2.2).
type PACEDomainParameterInfo struct {
	OID         string
	ParameterID int       // -1 where the info names none
	Curve       *ec.Curve // nil for parameters that are no elliptic curve
	Group       *dh.Group // nil for parameters that are no Diffie-Hellman group
}

// ChipAuthenticationInfo is one chip authentication variant (9.2.5).
type ChipAuthenticationInfo struct {
	OID     string
	Version int
	KeyID   int // -1 where the info names none
}

// ChipAuthenticationPublicKeyInfo is a static key of the chip (9.2.6).
type ChipAuthenticationPublicKeyInfo struct {
	OID   string
	KeyID int       // -1 where the info names none
	Curve *ec.Curve // nil where the key is no elliptic-curve key
	Point ec.Point  // checked to lie on Curve
	Group *dh.Group // nil where the key is no Diffie-Hellman key
	Value *big.Int  // checked to lie in Group
	Raw   []byte    // the SubjectPublicKeyInfo
}

// ParseCardAccess reads the content of EF.CardAccess. Bytes after the set are
// padding of the file and ignored, as chips personalized with fixed-size files
// have them.
func ParseCardAccess(b []byte) (SecurityInfos, error) {
	set, _, err := ber.Next(b)
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("EF.CardAccess: %w", err)
	}
	infos, err := ParseSecurityInfos(set.Raw)
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("EF.CardAccess: %w", err)
	}
	return infos, nil
}

// ParseSecurityInfos reads a SET OF SecurityInfo. An info that does not parse
// is kept among Unknown: one odd entry must not hide the others.
func ParseSecurityInfos(b []byte) (SecurityInfos, error) {
	if len(b) > maxInfosBytes {
		return SecurityInfos{}, fmt.Errorf("security infos of %d bytes are longer than %d", len(b), maxInfosBytes)
	}
	set, err := ber.Parse(b, ber.Set)
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("security infos: %w", err)
	}
	list, err := set.Children()
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("security infos: %w", err)
	}
	if len(list) > maxInfos {
		return SecurityInfos{}, fmt.Errorf("%d security infos are more than %d", len(list), maxInfos)
	}
	var out SecurityInfos
	for i, info := range list {
		parts, err := info.Children()
		if err != nil || info.Tag != ber.Sequence || len(parts) == 0 {
			return SecurityInfos{}, fmt.Errorf("security info %d is no sequence", i+1)
		}
		oid, err := parts[0].OID()
		if err != nil {
			return SecurityInfos{}, fmt.Errorf("security info %d: %w", i+1, err)
		}
		if out.add(oid, parts[1:]) != nil {
			out.Unknown = append(out.Unknown, SecurityInfo{oid, info.Raw})
		}
	}
	return out, nil
}

var errUnknownInfo = errors.New("security info of an unknown form")

// add files one info under its protocol; the arc's depth tells an info from
// the domain parameters that belong to it: id-PACE.2 is a group of protocols,
// id-PACE.2.4 one protocol.
func (s *SecurityInfos) add(oid string, rest []ber.TLV) error {
	depth := func(arc string) int {
		tail, ok := strings.CutPrefix(oid, arc+".")
		if !ok {
			return 0
		}
		return 1 + strings.Count(tail, ".")
	}
	switch {
	case depth(oidPACE) == 2:
		version, id, err := versionAndID(rest)
		if err != nil {
			return err
		}
		s.PACE = append(s.PACE, PACEInfo{oid, version, id})
	case depth(oidPACE) == 1:
		if len(rest) == 0 {
			return errUnknownInfo
		}
		id, err := optionalID(rest[1:])
		if err != nil {
			return err
		}
		curve, err := curveOf(rest[0])
		if err != nil {
			return err
		}
		group, err := s.groupOf(rest[0])
		if err != nil {
			return err
		}
		s.Domains = append(s.Domains, PACEDomainParameterInfo{oid, id, curve, group})
	case depth(oidCA) == 2:
		version, id, err := versionAndID(rest)
		if err != nil {
			return err
		}
		s.ChipAuth = append(s.ChipAuth, ChipAuthenticationInfo{oid, version, id})
	case depth(oidPublicKey) == 1:
		key, err := publicKeyOf(oid, rest)
		if err == nil && key.Curve == nil {
			err = s.setGroup(&key)
		}
		if err != nil {
			return err
		}
		s.PublicKeys = append(s.PublicKeys, key)
	case oid == oidActiveAuth:
		return s.addActiveAuth(rest)
	case oid == oidTA:
		info, err := terminalAuthOf(rest)
		if err != nil {
			return err
		}
		s.TermAuth = append(s.TermAuth, info)
	default:
		return errUnknownInfo
	}
	return nil
}

func versionAndID(rest []ber.TLV) (version, id int, err error) {
	if len(rest) == 0 {
		return 0, 0, errUnknownInfo
	}
	if version, err = smallInt(rest[0]); err != nil {
		return 0, 0, err
	}
	id, err = optionalID(rest[1:])
	return version, id, err
}

func optionalID(rest []ber.TLV) (int, error) {
	if len(rest) == 0 {
		return -1, nil
	}
	return smallInt(rest[0])
}

func smallInt(t ber.TLV) (int, error) {
	n, err := t.Int()
	if err != nil {
		return 0, err
	}
	if n.Sign() < 0 || n.BitLen() > 31 {
		return 0, errors.New("security info: number out of range")
	}
	return int(n.Int64()), nil
}

func publicKeyOf(oid string, rest []ber.TLV) (ChipAuthenticationPublicKeyInfo, error) {
	out := ChipAuthenticationPublicKeyInfo{OID: oid}
	if len(rest) == 0 {
		return out, errUnknownInfo
	}
	var err error
	if out.KeyID, err = optionalID(rest[1:]); err != nil {
		return out, err
	}
	parts, err := rest[0].Children()
	if err != nil || len(parts) != 2 {
		return out, errUnknownInfo
	}
	out.Raw = rest[0].Raw
	if out.Curve, err = curveOf(parts[0]); err != nil || out.Curve == nil {
		return out, err
	}
	bits, err := parts[1].Bits()
	if err != nil {
		return out, err
	}
	out.Point, err = out.Curve.Unmarshal(bits)
	return out, err
}

// curveOf reads an AlgorithmIdentifier (9.5): a standardized number, explicit
// parameters, or (which 9.5.2 forbids and some documents do) a named curve.
// A nil curve without error is an algorithm that is no elliptic curve.
func curveOf(t ber.TLV) (*ec.Curve, error) {
	parts, err := t.Children()
	if err != nil || t.Tag != ber.Sequence || len(parts) == 0 {
		return nil, errUnknownInfo
	}
	oid, err := parts[0].OID()
	if err != nil {
		return nil, err
	}
	if len(parts) < 2 || (oid != oidStandard && oid != oidECKey) {
		return nil, nil
	}
	p := parts[1]
	switch p.Tag {
	case ber.Integer:
		id, err := smallInt(p)
		if err != nil || oid != oidStandard {
			return nil, errUnknownInfo
		}
		return ec.ByParameterID(id), nil
	case ber.OID:
		named, err := p.OID()
		if err != nil {
			return nil, err
		}
		if c := ec.ByOID(named); c != nil {
			return c, nil
		}
		return nil, errUnknownInfo
	}
	return explicitCurve(p)
}

// explicitCurve reads ECParameters (X9.62; BSI TR-03111, 5.1): version, field,
// coefficients, generator, order and optional cofactor.
func explicitCurve(t ber.TLV) (*ec.Curve, error) {
	parts, err := t.Children()
	if err != nil || t.Tag != ber.Sequence || len(parts) < 5 {
		return nil, errUnknownInfo
	}
	field, err := parts[1].Children()
	if err != nil || len(field) != 2 {
		return nil, errUnknownInfo
	}
	if oid, err := field[0].OID(); err != nil || oid != oidPrimeField {
		return nil, errUnknownInfo
	}
	p, err := field[1].Int()
	if err != nil {
		return nil, err
	}
	coefficients, err := parts[2].Children()
	if err != nil || len(coefficients) < 2 {
		return nil, errUnknownInfo
	}
	n, err := parts[4].Int()
	if err != nil {
		return nil, err
	}
	h := 1
	if len(parts) > 5 {
		if h, err = smallInt(parts[5]); err != nil {
			return nil, err
		}
	}
	g := parts[3].Value
	if len(g) < 3 || g[0] != 4 || len(g)%2 != 1 {
		return nil, errors.New("security info: generator is no uncompressed point")
	}
	half := len(g) / 2
	return ec.Explicit(p, unsigned(coefficients[0].Value), unsigned(coefficients[1].Value),
		unsigned(g[1:1+half]), unsigned(g[1+half:]), n, h)
}

func unsigned(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
