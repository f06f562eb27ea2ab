package authn

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"time"

	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// Result is what passive authentication found. Data of a group is genuine
// when Signature, Chain and the group's own verdict have all passed, and not
// by any of them alone.
type Result struct {
	Signature Verdict         // EF.SOD is signed by the signer it carries
	Chain     Verdict         // the signer is one of a CSCA in the store
	Groups    map[int]Verdict // of every group that was read, or whose hash is signed

	Signer        Party
	CSCA          Party
	HashAlgorithm string    // of the groups: "SHA-256"
	SigningTime   time.Time // as EF.SOD states it; zero where it does not
	// TrustDate is how fresh the trust in the CSCA is: the signing time of the
	// newest master list that has it, or its day of import. TrustAge is the time
	// from then to the check. Both are zero where no CSCA was found.
	TrustDate time.Time
	TrustAge  time.Duration
	Notes     []Note
}

// Party is a certificate's holder. It names an authority, not a person.
type Party struct {
	Country   string // alpha-2 as in the certificate
	Subject   string
	Serial    string // hexadecimal
	NotBefore time.Time
	NotAfter  time.Time
	Key       string // "EC brainpoolP384r1"
	Algorithm string // of the signature it made: on EF.SOD, or on the signer's certificate
}

// PassiveFile is Passive for the bytes of EF.SOD as read; none of them means
// there is no such file.
func PassiveFile(sod []byte, groups map[int][]byte, store *trust.Store, at time.Time) Result {
	if len(sod) == 0 {
		return Passive(nil, groups, store, at)
	}
	parsed, err := lds.ParseSOD(sod)
	if err != nil {
		r := Passive(nil, groups, store, at)
		r.Signature = Verdict{Status: Failed, Code: SODMalformed}
		r.Chain = Verdict{Status: NotPerformed, Code: SODMalformed}
		return r
	}
	return Passive(parsed, groups, store, at)
}

// Passive authenticates groups, the whole files read by data group number,
// with EF.SOD (Doc 9303-11, 5.1). sod is nil where the chip has none.
//
// The signer's certificate is judged at the signing time EF.SOD states and at
// the time of the check where it states none: a signer signs for about three
// months, its certificate lasts as long as the documents (Doc 9303-12, 4.2),
// and one that has expired since is a note. The CSCA is judged at the start of the signer's
// certificate. A stated time is the signer's word: whoever holds an
// expired signer's key could state an old one.
func Passive(sod *lds.SOD, groups map[int][]byte, store *trust.Store, at time.Time) Result {
	r := Result{Groups: map[int]Verdict{}}
	if sod == nil || sod.SignedData == nil {
		r.Signature = Verdict{Status: NotPresent, Code: SODAbsent}
		r.Chain = Verdict{Status: NotPresent, Code: SODAbsent}
		for n := range groups {
			r.Groups[n] = Verdict{NotPerformed, SODAbsent, groupName(n)}
		}
		return r
	}
	r.judgeGroups(sod, groups)
	r.judgeSignatures(sod, store, at)
	return r
}

func groupName(n int) string { return fmt.Sprintf("DG%d", n) }

func (r *Result) judgeGroups(sod *lds.SOD, groups map[int][]byte) {
	r.HashAlgorithm = sod.HashOID
	if sod.Hash != 0 {
		r.HashAlgorithm = sod.Hash.String()
	}
	if sod.Hash == crypto.SHA1 {
		r.note(HashAlgorithmWeak, "EF.SOD")
	}
	for n := range sod.Hashes {
		r.Groups[n] = Verdict{NotPerformed, DGNotRead, groupName(n)}
	}
	for n, b := range groups {
		r.Groups[n] = judgeGroup(sod, n, b)
	}
}

func judgeGroup(sod *lds.SOD, n int, b []byte) Verdict {
	want := sod.Hashes[n]
	switch {
	case want == nil:
		return Verdict{Failed, DGHashMissing, groupName(n)}
	case len(b) == 0:
		return Verdict{NotPerformed, DGNotRead, groupName(n)}
	case sod.Hash == 0 || !sod.Hash.Available():
		return Verdict{Inconclusive, AlgorithmUnknown, groupName(n)}
	}
	h := sod.Hash.New()
	h.Write(b)
	if !bytes.Equal(h.Sum(nil), want) {
		return Verdict{Failed, DGHashMismatch, groupName(n)}
	}
	return Verdict{Status: Passed, Subject: groupName(n)}
}

// attempt is one signer of EF.SOD under one certificate.
type attempt struct {
	signature, chain Verdict
	info             trust.SignerInfo
	ds, csca         *trust.Certificate
	notes            []Note
}

// judgeSignatures keeps the attempt that got furthest: a message with several
// signers, or several certificates, is authentic if one pair of them is.
func (r *Result) judgeSignatures(sod *lds.SOD, store *trust.Store, at time.Time) {
	best := attempt{
		signature: Verdict{Status: Failed, Code: SignerMissing},
		chain:     Verdict{Status: NotPerformed, Code: SignerMissing},
	}
	certificates, malformed := embedded(sod)
	if malformed && len(certificates) == 0 {
		best.signature.Code, best.chain.Code = SignerMalformed, SignerMalformed
	}
	for _, info := range sod.Signers {
		for _, c := range candidates(&info, certificates) {
			a := try(sod, info, c, store, at)
			if best.ds == nil || rank(a) > rank(best) {
				best = a
			}
		}
	}
	r.Signature, r.Chain = best.signature, best.chain
	r.Notes = append(r.Notes, best.notes...)
	r.SigningTime = best.info.SigningTime
	if best.ds != nil {
		r.Signer = party(best.ds, algorithmOf(best.info))
	}
	if best.csca != nil {
		r.CSCA = party(best.csca, best.ds.Algorithm.String())
		if r.TrustDate = store.Date(best.csca); !r.TrustDate.IsZero() {
			r.TrustAge = at.Sub(r.TrustDate)
		}
	}
}

func rank(a attempt) int {
	n := 0
	if a.signature.Status == Passed {
		n += 4
	}
	if a.csca != nil {
		n++
	}
	if a.chain.Status == Passed {
		n += 2
	}
	return n
}

func embedded(sod *lds.SOD) (out []*trust.Certificate, malformed bool) {
	for _, raw := range sod.Certificates {
		c, err := trust.ParseCertificate(raw)
		if err != nil {
			malformed = true
			continue
		}
		out = append(out, c)
	}
	return out, malformed
}

// candidates are the certificates the signer names, or all of them where it
// names none of them: issuers have written another form of their own name. The
// signature tells which certificate is meant.
func candidates(info *trust.SignerInfo, all []*trust.Certificate) []*trust.Certificate {
	var named []*trust.Certificate
	for _, c := range all {
		if info.Identifies(c) {
			named = append(named, c)
		}
	}
	if len(named) > 0 {
		return named
	}
	return all
}

func try(sod *lds.SOD, info trust.SignerInfo, ds *trust.Certificate, store *trust.Store, at time.Time) attempt {
	a := attempt{info: info, ds: ds, signature: signatureVerdict(sod.Verify(info, ds), SODSignatureInvalid)}
	if !info.Identifies(ds) {
		a.notes = append(a.notes, Note{Code: SignerIdentifierMismatch})
	}
	if info.Digest == crypto.SHA1 || info.Algorithm.Hash == crypto.SHA1 {
		a.notes = append(a.notes, Note{HashAlgorithmWeak, "signature"})
	}
	a.judgeChain(store, at)
	return a
}

// signatureVerdict tells a signature judged wrong from one that could not be judged.
func signatureVerdict(err error, wrong Code) Verdict {
	switch {
	case err == nil:
		return Verdict{Status: Passed}
	case errors.Is(err, trust.ErrSignature):
		return Verdict{Status: Failed, Code: wrong}
	}
	return Verdict{Status: Inconclusive, Code: AlgorithmUnknown}
}

func algorithmOf(info trust.SignerInfo) string {
	a := info.Algorithm
	if a.Hash == 0 {
		a.Hash, a.MGF = info.Digest, info.Digest
	}
	return a.String()
}

func party(c *trust.Certificate, algorithm string) Party {
	serial := new(big.Int)
	if c.Serial != nil {
		serial = c.Serial
	}
	return Party{
		Country: c.Subject.Country, Subject: c.Subject.String(), Serial: fmt.Sprintf("%X", serial),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Key: c.Key.String(), Algorithm: algorithm,
	}
}

func (r *Result) note(code Code, subject string) { r.Notes = append(r.Notes, Note{code, subject}) }
