package seal

import (
	"crypto"
	"fmt"
	"math/big"
	"strings"
	"time"

	"limen/mrtd/authn"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// Codes of verdicts beside authn's (Doc 9303-13, appendix D).
const (
	SignatureInvalid authn.Code = "seal_signature_invalid" // the seal was changed, or its signer did not sign it
	SignerUnknown    authn.Code = "seal_signer_unknown"    // no certificate is at hand that the header could mean
	FeatureMissing   authn.Code = "seal_feature_missing"   // a feature its kind demands is not there
	FeatureMalformed authn.Code = "seal_feature_malformed" // a feature is not of the form its kind gives it
	KindUnknown      authn.Code = "seal_kind_unknown"      // a document type or feature definition not known here
	MRZMismatch      authn.Code = "seal_mrz_mismatch"      // the seal does not say what is printed
	PassportMismatch authn.Code = "seal_passport_mismatch" // the visa is for another passport
)

// FeatureUnknown is the code of a note: a feature its kind does not define, which
// the standard allows.
const FeatureUnknown authn.Code = "seal_feature_unknown"

// Result is what judging a seal found. What it says is its issuer's word when
// Format, Signature and Chain have all passed.
type Result struct {
	Format    authn.Verdict // the features are those its kind has
	Signature authn.Verdict // the signer the header names signed it
	Chain     authn.Verdict // the signer is one of a CSCA in the store, for seals of that state

	Signer    authn.Party
	CSCA      authn.Party
	TrustDate time.Time     // how fresh the trust in the CSCA is; zero where none was found
	TrustAge  time.Duration // from then to the check
	Notes     []authn.Note
}

// Verify judges a seal. signers are certificates of bar code signers, which a
// seal does not carry; one is used when the header names it. The signer's
// certificate must be valid at the time of the check and must have been on the
// day the seal states it was signed on (appendix D); the CSCA at the start of
// the signer's certificate.
func Verify(s *Seal, signers []*trust.Certificate, store *trust.Store, at time.Time) Result {
	r := Result{Format: s.judgeFormat()}
	for _, f := range s.Features {
		if _, ok := s.profile().features[f.Tag]; !ok && s.Kind() != "" {
			r.note(FeatureUnknown, fmt.Sprintf("tag_%02x", f.Tag))
		}
	}
	r.Signature = authn.Verdict{Status: authn.Inconclusive, Code: SignerUnknown}
	r.Chain = authn.Verdict{Status: authn.NotPerformed, Code: SignerUnknown}
	ofSeal := len(r.Notes)
	for _, c := range signers {
		if !s.names(c) {
			continue
		}
		signature := s.judgeSignature(c)
		if r.Signer.Subject != "" && signature.Status != authn.Passed {
			continue // two certificates of one name: the key that verifies is the one meant
		}
		r.Signature, r.Signer, r.Notes = signature, party(c, algorithm(c)), r.Notes[:ofSeal]
		r.judgeChain(s.claim(), c, store, at)
		if signature.Status == authn.Passed {
			break
		}
	}
	return r
}

func (r *Result) note(code authn.Code, subject string) {
	r.Notes = append(r.Notes, authn.Note{Code: code, Subject: subject})
}

// judgeFormat compares the features with those of the seal's kind.
func (s *Seal) judgeFormat() authn.Verdict {
	p := s.profile()
	if p.kind == "" {
		return authn.Verdict{Status: authn.Inconclusive, Code: KindUnknown}
	}
	seen := map[byte]bool{}
	for _, f := range s.Features {
		d, ok := p.features[f.Tag]
		if !ok {
			continue
		}
		bad := seen[f.Tag] || len(f.Value) < d.min || len(f.Value) > d.max
		seen[f.Tag] = true
		if bad || d.form != octets && s.Text(d.name) == "" || d.name == MRZ && s.MRZ() == nil {
			return authn.Verdict{Status: authn.Failed, Code: FeatureMalformed, Subject: string(d.name)}
		}
	}
	missing := authn.Verdict{Status: authn.Failed, Code: FeatureMissing}
	for _, tag := range sortedTags(p) {
		if d := p.features[tag]; d.required && !seen[tag] {
			missing.Subject = string(d.name)
			return missing
		}
	}
	for i, tag := range p.either {
		if seen[tag] {
			break
		}
		if i == len(p.either)-1 {
			missing.Subject = string(p.features[tag].name)
			return missing
		}
	}
	return authn.Verdict{Status: authn.Passed}
}

func sortedTags(p profile) []byte {
	var out []byte
	for tag := range 256 {
		if _, ok := p.features[byte(tag)]; ok {
			out = append(out, byte(tag))
		}
	}
	return out
}

// names tells whether the header means the certificate: by country and common
// name of its subject, and its serial number (Doc 9303-12, 7.1.3).
func (s *Seal) names(c *trust.Certificate) bool {
	if c == nil || c.Serial == nil || c.Key == nil {
		return false
	}
	reference, ok := new(big.Int).SetString(s.Reference, 16)
	return ok && reference.Cmp(c.Serial) == 0 && c.Subject.Country == s.SignerCountry && strings.EqualFold(commonName(c), s.Signer)
}

func commonName(c *trust.Certificate) string {
	const oidCommonName = "2.5.4.3"
	seq, err := ber.Parse(c.Subject.Raw, ber.Sequence)
	if err != nil {
		return ""
	}
	sets, err := seq.Children()
	if err != nil {
		return ""
	}
	for _, set := range sets {
		attributes, err := set.Children()
		if err != nil {
			return ""
		}
		for _, a := range attributes {
			pair, err := a.Children()
			if err != nil || len(pair) != 2 {
				return ""
			}
			if oid, err := pair[0].OID(); err == nil && oid == oidCommonName {
				return string(pair[1].Value)
			}
		}
	}
	return ""
}

// HashFor is the hash that belongs to a key: the shortest that is not shorter
// than the order of its curve (Doc 9303-13, 2.4). Zero where there is none.
func HashFor(curve *ec.Curve) crypto.Hash {
	if curve == nil {
		return 0
	}
	switch n := curve.N.BitLen(); {
	case n <= 224:
		return crypto.SHA224
	case n <= 256:
		return crypto.SHA256
	case n <= 384:
		return crypto.SHA384
	case n <= 512:
		return crypto.SHA512
	}
	return 0
}

// algorithm names how a certificate's key signs seals, "" where it cannot.
func algorithm(c *trust.Certificate) string {
	if hash := HashFor(c.Key.Curve); hash != 0 {
		return trust.Algorithm{Scheme: trust.ECDSA, Hash: hash}.String()
	}
	return ""
}

func orderOctets(curve *ec.Curve) int { return (curve.N.BitLen() + 7) / 8 }

func (s *Seal) judgeSignature(c *trust.Certificate) authn.Verdict {
	hash := HashFor(c.Key.Curve)
	if hash == 0 {
		return authn.Verdict{Status: authn.Inconclusive, Code: authn.AlgorithmUnknown}
	}
	return verifyRaw(c.Key, hash, s.signed, s.Signature)
}

// verifyRaw judges r and s, each as long as the order of the key's curve.
func verifyRaw(key *trust.PublicKey, hash crypto.Hash, message, signature []byte) authn.Verdict {
	n := orderOctets(key.Curve)
	h := hash.New()
	h.Write(message)
	if len(signature) != 2*n || !key.Curve.Verify(key.Point, h.Sum(nil), unsigned(signature[:n]), unsigned(signature[n:])) {
		return authn.Verdict{Status: authn.Failed, Code: SignatureInvalid}
	}
	return authn.Verdict{Status: authn.Passed}
}

func unsigned(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

// CompareMRZ judges whether the seal has the MRZ that is printed, lines of the
// same shape. The end of a visa's lower line is in no seal and not compared.
func CompareMRZ(printed []string, s *Seal) authn.Verdict {
	lines := s.MRZ()
	if lines == nil {
		return authn.Verdict{Status: authn.NotPresent, Code: FeatureMissing, Subject: string(MRZ)}
	}
	_, d, _ := s.find(MRZ)
	cut := make([]string, len(printed))
	copy(cut, printed)
	if last := len(cut) - 1; len(cut) == d.shape[0] && len(cut[last]) == d.shape[1] {
		cut[last] = cut[last][:d.shape[2]] + strings.Repeat("<", d.shape[1]-d.shape[2])
	}
	v := authn.CompareMRZ(cut, lines)
	if v.Code == authn.MRZChipMismatch {
		v.Code = MRZMismatch
	}
	return v
}

// ComparePassport judges whether a seal is for the passport of that number
// (Doc 9303-7, 9.4). Spaces and fillers do not count.
func ComparePassport(number string, s *Seal) authn.Verdict {
	got := s.Text(PassportNumber)
	if got == "" {
		return authn.Verdict{Status: authn.NotPresent, Code: FeatureMissing, Subject: string(PassportNumber)}
	}
	bare := func(s string) string { return strings.Trim(s, "< ") }
	if bare(number) != bare(got) {
		return authn.Verdict{Status: authn.Failed, Code: PassportMismatch, Subject: string(PassportNumber)}
	}
	return authn.Verdict{Status: authn.Passed}
}
