package lds

import (
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sort"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// SOD is EF.SOD, the document security object (Doc 9303-10, 4.6.2): a signed
// message whose content is the hash of every data group. Parsing verifies
// nothing; package authn does.
type SOD struct {
	*trust.SignedData // the signature's side

	Version        int            // 0 or 1 of LDSSecurityObject
	HashOID        string         // of the groups' hash algorithm
	Hash           crypto.Hash    // zero where HashOID is not known
	Hashes         map[int][]byte // by data group, 1 to 16
	LDSVersion     string         // "0108"; version 1 only
	UnicodeVersion string
}

// SecurityObjectType is the content type of a document security object (Doc 9303-10, D.1).
const SecurityObjectType = "2.23.136.1.1.1"

// Content types seen instead. Chinese passports state plain data; the risk,
// that a signer's other plain data be taken for a security object, is bounded
// by what the content must parse as.
const (
	oidSecurityObjectOld = "1.3.27.1.1.1"         // drafts of 2004, first passports
	oidPlainData         = "1.2.840.113549.1.7.1" // id-data

	maxSOD = 1 << 20
)

// ParseSOD reads the whole file, tag 77.
func ParseSOD(b []byte) (*SOD, error) {
	s, err := parseSOD(b)
	if err != nil {
		return nil, fmt.Errorf("EF.SOD: %w", err)
	}
	return s, nil
}

func parseSOD(b []byte) (*SOD, error) {
	if len(b) > maxSOD {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxSOD)
	}
	outer, err := ber.Parse(b, EFSOD.Tag)
	if err != nil {
		return nil, err
	}
	signed, err := trust.ParseSignedData(outer.Value)
	if err != nil {
		return nil, err
	}
	switch signed.ContentType {
	case SecurityObjectType, oidSecurityObjectOld, oidPlainData:
	default:
		return nil, fmt.Errorf("content type %s where an LDS security object (%s) belongs", signed.ContentType, SecurityObjectType)
	}
	s := &SOD{SignedData: signed, Hashes: map[int][]byte{}}
	if err := s.parseObject(signed.Content); err != nil {
		return nil, fmt.Errorf("LDS security object: %w", err)
	}
	return s, nil
}

func (s *SOD) parseObject(b []byte) error {
	seq, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return err
	}
	fields, err := seq.Children()
	if err != nil {
		return err
	}
	if len(fields) < 3 || fields[1].Tag != ber.Sequence || fields[2].Tag != ber.Sequence {
		return errors.New("not a version, a hash algorithm and hashes")
	}
	version, err := fields[0].Int()
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if !version.IsInt64() || version.Int64() < 0 || version.Int64() > 1 {
		return errors.New("version is neither 0 nor 1")
	}
	s.Version = int(version.Int64())
	algorithm, err := fields[1].Children()
	if err != nil {
		return fmt.Errorf("hash algorithm: %w", err)
	}
	if len(algorithm) == 0 {
		return errors.New("hash algorithm: empty")
	}
	if s.HashOID, err = algorithm[0].OID(); err != nil {
		return fmt.Errorf("hash algorithm: %w", err)
	}
	s.Hash = trust.HashByOID(s.HashOID)
	if err := s.setHashes(fields[2]); err != nil {
		return err
	}
	if len(fields) > 3 && fields[3].Tag == ber.Sequence {
		versions, err := fields[3].Children()
		if err != nil || len(versions) != 2 {
			return errors.New("not two versions, of LDS and Unicode")
		}
		if s.LDSVersion, err = digits(versions[0].Value, 4); err != nil {
			return fmt.Errorf("version of the LDS: %w", err)
		}
		if s.UnicodeVersion, err = digits(versions[1].Value, 6); err != nil {
			return fmt.Errorf("version of Unicode: %w", err)
		}
	}
	return nil
}

func (s *SOD) setHashes(t ber.TLV) error {
	list, err := t.Children()
	if err != nil {
		return err
	}
	for _, entry := range list {
		pair, err := entry.Children()
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return errors.New("hash entry is not a number and a hash")
		}
		n, err := pair[0].Int()
		if err != nil {
			return err
		}
		if !n.IsInt64() || n.Int64() < 1 || n.Int64() > 16 {
			return errors.New("hash of a data group that is not 1 to 16")
		}
		group := int(n.Int64())
		if s.Hashes[group] != nil {
			return fmt.Errorf("two hashes of DG%d", group)
		}
		hash, err := pair[1].Octets()
		if err != nil {
			return fmt.Errorf("hash of DG%d: %w", group, err)
		}
		if len(hash) == 0 || s.Hash != 0 && len(hash) != s.Hash.Size() {
			return fmt.Errorf("hash of DG%d has %d bytes, which %s does not make", group, len(hash), s.HashOID)
		}
		s.Hashes[group] = hash
	}
	if len(s.Hashes) == 0 {
		return errors.New("no hash of any data group")
	}
	return nil
}

// Groups lists the data groups whose hash is signed, in order.
func (s *SOD) Groups() []int {
	out := make([]int, 0, len(s.Hashes))
	for n := range s.Hashes {
		out = append(out, n)
	}
	sort.Ints(out)
	return out
}

// String names algorithm and groups. Hashes are left out: they identify the document.
func (s *SOD) String() string {
	return fmt.Sprintf("[EF.SOD of %d groups, hash %s]", len(s.Hashes), s.Hash)
}

// GoString is String, for %#v.
func (s *SOD) GoString() string { return s.String() }

// LogValue is String, for logs.
func (s *SOD) LogValue() slog.Value { return slog.StringValue(s.String()) }

// EncodeSecurityObject writes an LDSSecurityObject (Doc 9303-10, D.1): version
// 1 where an LDS version is given, else version 0. The hash must be one of
// Doc 9303-12, 4.4.4.
func EncodeSecurityObject(hash crypto.Hash, hashes map[int][]byte, ldsVersion, unicodeVersion string) []byte {
	groups := (&SOD{Hashes: hashes}).Groups()
	entries := make([][]byte, len(groups))
	for i, n := range groups {
		entries[i] = ber.Encode(ber.Sequence, ber.EncodeInt(big.NewInt(int64(n))), ber.Encode(ber.OctetString, hashes[n]))
	}
	version, info := int64(0), []byte(nil)
	if ldsVersion != "" {
		version = 1
		info = ber.Encode(ber.Sequence, ber.Encode(ber.PrintableString, []byte(ldsVersion)), ber.Encode(ber.PrintableString, []byte(unicodeVersion)))
	}
	return ber.Encode(ber.Sequence, ber.EncodeInt(big.NewInt(version)),
		ber.Encode(ber.Sequence, ber.EncodeOID(trust.HashOID(hash))), ber.Encode(ber.Sequence, entries...), info)
}

// EncodeSOD puts a signed message (trust.EncodeSignedData) into EF.SOD.
func EncodeSOD(signed []byte) []byte { return ber.Encode(EFSOD.Tag, signed) }
