package authn

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// Result is what passive authentication found. Data of a group is genuine
// when Signature, Chain and the group's own verdict have all passed, and not
// by any of them alone.
type Result struct {
	Signature Verdict         // EF.SOD is signed by the signer it names
	Chain     Verdict         // the signer is one of a CSCA in the store, and not revoked
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
	// CRLDate is when the revocation list that was looked into was made, and
	// CRLAge the time from then to the check; zero where there was none.
	CRLDate    time.Time
	CRLAge     time.Duration
	Deviations []trust.Deviation // known faults of such documents, as their state published them
	Notes      []Note
}

// Options are how old what a chain rests on may be; zero is any age. A chain
// that rests on something older, or where a limit is set on no revocation list
// at all, is inconclusive.
type Options struct {
	MaxTrustAge time.Duration // of the list or import that vouches for the CSCA
	MaxCRLAge   time.Duration // of the CSCA's revocation list, since it was made
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
	return Options{}.PassiveFile(sod, groups, store, at)
}

// PassiveFile is the function PassiveFile within limits of age.
func (o Options) PassiveFile(sod []byte, groups map[int][]byte, store *trust.Store, at time.Time) Result {
	if len(sod) == 0 {
		return o.Passive(nil, groups, store, at)
	}
	parsed, err := lds.ParseSOD(sod)
	if err != nil {
		r := o.Passive(nil, groups, store, at)
		r.Signature = Verdict{Status: Failed, Code: SODMalformed}
		r.Chain = Verdict{Status: NotPerformed, Code: SODMalformed}
		return r
	}
	return o.Passive(parsed, groups, store, at)
}

// Passive authenticates groups, the whole files read by data group number,
// with EF.SOD (Doc 9303-11, 5.1). sod is nil where the chip has none.
//
// The signer's certificate is judged at the signing time EF.SOD states and at
// the time of the check where it states none: a signer signs for about three
// months, its certificate lasts as long as the documents (Doc 9303-12, 4.1.1).
// The CSCA is judged at the start of the signer's certificate.
//
// A stated time is the signer's word: whoever holds the key of a signer that
// has expired could state an old one. Doc 9303-12, D.1.1.3 therefore judges
// the certificate at the time of the check. A document that, by DG1, is still
// valid while its signer is not fails here too; where the document itself has
// expired, or does not say, the signer's end is a note.
func Passive(sod *lds.SOD, groups map[int][]byte, store *trust.Store, at time.Time) Result {
	return Options{}.Passive(sod, groups, store, at)
}

// Passive is the function Passive within limits of age.
func (o Options) Passive(sod *lds.SOD, groups map[int][]byte, store *trust.Store, at time.Time) Result {
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
	j := judge{Options: o, store: store, at: at}
	if r.Groups[1].Status == Passed {
		j.document = documentOf(groups[1], at)
	}
	r.judgeSignatures(sod, j)
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

// judge is what signers are judged by.
type judge struct {
	Options
	store    *trust.Store
	at       time.Time
	document document
}

// attempt is one signer of EF.SOD under one certificate.
type attempt struct {
	signature, chain Verdict
	info             trust.SignerInfo
	ds, csca         *trust.Certificate
	crl              *trust.CRL
	notes            []Note
}

func (a *attempt) note(code Code, subject string) { a.notes = append(a.notes, Note{code, subject}) }

// judgeSignatures keeps the attempt that got furthest: a message with several
// signers, or several certificates, is authentic if one pair of them is.
func (r *Result) judgeSignatures(sod *lds.SOD, j judge) {
	best := attempt{
		signature: Verdict{Status: Failed, Code: SignerMissing},
		chain:     Verdict{Status: NotPerformed, Code: SignerMissing},
	}
	certificates, malformed := embedded(sod)
	if malformed && len(certificates) == 0 {
		best.signature.Code, best.chain.Code = SignerMalformed, SignerMalformed
	}
	for _, info := range sod.Signers {
		named, err := candidates(&info, certificates, j.store)
		if err != nil { // the store could not be read: the signer may be in it
			best.signature, best.chain = Verdict{Inconclusive, SignerMissing, "trust_store"}, Verdict{NotPerformed, SignerMissing, "trust_store"}
		}
		for _, c := range named {
			a := j.try(sod, info, c.Certificate)
			if c.stored {
				a.note(SignerFromStore, "")
			}
			if best.ds == nil || rank(a) > rank(best) {
				best = a
			}
		}
	}
	r.keep(best, j)
}

func (r *Result) keep(best attempt, j judge) {
	r.Signature, r.Chain = best.signature, best.chain
	r.Notes = append(r.Notes, best.notes...)
	r.SigningTime = best.info.SigningTime
	if best.crl != nil {
		r.CRLDate, r.CRLAge = best.crl.ThisUpdate, j.at.Sub(best.crl.ThisUpdate)
	}
	if best.ds != nil {
		r.Signer = party(best.ds, algorithmOf(best.info))
		if j.store != nil {
			r.Deviations = j.store.Deviations(best.ds, j.document.code, j.document.number, r.SigningTime)
		}
	}
	for _, d := range r.Deviations {
		if n := (Note{KnownDeviation, d.String()}); !slices.Contains(r.Notes, n) {
			r.Notes = append(r.Notes, n)
		}
	}
	if best.csca != nil {
		r.CSCA = party(best.csca, best.ds.Algorithm.String())
		if r.TrustDate = j.store.Date(best.csca); !r.TrustDate.IsZero() {
			r.TrustAge = j.at.Sub(r.TrustDate)
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

// candidate is a certificate that may be a signer's.
type candidate struct {
	*trust.Certificate
	stored bool // not EF.SOD's own
}

// candidates are the certificates the signer names: those of EF.SOD, else
// those of the store. Where it names none of either they are all of EF.SOD's:
// issuers have written another form of their own name. The signature tells
// which certificate is meant.
func candidates(info *trust.SignerInfo, all []*trust.Certificate, store *trust.Store) ([]candidate, error) {
	var named, rest []candidate
	for _, c := range all {
		if info.Identifies(c) {
			named = append(named, candidate{c, false})
		} else {
			rest = append(rest, candidate{c, false})
		}
	}
	var err error
	if len(named) == 0 && store != nil {
		var stored []*trust.Certificate
		stored, err = store.FindSigners(info)
		for _, c := range stored {
			named = append(named, candidate{c, true})
		}
	}
	if len(named) == 0 {
		return rest, err
	}
	return named, err
}

func (j judge) try(sod *lds.SOD, info trust.SignerInfo, ds *trust.Certificate) attempt {
	a := attempt{info: info, ds: ds, signature: signatureVerdict(sod.Verify(info, ds), SODSignatureInvalid)}
	if !info.Identifies(ds) {
		a.note(SignerIdentifierMismatch, "")
	}
	if info.Digest == crypto.SHA1 || info.Algorithm.Hash == crypto.SHA1 {
		a.note(HashAlgorithmWeak, "signature")
	}
	j.chain(&a)
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
