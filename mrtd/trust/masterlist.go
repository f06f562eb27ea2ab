package trust

import (
	"errors"
	"fmt"
	"time"

	"limen/mrtd/ber"
)

// MasterList is a state's signed list of the CSCA certificates it has seen
// (Doc 9303-12, 9).
type MasterList struct {
	Certificates []*Certificate // each once, in the list's order
	Duplicates   int            // certificates the list holds a second time
	Unreadable   []error        // certificates that did not parse; the others stand
	SigningTime  time.Time      // when the list was signed: the age of its trust
	Signer       *Certificate   // nil until verified

	signed *SignedData
}

const (
	oidMasterList       = "2.23.136.1.1.2"
	oidMasterListSigner = "2.23.136.1.1.3"

	// The fullest list of 2026 has 588 certificates in 0.9 MB.
	maxListBytes        = 32 << 20
	maxListCertificates = 20000
	maxListUnreadable   = 256 // each is kept as an error, a hundred times as long as the shortest
)

// ParseMasterList reads a list without judging its signature. Only
// VerifyMasterList makes a list one to trust.
func ParseMasterList(b []byte) (MasterList, error) {
	list, err := parseMasterList(b)
	if err != nil {
		return MasterList{}, fmt.Errorf("master list: %w", err)
	}
	return list, nil
}

func parseMasterList(b []byte) (MasterList, error) {
	var list MasterList
	if len(b) > maxListBytes {
		return list, fmt.Errorf("%d bytes are longer than %d", len(b), maxListBytes)
	}
	signed, err := ParseSignedData(b)
	if err != nil {
		return list, err
	}
	if signed.ContentType != oidMasterList {
		return list, fmt.Errorf("content type %s where a CSCA master list (%s) belongs", signed.ContentType, oidMasterList)
	}
	list.signed, list.SigningTime = signed, signed.Signers[0].SigningTime
	seq, err := ber.Parse(signed.Content, ber.Sequence)
	if err != nil {
		return list, err
	}
	fields, err := seq.AtMost(2)
	if err != nil {
		return list, err
	}
	if len(fields) != 2 || fields[0].Tag != ber.Integer || fields[1].Tag != ber.Set {
		return list, errors.New("content is not a version and a set of certificates")
	}
	if v, err := fields[0].Int(); err != nil || v.Sign() != 0 {
		return list, errors.New("version is not 0, the one this system reads")
	}
	seen := map[[32]byte]bool{}
	for rest := fields[1].Value; len(rest) > 0; {
		var t ber.TLV
		if t, rest, err = ber.Next(rest); err != nil {
			return list, err
		}
		n := len(list.Certificates) + list.Duplicates + len(list.Unreadable) + 1
		if n > maxListCertificates {
			return list, fmt.Errorf("more than %d certificates", maxListCertificates)
		}
		c, err := ParseCertificate(t.Raw)
		switch {
		case err != nil && len(list.Unreadable) == maxListUnreadable:
			return list, fmt.Errorf("more than %d certificates do not parse", maxListUnreadable)
		case err != nil:
			list.Unreadable = append(list.Unreadable, fmt.Errorf("entry %d: %w", n, err))
		case seen[c.digest]:
			list.Duplicates++
		default:
			seen[c.digest] = true
			list.Certificates = append(list.Certificates, c)
		}
	}
	return list, nil
}

// VerifyMasterList reads a list and judges it: its signature holds, its signer
// is one for master lists and was valid when it signed, and the signer's chain
// ends at root, the issuing state's CSCA certificate obtained by another way.
// Of several roots, one is enough. An error wraps ErrSignature where a
// signature was judged wrong.
func VerifyMasterList(b []byte, roots ...*Certificate) (MasterList, error) {
	list, err := ParseMasterList(b)
	if err != nil {
		return MasterList{}, err
	}
	if list.Signer, list.SigningTime, err = list.signed.verifyList(listKind{"master lists", oidMasterListSigner}, roots); err != nil {
		return MasterList{}, fmt.Errorf("master list: %w", err)
	}
	return list, nil
}
