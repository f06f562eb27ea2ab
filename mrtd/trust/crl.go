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

// CRL is a CSCA's certificate revocation list (RFC 5280, 5; Doc 9303-12,
// 7.1.4) as it lies. It covers every certificate its CSCA issued, under
// earlier keys and names too. Slices share memory with Raw.
type CRL struct {
	Raw           []byte
	TBS           []byte
	Issuer        Name
	FormerIssuers []Name   // names the CSCA had before (Doc 9303-12, table 10, note 1)
	Number        *big.Int // nil where the list states none
	ThisUpdate    time.Time
	NextUpdate    time.Time // zero where the list states none
	Algorithm     Algorithm // of Signature
	Signature     []byte

	AuthorityKeyID []byte
	revoked        map[string]revokedEntry // by serial
	digest         [sha256.Size]byte
}

type revokedEntry struct {
	date   time.Time
	reason RevocationReason
}

// RevocationReason is why a certificate was revoked, as the list states it:
// "" where it does not, which Doc 9303-12 asks for.
type RevocationReason string

// The reasons of RFC 5280, 5.3.1.
const (
	Unspecified          RevocationReason = "unspecified"
	KeyCompromise        RevocationReason = "key_compromise"
	CACompromise         RevocationReason = "ca_compromise"
	AffiliationChanged   RevocationReason = "affiliation_changed"
	Superseded           RevocationReason = "superseded"
	CessationOfOperation RevocationReason = "cessation_of_operation"
	CertificateHold      RevocationReason = "certificate_hold"
	RemoveFromCRL        RevocationReason = "remove_from_crl"
	PrivilegeWithdrawn   RevocationReason = "privilege_withdrawn"
	AACompromise         RevocationReason = "aa_compromise"
)

var revocationReasons = map[int64]RevocationReason{
	0: Unspecified, 1: KeyCompromise, 2: CACompromise, 3: AffiliationChanged, 4: Superseded, 5: CessationOfOperation,
	6: CertificateHold, 8: RemoveFromCRL, 9: PrivilegeWithdrawn, 10: AACompromise,
}

// A CSCA issues some dozens of signers a year: real lists have a few entries.
// Parsing allocates less than 20 octets for each octet of a list.
const (
	maxCRL        = 8 << 20
	maxCRLEntries = 100_000
	maxCRLNumber  = 64  // octets; RFC 5280, 5.2.3 asks for 20 to be understood
	maxCRLSerial  = 128 // octets
	maxCRLFields  = 7
	maxFormer     = 64
)

// ErrIndirect says that a list speaks of certificates of other issuers, or of
// a part of them: the eMRTD PKI has none (Doc 9303-12, D.1.2), and one taken
// for a whole list would leave revoked certificates unnoticed.
var ErrIndirect = errors.New("an indirect, partial or delta list, which Doc 9303-12 excludes")

// ParseCRL reads one list, DER or PEM, without judging its signature.
func ParseCRL(b []byte) (*CRL, error) {
	if len(b) > 2*maxCRL { // PEM is longer by a third
		return nil, fmt.Errorf("CRL: %d bytes are longer than %d", len(b), maxCRL)
	}
	if len(b) > 0 && b[0] != byte(ber.Sequence) {
		block, rest := pem.Decode(b)
		for block != nil && block.Type != "X509 CRL" {
			block, rest = pem.Decode(rest)
		}
		if block == nil {
			return nil, errors.New("CRL: neither DER nor PEM with BEGIN X509 CRL")
		}
		if bytes.Contains(rest, []byte("-----BEGIN X509 CRL-----")) {
			return nil, errors.New("CRL: more than one list in a file")
		}
		b = block.Bytes
	}
	l, err := parseCRL(b)
	if err != nil {
		return nil, fmt.Errorf("CRL: %w", err)
	}
	return l, nil
}

func parseCRL(b []byte) (*CRL, error) {
	if len(b) > maxCRL {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxCRL)
	}
	outer, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return nil, err
	}
	parts, err := outer.AtMost(3)
	if err != nil {
		return nil, err
	}
	if len(parts) != 3 || parts[0].Tag != ber.Sequence || parts[2].Tag != ber.BitString {
		return nil, errors.New("not a to-be-signed part, an algorithm and a signature")
	}
	l := &CRL{Raw: outer.Raw, TBS: parts[0].Raw, revoked: map[string]revokedEntry{}, digest: sha256.Sum256(outer.Raw)}
	if l.Algorithm, err = parseAlgorithm(parts[1]); err != nil {
		return nil, fmt.Errorf("signature algorithm: %w", err)
	}
	if l.Signature, err = parts[2].Bits(); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return l, l.setTBS(parts[0])
}

func (l *CRL) setTBS(tbs ber.TLV) error {
	fields, err := tbs.AtMost(maxCRLFields)
	if err != nil {
		return err
	}
	if len(fields) > 0 && fields[0].Tag == ber.Integer {
		if v, err := fields[0].Int(); err != nil || v.Cmp(big.NewInt(1)) != 0 {
			return errors.New("version is not 2, the one a list states")
		}
		fields = fields[1:]
	}
	if len(fields) < 3 {
		return errors.New("fields are missing: algorithm, issuer and time belong")
	}
	inner, err := parseAlgorithm(fields[0])
	if err != nil {
		return fmt.Errorf("signature algorithm: %w", err)
	}
	if inner != l.Algorithm {
		return fmt.Errorf("signature algorithm is %s inside the signed part and %s outside", inner, l.Algorithm)
	}
	if l.Issuer, err = ParseName(fields[1].Raw); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if l.ThisUpdate, err = parseTime(fields[2]); err != nil {
		return fmt.Errorf("this update: %w", err)
	}
	rest := fields[3:]
	if len(rest) > 0 && (rest[0].Tag == ber.UTCTime || rest[0].Tag == ber.GeneralizedTime) {
		if l.NextUpdate, err = parseTime(rest[0]); err != nil {
			return fmt.Errorf("next update: %w", err)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0].Tag == ber.Sequence {
		if err := l.setEntries(rest[0]); err != nil {
			return err
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0].Tag == 0xA0 {
		seq, err := ber.Parse(rest[0].Value, ber.Sequence)
		if err != nil {
			return fmt.Errorf("extensions: %w", err)
		}
		if err := eachExtension(seq, l.setExtension); err != nil {
			return err
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("tag %X after the list", rest[0].Tag)
	}
	return nil
}

func (l *CRL) setEntries(t ber.TLV) error {
	for rest := t.Value; len(rest) > 0; {
		var e ber.TLV
		var err error
		if e, rest, err = ber.Next(rest); err != nil {
			return fmt.Errorf("entry: %w", err)
		}
		if len(l.revoked) >= maxCRLEntries {
			return fmt.Errorf("more than %d entries", maxCRLEntries)
		}
		if err := l.setEntry(e); err != nil {
			return fmt.Errorf("entry %d: %w", len(l.revoked)+1, err)
		}
	}
	return nil
}

func (l *CRL) setEntry(t ber.TLV) error {
	fields, err := t.AtMost(3)
	if err != nil {
		return err
	}
	if t.Tag != ber.Sequence || len(fields) < 2 {
		return errors.New("not a serial, a date and extensions")
	}
	if len(fields[0].Value) > maxCRLSerial {
		return fmt.Errorf("serial of %d octets is longer than %d", len(fields[0].Value), maxCRLSerial)
	}
	serial, err := fields[0].Int()
	if err != nil {
		return fmt.Errorf("serial: %w", err)
	}
	var e revokedEntry
	if e.date, err = parseTime(fields[1]); err != nil {
		return fmt.Errorf("revocation date: %w", err)
	}
	if len(fields) == 3 {
		if err := eachExtension(fields[2], e.setExtension); err != nil {
			return err
		}
	}
	key := serialKey(serial)
	if _, twice := l.revoked[key]; twice {
		return errors.New("a serial for the second time")
	}
	l.revoked[key] = e
	return nil
}

func serialKey(n *big.Int) string {
	if n.Sign() < 0 {
		return "-" + string(n.Bytes())
	}
	return "+" + string(n.Bytes())
}

// Extensions of lists and their entries (RFC 5280, 5.2 and 5.3).
const (
	oidIssuerAltName     = "2.5.29.18"
	oidCRLNumber         = "2.5.29.20"
	oidReasonCode        = "2.5.29.21"
	oidInvalidityDate    = "2.5.29.24"
	oidDeltaCRL          = "2.5.29.27"
	oidDistributionPoint = "2.5.29.28"
	oidCertificateIssuer = "2.5.29.29"
)

func (l *CRL) setExtension(oid string, critical bool, value []byte) error {
	t, _, err := ber.Next(value)
	switch oid {
	case oidAuthorityKeyID:
		if id, ok := t.Find(0x80); err == nil && ok {
			l.AuthorityKeyID = id.Value
		}
		return nil // it only helps to find the issuer
	case oidIssuerAltName:
		if err == nil {
			l.setFormerIssuers(t)
		}
		return nil
	case oidCRLNumber:
		if err != nil || len(t.Value) > maxCRLNumber {
			return errors.New("not a number of a bounded length")
		}
		l.Number, err = t.Int()
		return err
	case oidDeltaCRL:
		return ErrIndirect
	case oidDistributionPoint:
		// A bare name of where the list is published restricts nothing, and is tolerated.
		fields, err := t.AtMost(1)
		if err != nil || len(fields) == 1 && fields[0].Tag != 0xA0 {
			return ErrIndirect
		}
		return nil
	}
	if critical { // RFC 5280, 5.2: such a list must not be used
		return errors.New("critical, and not known to this version")
	}
	return nil
}

// setFormerIssuers keeps the directory names of the alternative name. Those
// that do not read as an issuer's name are contact data.
func (l *CRL) setFormerIssuers(t ber.TLV) {
	names, err := t.AtMost(maxFormer)
	if err != nil {
		return
	}
	for _, n := range names {
		if n.Tag != 0xA4 {
			continue
		}
		if name, err := ParseName(n.Value); err == nil && name.Country != "" {
			l.FormerIssuers = append(l.FormerIssuers, name)
		}
	}
}

func (e *revokedEntry) setExtension(oid string, critical bool, value []byte) error {
	switch oid {
	case oidReasonCode:
		t, _, err := ber.Next(value)
		if err != nil || t.Tag != 0x0A || len(t.Value) != 1 {
			return errors.New("no reason code")
		}
		if e.reason = revocationReasons[int64(t.Value[0])]; e.reason == "" {
			return fmt.Errorf("reason %d is not one of RFC 5280", t.Value[0])
		}
		return nil
	case oidInvalidityDate:
		return nil // since when the key is suspect; the certificate is revoked all the same
	case oidCertificateIssuer:
		return ErrIndirect
	}
	if critical {
		return errors.New("critical, and not known to this version")
	}
	return nil
}

// VerifySignatureBy judges the list's signature by a CSCA's key, and nothing else.
func (l *CRL) VerifySignatureBy(issuer *Certificate) error {
	return Verify(issuer.Key, l.Algorithm, crypto.SHA1, l.TBS, l.Signature)
}

// Len is the number of certificates the list revokes.
func (l *CRL) Len() int { return len(l.revoked) }

// Lists tells whether a serial is on the list, since when and why.
func (l *CRL) Lists(serial *big.Int) (since time.Time, reason RevocationReason, listed bool) {
	e, listed := l.revoked[serialKey(serial)]
	return e.date, e.reason, listed
}

// crlPeriod is how often a CSCA issues a list at the least (Doc 9303-12, 4.1.5).
const crlPeriod = 90 * 24 * time.Hour

// Overdue tells whether a newer list must exist at a time.
func (l *CRL) Overdue(at time.Time) bool {
	if l.NextUpdate.IsZero() {
		return at.After(l.ThisUpdate.Add(crlPeriod))
	}
	return at.After(l.NextUpdate)
}

// NumberText is the list's number in decimal, or "".
func (l *CRL) NumberText() string {
	if l.Number == nil {
		return ""
	}
	return l.Number.String()
}

// LogValue names the list by its issuer and day.
func (l *CRL) LogValue() slog.Value {
	return slog.GroupValue(slog.String("issuer", l.Issuer.String()), slog.Time("this_update", l.ThisUpdate))
}
