package trust

import (
	"crypto"
	"errors"
	"slices"
	"time"
)

// Finding is what an audit has to say of a certificate or list.
type Finding string

// The findings that say that something must not be relied on.
const (
	SignatureInvalid    Finding = "signature_invalid"     // neither its own key nor the CSCA it names signed it
	AnchorRevoked       Finding = "revoked"               // its key is revoked
	CRLSignatureInvalid Finding = "crl_signature_invalid" // no CSCA certificate of the store bears the list out
)

// The findings that call for attention.
const (
	IssuerAbsent     Finding = "issuer_absent"     // of a link certificate: the CSCA that signed it is not in the store, so its signature was not judged
	AlgorithmUnknown Finding = "algorithm_unknown" // this version cannot judge the signature
	NotYetValid      Finding = "not_yet_valid"     //
	Expired          Finding = "expired"           // documents of its signers may still be valid
	KeyUsageAbsent   Finding = "key_usage_absent"  // version 1 certificates, and others that do not say what they are for
	NoCRLSign        Finding = "not_for_signing_crls"
	WeakHash         Finding = "hash_algorithm_weak" // SHA-1 made its signature
	WeakKey          Finding = "key_weak"            // RSA below 2048 bits, elliptic curves below 224
	CRLUnknown       Finding = "crl_unknown"         // no revocation list covers it
	CRLOverdue       Finding = "crl_overdue"         // a newer list must exist
)

// Audit is the state of everything in the store at a time.
type Audit struct {
	At         time.Time
	Anchors    []AuditedAnchor // in the order of the store
	CRLs       []AuditedCRL
	Deviations []AuditedDeviations
	Signers    int // document signers' certificates
}

// AuditedAnchor is a CSCA certificate and what was found of it.
type AuditedAnchor struct {
	*Certificate
	Issuer    *Certificate // who signed it: itself, or the CSCA before it; nil where none could be found
	TrustDate time.Time    // see Store.Date
	Covered   bool         // a revocation list covers it
	Findings  []Finding    // sorted
}

// AuditedCRL is a revocation list and what was found of it.
type AuditedCRL struct {
	*CRL
	Age      time.Duration
	Findings []Finding
}

// AuditedDeviations is a deviation list and its age.
type AuditedDeviations struct {
	DeviationList
	Age time.Duration
}

// Bad tells whether a finding says that something must not be relied on.
func (f Finding) Bad() bool {
	return f == SignatureInvalid || f == AnchorRevoked || f == CRLSignatureInvalid
}

// Audit judges every certificate and list of the store. It verifies each
// signature, which takes half a millisecond each.
func (s *Store) Audit(at time.Time) Audit {
	a := Audit{At: at, Signers: s.Signers()}
	for _, anchor := range s.anchors {
		a.Anchors = append(a.Anchors, s.auditAnchor(anchor.Certificate, at))
	}
	for _, key := range sortedKeys(s.crls) {
		h := s.crls[key]
		c := AuditedCRL{CRL: h.CRL, Age: at.Sub(h.ThisUpdate)}
		if !s.holds(h) {
			c.Findings = append(c.Findings, CRLSignatureInvalid)
		}
		if h.Overdue(at) {
			c.Findings = append(c.Findings, CRLOverdue)
		}
		if h.Algorithm.Hash == crypto.SHA1 {
			c.Findings = append(c.Findings, WeakHash)
		}
		a.CRLs = append(a.CRLs, c)
	}
	for _, l := range s.DeviationLists() {
		a.Deviations = append(a.Deviations, AuditedDeviations{l, at.Sub(l.SigningTime)})
	}
	return a
}

func (s *Store) auditAnchor(c *Certificate, at time.Time) AuditedAnchor {
	a := AuditedAnchor{Certificate: c, TrustDate: s.Date(c)}
	note := func(is bool, f Finding) {
		if is {
			a.Findings = append(a.Findings, f)
		}
	}
	var wrong Finding
	if a.Issuer, wrong = s.issuerOf(c); wrong != "" {
		a.Findings = append(a.Findings, wrong)
	}
	r := s.RevokedCSCA(c, at)
	a.Covered = r.Covered
	note(r.Revoked, AnchorRevoked)
	note(!r.Covered, CRLUnknown)
	note(r.Overdue, CRLOverdue)
	note(at.Before(c.NotBefore), NotYetValid)
	note(at.After(c.NotAfter), Expired)
	note(!c.HasKeyUsage, KeyUsageAbsent)
	note(c.HasKeyUsage && c.KeyUsage&CRLSign == 0, NoCRLSign)
	note(c.Algorithm.Hash == crypto.SHA1, WeakHash)
	note(c.Key.weak(), WeakKey)
	slices.Sort(a.Findings)
	return a
}

// issuerOf finds who signed an anchor: its own key, or for a link certificate
// the one before it.
func (s *Store) issuerOf(c *Certificate) (*Certificate, Finding) {
	candidates := s.Find(c.Issuer.Raw, c.AuthorityKeyID)
	if !c.Link() {
		candidates = append([]*Certificate{c}, candidates...)
	}
	finding := IssuerAbsent
	for _, up := range candidates {
		switch v := c.VerifySignatureBy(up); {
		case v == nil:
			return up, ""
		case !errors.Is(v, ErrSignature):
			finding = AlgorithmUnknown
		case up == c && !c.Link() || namesKey(c, up):
			finding = SignatureInvalid
		}
	}
	return nil, finding
}

// namesKey tells whether c names this very certificate's key as its issuer's:
// of several CSCAs of one name, another simply is not the issuer.
func namesKey(c, up *Certificate) bool {
	return len(c.AuthorityKeyID) > 0 && slices.Equal(c.AuthorityKeyID, up.SubjectKeyID) && c.Issuer.Equal(up.Subject)
}

func (k *PublicKey) weak() bool {
	return k.Modulus != nil && k.Modulus.BitLen() < 2048 || k.Curve != nil && k.Curve.P.BitLen() < 224
}
