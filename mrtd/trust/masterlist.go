package trust

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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
	maxSignerChain      = 4 // signer, link certificates, root
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
		return list, fmt.Errorf("version %v is not 0, the one this system reads", v)
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
// An error wraps ErrSignature where a signature was judged wrong.
func VerifyMasterList(b []byte, root *Certificate) (MasterList, error) {
	list, err := ParseMasterList(b)
	if err != nil {
		return MasterList{}, err
	}
	if root == nil {
		return MasterList{}, errors.New("master list: no root to judge it by: give the CSCA certificate of the state that signed it")
	}
	if err := list.verify(root); err != nil {
		return MasterList{}, fmt.Errorf("master list: %w", err)
	}
	return list, nil
}

func (l *MasterList) verify(root *Certificate) error {
	var embedded []*Certificate
	for _, raw := range l.signed.Certificates {
		c, err := ParseCertificate(raw)
		if err != nil {
			return fmt.Errorf("of the signer: %w", err)
		}
		embedded = append(embedded, c)
	}
	// Doc 9303-12, 9 asks for one signer or, while hashes change, two: any that holds is enough.
	var first error
	for _, info := range l.signed.Signers {
		signer, err := l.judge(info, embedded, root)
		if err == nil {
			l.Signer, l.SigningTime = signer, info.SigningTime
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (l *MasterList) judge(info SignerInfo, embedded []*Certificate, root *Certificate) (*Certificate, error) {
	i := slices.IndexFunc(embedded, info.Identifies)
	if i < 0 {
		return nil, errors.New("the signer's certificate is not in the message")
	}
	signer := embedded[i]
	if err := l.signed.Verify(info, signer); err != nil {
		return nil, err
	}
	switch {
	case info.SigningTime.IsZero():
		return nil, errors.New("no signing time: the age of its trust cannot be known")
	case !signer.ValidAt(info.SigningTime):
		return nil, fmt.Errorf("%s was not valid on %s, when it signed", signer.Subject, info.SigningTime.Format(time.DateOnly))
	case !slices.Contains(signer.ExtendedKeyUsage, oidMasterListSigner):
		return nil, fmt.Errorf("%s is no signer of master lists: extended key usage %s is missing", signer.Subject, oidMasterListSigner)
	}
	return signer, chain(signer, embedded, root, maxSignerChain)
}

// chain climbs from c to root through link certificates of the message.
func chain(c *Certificate, between []*Certificate, root *Certificate, steps int) error {
	if bytes.Equal(c.Raw, root.Raw) {
		return nil
	}
	err := fmt.Errorf("%w: no chain from %s to the root %s", ErrSignature, c.Subject, root.Subject)
	if steps == 0 {
		return err
	}
	if c.Issuer.Equal(root.Subject) {
		if verr := c.VerifySignatureBy(root); verr == nil || !errors.Is(verr, ErrSignature) {
			return verr
		}
	}
	for _, up := range between {
		if up != c && up.IsCA() && c.Issuer.Equal(up.Subject) && c.VerifySignatureBy(up) == nil && chain(up, between, root, steps-1) == nil {
			return nil
		}
	}
	return err
}
